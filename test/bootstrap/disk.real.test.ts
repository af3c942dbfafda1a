import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { aNodeWith, fillGates, linesOf, programWith, until } from './ground.ts';

const canMount = process.getuid?.() === 0;

/** A home on a file system of 4 MiB; it goes with the test. Needs root. */
async function smallHome(context: TestContext): Promise<string> {
  const home = await mkdtemp(join(homedir(), '.ft-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', home]);
  context.onTestFinished(async () => {
    execFileSync('umount', ['-l', home]);
    await rmdir(home);
  });
  return home;
}

/** Takes the last byte that is left. */
async function fill(home: string): Promise<void> {
  for (const bytes of [65_536, 4096, 1]) {
    await appendFile(join(home, 'full'), Buffer.alloc(bytes), { flush: true })
      .then(() => fill(home))
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      });
  }
}

describe.skipIf(!canMount)('a full disk (needs root, for a small file system)', { concurrent: true }, () => {
  test('loses no end: it is told at the next greeting', async (context) => {
    const home = await smallHome(context);
    const node = await aNodeWith(context, { home });
    const here = await node.greet();
    const attempt = await here.start(
      'echo begun; dd if=/dev/zero of="$HOME/full" bs=4k 2>/dev/null; echo more; exit 4',
    );
    await until('the end on the node', async () => (await linesOf(here.file(attempt))).end !== '');
    here.link.close();
    await here.link.ended;
    const again = await node.greet();
    // Not the task's fault, as far as anybody can know.
    context.expect(again.records).toMatchObject([{ is: 'end', attempt, how: 'exited', exit: 4, stop: 'disk' }]);
    context.expect((await again.link.evidence(attempt)).out).toMatch(/^begun\n/);
    await again.link.acknowledge([attempt]);
    await rm(join(home, 'full'));
    context.expect(await again.ended(await again.start('exit 6'))).toMatchObject({ exit: 6 });
  });

  test('refuses a start with the reason, leaves nothing of it, and takes it when there is room again', async (context) => {
    const home = await smallHome(context);
    const here = await (await aNodeWith(context, { home })).greet();
    context.expect(await here.ended(await here.start('true'))).toMatchObject({ exit: 0 });
    const order = here.order('echo at last', { prompt: 'x'.repeat(10_000) });
    await fill(home);
    await context.expect(here.link.start(order)).rejects.toMatchObject({ code: 'disk-full' });
    await context.expect(stat(here.file(order.attempt))).rejects.toThrow('ENOENT');
    await rm(join(home, 'full'));
    await here.link.start(order);
    context.expect(await here.ended(order.attempt)).toMatchObject({ exit: 0 });
    context.expect((await here.link.evidence(order.attempt)).out).toBe('at last\n');
  });

  test('loses neither why an attempt was asked to end nor whom to end', async (context) => {
    const home = await smallHome(context);
    const here = await (await aNodeWith(context, { home })).greet();
    const [asked, late] = [
      await here.start(`trap '' TERM; echo begun; while :; do sleep 1; done`, { agent: 1 }),
      await here.start('echo begun; exec sleep 1000', { agent: 2, timeoutSeconds: 4 }),
    ];
    for (const attempt of [asked, late]) await here.said(attempt, 'begun');
    await fill(home);
    context.expect(await here.link.stop(asked, 'restarted')).toBe('stopping');
    context.expect(await here.link.stop(asked, 'cancelled')).toBe('stopping');
    context.expect(await here.ended(asked)).toMatchObject({ how: 'exited', exit: 137, stop: 'restarted' });
    context.expect(await here.ended(late)).toMatchObject({ how: 'exited', exit: 143, stop: 'timeout' });
  });

  test('lets go of an attempt whose worker died and had no room for anything more', async (context) => {
    const home = await smallHome(context);
    const node = await aNodeWith(context, { home });
    const here = await node.greet();
    await fillGates(context, node.root);
    const attempt = await here.start('echo ran', { gated: true });
    const worker = await here.workerOf(attempt);
    await fill(home);
    process.kill(worker, 'SIGKILL');
    context.expect(await here.ended(attempt)).toMatchObject({ how: 'lost' });
  });

  test('refuses the first greeting, and every one of a home that cannot be written', async (context) => {
    const home = await smallHome(context);
    const node = await aNodeWith(context, { home });
    const here = await node.greet();
    here.link.close();
    await here.link.ended;
    await rm(join(node.root, 'epoch'));
    await fill(home);
    await context.expect(node.greet()).rejects.toMatchObject({ code: 'disk-full' });
    await rm(join(home, 'full'));
    execFileSync('mount', ['--bind', home, home]);
    const unlock = () => execFileSync('umount', ['-l', home]);
    await (async () => {
      execFileSync('mount', ['-o', 'remount,bind,ro', home]);
      await context.expect(node.greet()).rejects.toMatchObject({ code: 'disk-full' });
    })().finally(unlock);
    context.expect((await node.greet()).link.greeting.epoch).toBeGreaterThan(0);
  });
});

describe.concurrent('output without end', () => {
  test('gives its middle back to the disk past the limit, and keeps head and tail', async (context) => {
    const node = await aNodeWith(context, { program: await programWith({ OUT_BYTES_MAX: 4 * 1024 * 1024 }) });
    const here = await node.greet();
    const attempt = await here.start(
      'echo head; head -c 16000000 /dev/zero | tr "\\0" x; echo tail; until [ -e go ]; do sleep 0.1; done',
    );
    const out = `${here.file(attempt)}.out`;
    const { size, blocks } = await until('holes in the output', async () => {
      const found = await stat(out).catch(() => ({ size: 0, blocks: 0 }));
      return found.size > 16_000_000 && found.blocks * 512 < 8_000_000 && found;
    });
    context.expect(blocks * 512).toBeLessThan(size / 2);
    await writeFile(join(node.root, 'agents/001/work/go'), '');
    await here.ended(attempt);
    const evidence = await here.link.evidence(attempt);
    context.expect(evidence.out.startsWith('head\nx')).toBe(true);
    context.expect(evidence.out.endsWith(`${'x'.repeat(100_000)}tail\n`)).toBe(true);
    context.expect(evidence.out.length).toBeLessThan(300_000);
  });
});
