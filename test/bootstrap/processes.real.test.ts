import { randomInt } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'vitest';
import { removeFleet } from '../../controller/node/shell.ts';
import { aNodeWith, linesOf, needsGroups, processesWith, rawStream, until, WITHOUT_CGROUPS } from './ground.ts';

/** A number that no other process has among its words. */
const aToken = () => String(randomInt(100_000_000, 999_999_999));

/** Children that try to outlive the tool in every usual way. */
const escapes = (token: string) => `
  sleep ${token}.1 &
  setsid sleep ${token}.2 &
  nohup sleep ${token}.3 >/dev/null 2>&1 &
  ( ( setsid sh -c 'sleep ${token}.4; :' & ) & )
  ( trap '' TERM HUP INT; exec sleep ${token}.5 ) &
  setsid setsid nohup bash -c 'trap "" TERM; cd /; exec sleep ${token}.6' </dev/null >/dev/null 2>&1 &
  until [ "$(grep -lsa 'sleep.${token}' /proc/[0-9]*/cmdline | wc -l)" -ge 7 ]; do :; done`;

type Ending = 'its own end' | 'being ended' | 'its worker being killed' | 'a time limit';

const MODES: readonly ['with' | 'without', readonly string[]][] = [
  ['with', []],
  ['without', WITHOUT_CGROUPS],
];
const CASES = MODES.flatMap(([mode, before]) =>
  (['its own end', 'being ended', 'its worker being killed', 'a time limit'] as const).map((ending) => ({
    mode,
    before,
    ending,
  })),
);

describe.concurrent('what an attempt began', () => {
  test.for(CASES)('does not outlive $ending, $mode control groups', async ({ mode, before, ending }, context) => {
    const here = await (await aNodeWith(context, { before })).greet();
    if (mode === 'with') needsGroups(context, here.link);
    else context.expect(here.link.greeting.cgroup).toBe(false);
    const token = aToken();
    // Without control groups the mark in the environment is what finds it; with them nothing needs to.
    const bare = mode === 'with' ? `env -i setsid sleep ${token}.7 &` : '';
    const rest = ending === 'its own end' ? 'exit 3' : `trap '' TERM; sleep ${token}.0`;
    const attempt = await here.start(`${bare}${escapes(token)}; echo ready; ${rest}`, {
      timeoutSeconds: ending === 'a time limit' ? 1 : 0,
    });
    await here.said(attempt, 'ready');
    const end = await endBy(ending, here, attempt);
    context.expect(end).toMatchObject(EXPECTED[ending]);
    context.expect(processesWith(`sleep\0${token}`)).toEqual([]);
    context.expect(processesWith(`FLEET_ATTEMPT=${attempt}`)).toEqual([]);
  });
});

/** Each a script that leaves something behind that is hard to catch, for so long at most as a test may take. */
const HARD_TO_CATCH: readonly [string, (token: string) => string][] = [
  [
    'that begins itself anew all the while',
    (token) => `printf '%s' 'echo $1 >n; [ $1 -ge 9000 ] || setsid sh x $(($1 + 1)) ${token} &' >x; sh x 1 ${token}`,
  ],
  [
    'in a control group of its own',
    (token) =>
      `g=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)$(sed -n 's/^0:://p' /proc/self/cgroup)/own
       mkdir "$g" && (echo 0 >"$g/cgroup.procs"; exec setsid sleep ${token}) &`,
  ],
];

describe.concurrent('an attempt’s worker', () => {
  test('gathers what a tool used also where that takes longer than the tool may live once it is to end', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const collect = 'for n in 1 2 3 4; do echo used $n; sleep 1; done';
    const stubborn = `trap '' TERM; echo begun; while :; do sleep 0.2; done`;
    const attempt = await here.start(stubborn, { collect });
    await here.said(attempt, 'begun');
    await here.link.stop(attempt, 'cancelled');
    context.expect(await here.ended(attempt, 20_000)).toMatchObject({ exit: 137, stop: 'cancelled' });
    context.expect((await here.link.evidence(attempt)).usage).toBe('used 1\nused 2\nused 3\nused 4\n');
  });

  test('that waits at the gate and is to end lets the next one through at once', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const slots = 2 * availableParallelism();
    const agents = [1, 2, 3, 4].map((turn) => 1 + turn * slots);
    const attempts = await Promise.all(agents.map((agent) => here.start('exec sleep 1000', { agent, gated: true })));
    await Promise.all(attempts.map((attempt) => here.link.stop(attempt, 'cancelled')));
    const ends = await Promise.all(attempts.map((attempt) => here.ended(attempt, 12_000)));
    context.expect(ends.map(({ stop }) => stop)).toEqual(agents.map(() => 'cancelled'));
  });

  test.for(HARD_TO_CATCH)('ends what is left %s, and goes on to work', async ([, script], context) => {
    const here = await (await aNodeWith(context)).greet();
    needsGroups(context, here.link);
    const token = aToken();
    const attempt = await here.start(`${script(token)}\nsleep 0.3; exit 3`);
    const worker = await here.workerOf(attempt);
    context.expect(await here.ended(attempt, 15_000)).toMatchObject({ how: 'exited', exit: 3 });
    context.expect(processesWith(token)).toEqual([]);
    const next = await here.start('exit 4');
    context.expect(await here.workerOf(next)).toBe(worker);
    context.expect(await here.ended(next)).toMatchObject({ how: 'exited', exit: 4 });
  });
});

const EXPECTED: Readonly<Record<Ending, object>> = {
  'its own end': { how: 'exited', exit: 3, stop: null },
  'being ended': { how: 'exited', exit: 137, stop: 'cancelled' },
  'its worker being killed': { how: 'lost', exit: null },
  'a time limit': { how: 'exited', exit: 137, stop: 'timeout' },
};

async function endBy(ending: Ending, here: Here, attempt: string) {
  if (ending === 'being ended') await here.link.stop(attempt, 'cancelled');
  if (ending === 'its worker being killed') process.kill(await here.workerOf(attempt), 'SIGKILL');
  return here.ended(attempt, 15_000);
}

type Here = Awaited<ReturnType<Awaited<ReturnType<typeof aNodeWith>>['greet']>>;

describe.concurrent('an agent’s next attempt', () => {
  test('is not ended for what the one before it did not want to end', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const agents = [1, 2, 3, 4, 5, 6, 7, 8];
    const ends = await Promise.all(
      agents.map(async (agent) => {
        const stubborn = await here.start(`trap '' TERM; echo begun; while :; do sleep 0.2; done`, { agent });
        await here.said(stubborn, 'begun');
        await here.link.stop(stubborn, 'cancelled');
        await here.ended(stubborn);
        return here.ended(await here.start('sleep 0.3; exit 7', { agent }));
      }),
    );
    context.expect(ends.map(({ exit }) => exit)).toEqual(agents.map(() => 7));
  });

  test('begins though somebody has written into the pipe that brings it', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    context.expect(await here.ended(await here.start('exit 3'))).toMatchObject({ exit: 3 });
    const pipe = join(node.root, 'agents/001/orders');
    for (const text of ['999999', 'hello\n', 'x'.repeat(60_000)]) {
      await writeFile(pipe, text);
      context.expect(await here.ended(await here.start('exit 4'))).toMatchObject({ how: 'exited', exit: 4 });
    }
  });
});

describe.concurrent('limits', () => {
  test('end an attempt that is silent for too long, and not one that talks', async (context) => {
    const here = await (await aNodeWith(context)).greet();
    const talking = await here.start('for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $n; sleep 0.5; done', {
      silenceSeconds: 4,
      agent: 1,
    });
    const silent = await here.start('echo once; exec sleep 1000', { silenceSeconds: 4, agent: 2 });
    context.expect(await here.ended(silent)).toMatchObject({ how: 'exited', exit: 143, stop: 'silent' });
    context.expect(await here.ended(talking)).toMatchObject({ how: 'exited', exit: 0, stop: null });
  });

  test('are kept by a new sweep when the old one was killed, with nobody else noticing', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const sweep = await sweepOf(node.root);
    const attempt = await here.start('exec sleep 1000', { timeoutSeconds: 6 });
    process.kill(sweep, 'SIGKILL');
    const next = await until('another sweep', async () => {
      const pid = await sweepOf(node.root);
      return pid !== sweep && pid;
    });
    context.expect(next).not.toBe(sweep);
    context.expect(await here.ended(attempt)).toMatchObject({ stop: 'timeout', exit: 143 });
  });

  test('are kept while no controller is connected at all', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const sweep = await sweepOf(node.root);
    const attempt = await here.start('exec sleep 1000', { timeoutSeconds: 5 });
    await here.workerOf(attempt);
    // Whoever is connected begins another, which must not go with the connection.
    process.kill(sweep, 'SIGKILL');
    await until('another sweep', async () => (await sweepOf(node.root)) !== sweep);
    here.link.close();
    await here.link.ended;
    await until('the end on the node', async () => (await linesOf(here.file(attempt))).end !== '');
    context.expect((await node.greet()).records).toMatchObject([{ is: 'end', attempt, stop: 'timeout' }]);
  });
});

describe.concurrent('a node', () => {
  test('whose server is killed goes on working, and the next greeting tells of it', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const going = await here.start(
      'read -r line <"$FLEET_PROMPT_FILE"; until [ -e go ]; do sleep 0.1; done; echo "$line"',
      { prompt: 'still here\n', agent: 1 },
    );
    const ending = await here.start('exit 5', { agent: 2 });
    await here.ended(ending);
    process.kill(await pidIn(join(node.root, 'serve.pid')), 'SIGKILL');
    await here.link.ended;
    const again = await node.greet();
    context.expect(again.link.greeting.epoch).toBe(here.link.greeting.epoch + 1);
    context.expect(again.records).toHaveLength(2);
    context
      .expect(again.records)
      .toContainEqual({ is: 'open', attempt: going, agent: 1, seconds: context.expect.any(Number) });
    context
      .expect(again.records)
      .toContainEqual(context.expect.objectContaining({ is: 'end', attempt: ending, exit: 5 }));
    await again.start(':> ../../001/work/go', { agent: 2 });
    context.expect(await again.ended(going)).toMatchObject({ how: 'exited', exit: 0 });
    context.expect((await again.link.evidence(going)).out).toBe('still here\n');
  });

  test('ends what belongs to an earlier boot, once, at the greeting', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const attempt = await here.start('exec sleep 1000');
    const worker = await here.workerOf(attempt);
    const tool = await until(
      'a tool',
      async () => Number((await linesOf(here.file(attempt))).tool.split(' ')[0]) || undefined,
    );
    const sweep = await sweepOf(node.root);
    here.link.close();
    await here.link.ended;
    for (const pid of [sweep, worker, tool]) process.kill(pid, 'SIGKILL'); // what a power cut does
    await writeFile(join(node.root, 'boot'), 'the-boot-before\n');
    const again = await node.greet();
    context.expect(await again.ended(attempt)).toMatchObject({ how: 'lost' });
  });

  test('of the same name in another home is another: the end of one ends nothing of the other', async (context) => {
    const fleet = `t${aToken()}`;
    const one = await (await aNodeWith(context, { fleet })).greet();
    const two = await (await aNodeWith(context, { fleet })).greet();
    const token = aToken();
    const stays = await two.start(`echo ready; sleep ${token}`);
    await two.said(stays, 'ready');
    context.expect(await one.ended(await one.start('true'))).toMatchObject({ exit: 0 });
    context.expect(processesWith(`sleep\0${token}`)).toHaveLength(1);
  });

  test.for(MODES)('that is removed leaves no process and no file, %s control groups', async ([, before], context) => {
    const node = await aNodeWith(context, { before });
    const here = await node.greet();
    const token = aToken();
    const attempt = await here.start(`setsid sleep ${token} & mkdir -p a/b; chmod 500 a; echo ready; sleep ${token}`);
    await here.said(attempt, 'ready');
    const group = (await linesOf(here.file(attempt))).tool.split(' ')[3] ?? '';
    context
      .expect(await node.transport.run(removeFleet(node.fleet, node.program.hash, node.program.text)))
      .toMatchObject({ is: 'exited', code: 0, stderr: '' });
    await until('no process', () => processesWith(`HOME=${node.home}\0`).length === 0, 5000);
    context.expect(processesWith(`sleep\0${token}`)).toEqual([]);
    await context.expect(access(join(node.home, '.miyabi'))).rejects.toThrow('ENOENT');
    if (group.startsWith('/')) await context.expect(access(dirname(group))).rejects.toThrow('ENOENT');
  });

  test('that nobody has greeted yet is removed too, and one that follows another ledger only when told', async (context) => {
    const node = await aNodeWith(context);
    await rawStream(context, node); // the program was put in place, and no more
    await until('the program', () =>
      access(join(node.root, 'bin'))
        .then(() => true)
        .catch(() => false),
    );
    const remove = (...owner: string[]) =>
      node.transport.run({
        ...{ words: ['bash', '-s', '--', 'remove', node.root, ...owner], input: node.program.text },
        ...{ secondsMax: 20, bytesMax: 10_000 },
      });
    context.expect(await remove('ledger', 'machine')).toMatchObject({ is: 'exited', code: 0 });
    await context.expect(access(node.root)).rejects.toThrow('ENOENT');
    await node.greet();
    context.expect(await remove('other', 'machine')).toMatchObject({
      ...{ is: 'exited', code: 4 },
      stderr: 'it follows another ledger: ledger machine\n',
    });
    await access(join(node.root, 'owner'));
    context.expect(await remove('ledger', 'machine')).toMatchObject({ is: 'exited', code: 0 });
    await context.expect(access(node.root)).rejects.toThrow('ENOENT');
  });
});

async function pidIn(file: string): Promise<number> {
  return until(file, async () => Number((await readFile(file, 'utf8').catch(() => '')).split(' ')[0]) || undefined);
}

const sweepOf = (root: string) => pidIn(join(root, 'sweep.pid'));
