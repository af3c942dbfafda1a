import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { frame, orderHash } from '../../controller/node/shell.ts';
import { Secret } from '../../controller/secret.ts';
import { aNodeWith, fillGates, linesOf, processesWith, rawStream, until } from './ground.ts';

const HARD = [
  '-n -e --help',
  `it's "quoted" $(touch hacked) \`touch hacked\` $HOME $\{HOME} \\ \\n %s !!`,
  '日本語 👍🏽 \u{10ffff}',
  '',
  '\ttabs\r\n\x01\x1b[31m\x7f',
  'FLEET_FILTER',
  '1 stop x cancelled',
  "'''",
].join('\n');

describe.concurrent('an attempt on a node', () => {
  test.for<[string, string]>([
    ['with quotes, commands, Japanese and control characters', HARD],
    ['of 100 KB', `-${'日本$(x)\n'.repeat(8500)}`],
    ['with newlines at both ends, and none', '\n\n x \n\n'],
  ])('gets a prompt %s byte for byte, as its input and as its file', async ([, prompt], context) => {
    const here = await (await aNodeWith(context)).greet();
    const attempt = await here.start('cat >in; cp "$FLEET_PROMPT_FILE" file; pwd', { prompt });
    context.expect(await here.ended(attempt)).toMatchObject({ how: 'exited', exit: 0, stop: null });
    const work = (await here.said(attempt, '/')).trim();
    const bytes = Buffer.from(prompt);
    for (const name of ['in', 'file']) context.expect(bytes.equals(await readFile(join(work, name)))).toBe(true);
    context.expect((await here.link.evidence(attempt)).out).toBe(`${work}\n`);
  });

  test('works in a folder whose name holds spaces and quotes', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const cwd = join(node.home, `it's a "work" folder $(x)`);
    await mkdir(cwd);
    const attempt = await here.start('pwd', { cwd });
    await here.ended(attempt);
    context.expect((await here.link.evidence(attempt)).out).toBe(`${cwd}\n`);
  });

  test('gets a clean environment: nothing of the controller’s, nothing of the node program’s', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const attempt = await here.start('env', { env: { MINE: '1' } });
    await here.ended(attempt);
    const { out } = await here.link.evidence(attempt);
    context.expect(out).toContain('MINE=1');
    context.expect(out).toContain(`FLEET_ATTEMPT=${attempt}`);
    context.expect(out).not.toMatch(/LEAK|FLEET_ROOT|FLEET_PROGRAM/);
  });

  test('gets its secrets, and no file, word, log or journal holds them while it runs', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const value = `s3cret-'${randomUUID()}'`;
    const attempt = await here.start('echo "length $(printf %s "$KEY" | wc -c)"; exec sleep 1000', {
      secrets: { KEY: new Secret(value) },
      stdin: 'none',
      cwd: node.home,
    });
    context.expect(await here.said(attempt, 'length')).toBe(`length ${value.length}\n`);
    const plain = value.slice(8, -1);
    context
      .expect(execFileSync('sh', ['-c', 'grep -rlF -- "$1" "$2" || :', 'sh', plain, node.home], { encoding: 'utf8' }))
      .toBe('');
    const words = processesWith(`FLEET_ATTEMPT=${attempt}`).map((pid) => `/proc/${pid}/cmdline`);
    context.expect((await Promise.all(words.map((file) => readFile(file, 'utf8')))).join('')).not.toContain(plain);
    await here.link.stop(attempt, 'cancelled');
    await here.ended(attempt);
  });

  test('whose worker dies while it waits with its secrets leaves none behind: they never were in a file', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const attempt = randomUUID();
    // The gate is full, so its worker waits.
    await fillGates(context, node.root);
    await here.start('echo ran', { attempt, gated: true, secrets: { KEY: new Secret('s3cret-value') } });
    const worker = await here.workerOf(attempt);
    const holders = () =>
      execFileSync('sh', ['-c', 'grep -rlF -- s3cret-value "$1" || :', 'sh', node.home], { encoding: 'utf8' });
    context.expect(holders()).toBe('');
    process.kill(worker, 'SIGKILL');
    context.expect(await here.ended(attempt)).toMatchObject({ how: 'lost' });
    context.expect(holders()).toBe('');
    await context.expect(stat(`${here.file(attempt)}.out`)).rejects.toThrow('ENOENT');
  });

  test('leaves nothing of ours that others may read: files 0600, folders 0700', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const attempt = await here.start('echo hi; mkdir -p a/b; echo x >a/b/c', {
      secrets: { KEY: new Secret('value-value') },
    });
    await here.ended(attempt);
    await until('a report', () => here.reports.some(({ is }) => is === 'machine'));
    // What the agent itself made, in its own folder, keeps the modes that a login gives.
    const find = (mode: string) =>
      execFileSync(
        'find',
        [join(node.home, '.miyabi'), '-path', '*/work/*', '-prune', '-o', '-type', 'f,d', '-perm', mode, '-print'],
        { encoding: 'utf8' },
      );
    context.expect(find('/077')).toBe('');
    context.expect(find('-600').split('\n').length).toBeGreaterThan(15);
  });
});

describe.concurrent('an attempt that is sent', () => {
  test('twice begins once; under the same id with another content it is refused', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const order = here.order('echo once');
    context.expect(await here.link.start(order)).toBe('new');
    context.expect(await here.link.start(order)).toBe('same');
    await here.ended(order.attempt);
    context.expect(await here.link.start(order)).toBe('same');
    await context.expect(here.link.start({ ...order, prompt: 'other' })).rejects.toMatchObject({ code: 'protocol' });
    context.expect((await here.link.evidence(order.attempt)).out).toBe('once\n');
    // Whoever sends it again may never have heard of its end.
    const ends = () => here.records.filter(({ is }) => is === 'end');
    await until('its end, told once more', () => ends().length >= 2);
    context.expect(ends()[0]).toEqual(ends()[1]);
  });

  test('after it was ended never runs, also when the controller died between the two', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const order = here.order('touch ran');
    context.expect(await here.link.stop(order.attempt, 'cancelled')).toBe('buried');
    context.expect(await here.link.start(order)).toBe('buried');
    context.expect(await linesOf(here.file(order.attempt))).toMatchObject({ lock: 'buried', tool: '', claimed: '' });
  });

  test('for an earlier boot never runs', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    context.expect(await here.link.start(here.order('true', { boot: 'an-earlier-one' }))).toBe('boot');
  });

  test('and cut short before it was begun can be ended, and then never runs', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const order = here.order('touch ran');
    // What a killed server leaves: its file, and a part of what belongs to it.
    await writeFile(here.file(order.attempt), `${orderHash(order)} command\n`);
    await writeFile(`${here.file(order.attempt)}.prompt`, 'half a');
    context.expect(await here.link.stop(order.attempt, 'cancelled')).toBe('buried');
    context.expect(await here.link.start(order)).toBe('buried');
    context.expect(await linesOf(here.file(order.attempt))).toMatchObject({ lock: 'buried', tool: '', claimed: '' });
  });

  test('and cut short before it was begun begins when it is sent again', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const order = here.order('echo whole');
    await writeFile(here.file(order.attempt), `${orderHash(order)} command\n`);
    context.expect(await here.link.start(order)).toBe('same');
    context.expect(await here.ended(order.attempt)).toMatchObject({ how: 'exited', exit: 0 });
  });

  test('and left an empty lock, by a death or a full disk, begins when it is sent again', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const attempt = randomUUID();
    await writeFile(here.file(attempt), '');
    context.expect(await here.link.start(here.order('exit 9', { attempt }))).toBe('same');
    context.expect(await here.ended(attempt)).toMatchObject({ exit: 9 });
  });
});

const HELLO = frame('1', ['hello', 'ledger', 'machine', '0', '0'], '');

describe.concurrent('the stream to a node', () => {
  test('waits for the rest of a request that stalls half-way, as long as it takes, and reports meanwhile', async (context) => {
    const { lines, stream } = await rawStream(context, await withProgram(context));
    stream.write(HELLO);
    await until('the greeting', () => lines.some((line) => line.startsWith('A 1 {"ok":true')));
    const reports = () => lines.filter((line) => line.startsWith('R node')).length;
    const request = frame('2', ['stop', randomUUID(), 'cancelled'], '');
    stream.write(request.slice(0, 10));
    const before = reports();
    await until('two reports while the request stalls', () => reports() >= before + 2);
    stream.write(request.slice(10));
    context
      .expect(await until('an answer', () => lines.find((line) => line.startsWith('A 2 '))))
      .toBe('A 2 {"ok":true,"was":"buried"}');
  });

  test('obeys nobody who has not greeted', async (context) => {
    const { lines, stream } = await rawStream(context, await withProgram(context));
    stream.write(frame('1', ['stop', randomUUID(), 'cancelled'], ''));
    await stream.ended;
    // Its last words may come after the news of its end.
    await until('a refusal', () => lines.some((line) => line.includes('greet first')));
    context.expect(lines.filter((line) => line.startsWith('A ') && line.includes('"ok":true'))).toEqual([]);
  });

  test('is taken over by the next controller of the same ledger, and refused to another ledger’s', async (context) => {
    const node = await withProgram(context);
    const first = await rawStream(context, node);
    first.stream.write(HELLO);
    await until('the greeting', () => first.lines.some((line) => line.includes('"epoch":1')));
    const second = await rawStream(context, node);
    second.stream.write(HELLO);
    await until('a higher epoch', () => second.lines.some((line) => line.includes('"epoch":2')));
    await first.stream.ended;
    const stranger = await rawStream(context, node);
    stranger.stream.write(frame('1', ['hello', 'other', 'machine', '0', '0'], ''));
    context
      .expect(await until('a refusal', () => stranger.lines.find((line) => line.startsWith('A 1 '))))
      .toContain('"code":"owned","message":"ledger machine"');
  });
});

describe.concurrent('a journal that an agent has written into', () => {
  test('changes nothing where the lines are no records', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const attempt = await here.start('echo one; exec sleep 1000', { stdin: 'none', cwd: node.home });
    await here.said(attempt, 'one');
    const garbage = [
      'end',
      'end x y z',
      `end ${attempt}`,
      `end ${attempt} 001 exited 0`,
      `end ${attempt} -1 exited 0 0 -`,
      '\0\x01\xff',
      'A 1 {"ok":true}',
      `${'x'.repeat(9000)} end ${attempt} 001 exited 0 0 -`,
      '',
    ].join('\n');
    await appendFile(join(node.root, 'journal'), `${garbage}no newline`);
    const next = await here.start('echo two', { agent: 2 });
    context.expect(await here.ended(next)).toMatchObject({ exit: 0 });
    context.expect(here.records.filter((record) => record.is === 'end' && record.attempt === attempt)).toEqual([]);
    context.expect(await here.link.stop(attempt, 'cancelled')).toBe('stopping');
    context.expect(await here.ended(attempt)).toMatchObject({ how: 'exited', stop: 'cancelled' });
  });

  test('makes no end: what an attempt left is not told before it has ended', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const attempt = await here.start('echo begun; exec sleep 1000');
    await here.said(attempt, 'begun');
    for (const words of ['lost - 0 - some', 'exited 0 0 - none'])
      await appendFile(join(node.root, 'journal'), `\n${`end ${attempt} 001 ${words}`.padEnd(90)}\n`);
    context.expect(await here.ended(await here.start('exit 4', { agent: 2 }))).toMatchObject({ exit: 4 });
    context.expect(here.records.filter((record) => record.is === 'end' && record.attempt === attempt)).toEqual([]);
    await context.expect(here.link.evidence(attempt)).rejects.toMatchObject({ code: 'protocol' });
    await here.link.stop(attempt, 'cancelled');
    await until('its own end', () => here.records.some((each) => each.is === 'end' && each.stop === 'cancelled'));
    context.expect((await here.link.evidence(attempt)).out).toBe('begun\n');
  });

  test('or taken away loses no end: the folders hold it, until it is acknowledged', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const attempt = await here.start('exit 7');
    await here.ended(attempt);
    here.link.close();
    await here.link.ended;
    await rm(join(node.root, 'journal'));
    const again = await node.greet();
    context.expect(again.records).toMatchObject([{ is: 'end', attempt, exit: 7 }]);
    await again.link.acknowledge([attempt]);
    again.link.close();
    await again.link.ended;
    context.expect((await node.greet()).records).toEqual([]);
  });
});

/** A node with its program in place and nobody connected. */
async function withProgram(context: TestContext) {
  const node = await aNodeWith(context);
  const here = await node.greet();
  here.link.close();
  await here.link.ended;
  await rm(join(node.root, 'epoch'));
  return node;
}
