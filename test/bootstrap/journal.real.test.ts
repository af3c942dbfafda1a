import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { appendFile, readdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { aNodeWith, greet, linesOf, processesWith, programWith, until } from './ground.ts';

const forged = () => `${`end ${randomUUID()} 001 exited 0 0 - some`.padEnd(90)}\n`;

/** What may happen to a file that agents can write, each with a node whose journal it is. */
const TROUBLES: readonly [string, (journal: string) => Promise<void>][] = [
  ['torn in the middle of a line', (journal) => appendFile(journal, '\nend 0199a5f0-0000-7')],
  ['doubled', async (journal) => appendFile(journal, await readFile(journal))],
  ['cut to nothing', (journal) => truncate(journal, 0)],
  ['cut in the middle', (journal) => truncate(journal, 60)],
  [
    'replaced by another file',
    async (journal) => {
      await writeFile(`${journal}.other`, 'something else\n'.repeat(1000));
      await rename(`${journal}.other`, journal);
    },
  ],
  ['removed', (journal) => rm(journal)],
  [
    'replaced by a link to what never ends',
    async (journal) => {
      await rm(journal);
      await symlink('/dev/zero', journal);
    },
  ],
  ['flooded with forged ends', async (journal) => appendFile(journal, Array.from({ length: 50_000 }, forged).join(''))],
  ['given a line of 400 MB without an end', (journal) => truncate(journal, 400_000_000)],
];

describe.concurrent('a journal that is', () => {
  test.for(TROUBLES)('%s while it is listened to hides no end', async ([, trouble], context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const before = await here.start('exit 3', { agent: 1 });
    await here.ended(before);
    await trouble(join(node.root, 'journal'));
    const after = await here.start('exit 4', { agent: 2 });
    context.expect(await here.ended(after, 50_000)).toMatchObject({ how: 'exited', exit: 4 });
    await until('somebody who reads it', () => processesWith(`-F\0${join(node.root, 'journal')}`).length > 0);
    // What is forged comes in no faster than a bound, and not all of it.
    context.expect(here.records.length).toBeLessThan(20_000);
    here.link.close();
    await here.link.ended;
    const again = await node.greet();
    context.expect(again.records.map(({ attempt }) => attempt).toSorted()).toEqual([before, after].toSorted());
  });

  test('long is cut at the next greeting, and nothing is lost by it', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const going = await here.start('echo begun; until [ -e go ]; do sleep 0.1; done; exit 6', { agent: 1 });
    await here.said(going, 'begun');
    here.link.close();
    await here.link.ended;
    await appendFile(join(node.root, 'journal'), 'x'.repeat(9_000_000));
    const again = await node.greet();
    context.expect((await stat(join(node.root, 'journal'))).size).toBeLessThan(10_000);
    await writeFile(join(node.root, 'agents/001/work/go'), '');
    context.expect(await again.ended(going, 5000)).toMatchObject({ exit: 6 });
  });
});

describe.concurrent('programs of other versions', () => {
  test('go with a greeting once nobody runs them, and what was cut short on its way too', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const bin = join(node.root, 'bin');
    const own = await readdir(bin);
    for (const name of ['fleet-node-0123456789abcdef', 'fleet-node-0123456789abcdef.999999999'])
      await writeFile(join(bin, name), '');
    const used = join(bin, 'fleet-node-fedcba9876543210');
    await writeFile(used, 'sleep 1000 & wait\n');
    const user = await here.start(`bash '${used}'; exit 1`);
    await here.workerOf(user);
    await until('it runs', async () => (await linesOf(here.file(user))).tool !== '');
    context.expect((await node.greet()).link.greeting.epoch).toBe(2);
    context.expect((await readdir(bin)).toSorted()).toEqual([...own, 'fleet-node-fedcba9876543210'].toSorted());
  });

  test('keep no time either: the sweep that one of them began ends, and this one’s goes on with what runs', async (context) => {
    const program = await programWith({ SWEEP_SECONDS: 9 });
    const node = await aNodeWith(context);
    const before = await greet(context, { ...node, program });
    const attempt = await before.start('exec sleep 1000', { timeoutSeconds: 5 });
    await before.workerOf(attempt);
    const here = await node.greet();
    const sweeps = () =>
      processesWith(`fleet-node-${program.hash}`).filter((pid) => pid === Number(sweepPid(node.root)));
    await until('another sweep', () => sweepPid(node.root) !== '' && sweeps().length === 0);
    context.expect(await here.ended(attempt)).toMatchObject({ exit: 143, stop: 'timeout' });
  });
});

const sweepPid = (root: string) => /^\d+/.exec(readFileSync(join(root, 'sweep.pid'), 'utf8'))?.[0] ?? '';
