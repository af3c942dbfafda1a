import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { aNodeWith, linesOf, needsGroups, programWith, until } from './ground.ts';

const firstLine = async (file: string) => (await readFile(file, 'utf8').catch(() => '')).split('\n')[0] ?? '';

const sweepOf = (root: string) =>
  until('a sweep', async () => Number((await firstLine(join(root, 'sweep.pid'))).split(' ')[0]) || undefined);

describe.concurrent('the sweep of a node', () => {
  test('that was killed while nobody is connected is begun again by a worker that ends', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const limited = await here.start('exec sleep 1000', { agent: 1, timeoutSeconds: 6 });
    const other = await here.start('until [ -e go ]; do sleep 0.1; done', { agent: 2 });
    await here.workerOf(limited);
    await here.workerOf(other);
    here.link.close();
    await here.link.ended;
    process.kill(await sweepOf(node.root), 'SIGKILL');
    await node.transport.run({
      words: ['touch', join(node.root, 'agents/002/work/go')],
      secondsMax: 10,
      bytesMax: 1000,
    });
    await until('the end on the node', async () => (await linesOf(here.file(limited))).end.includes(' timeout '));
  });

  test('ends many whose workers died at once, and keeps the limits of the others meanwhile', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const agents = [...Array(16).keys()].map((index) => index + 1);
    // What each leaves takes a while to be gathered, as that of a tool with a long history may.
    const attempts = await Promise.all(
      agents.map((agent) => here.start('setsid sleep 1000 & exec sleep 1000', { agent, collect: 'sleep 3' })),
    );
    const limited = await here.start('exec sleep 1000', { agent: 30, timeoutSeconds: 3 });
    const workers = await Promise.all(attempts.map(here.workerOf));
    await here.workerOf(limited);
    for (const worker of workers) process.kill(worker, 'SIGKILL');
    for (const attempt of attempts) context.expect(await here.ended(attempt)).toMatchObject({ how: 'lost' });
    const end = await here.ended(limited);
    context.expect(end).toMatchObject({ how: 'exited', stop: 'timeout' });
    context.expect(end.seconds).toBeLessThan(20);
    context.expect(here.records.filter(({ is }) => is === 'end')).toHaveLength(17);
  });

  test('that hangs is not taken for one that sees: its old report is not told again', async (context) => {
    const node = await aNodeWith(context, { program: await programWith({ REPORT_SECONDS_MAX: 3 }) });
    const here = await node.greet();
    const count = () => here.reports.filter(({ is }) => is === 'machine').length;
    await until('reports', () => count() > 1);
    const sweep = await sweepOf(node.root);
    process.kill(sweep, 'SIGSTOP');
    context.onTestFinished(() => void process.kill(sweep, 'SIGCONT'));
    await delay(6000); // as long as one that is told might still be fresh, and a turn of the server more
    const before = count();
    const windows = () => here.reports.filter(({ is }) => is === 'sessions').length;
    const told = windows();
    await until('the server’s own reports', () => windows() >= told + 2);
    context.expect(count()).toBe(before);
  });

  test('takes away the control groups of attempts that ended, and no other', async (context) => {
    const node = await aNodeWith(context, { program: await programWith({ SWEEP_SECONDS: 2 }) });
    const here = await node.greet();
    needsGroups(context, here.link);
    const group = async (attempt: string) => (await linesOf(here.file(attempt))).tool.split(' ')[3] ?? '';
    const going = await here.start('echo begun; exec sleep 1000', { agent: 1 });
    const ended = await here.start('true', { agent: 2 });
    await here.said(going, 'begun');
    await here.ended(ended);
    const [kept, gone] = [await group(going), await group(ended)];
    await until('the group gone', () => !existsSync(gone));
    context.expect(existsSync(kept)).toBe(true);
    context.expect(await here.ended(await here.start('exit 5', { agent: 2 }))).toMatchObject({ exit: 5 });
  });
});
