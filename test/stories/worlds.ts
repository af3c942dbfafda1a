import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { isEmpty } from '../../controller/fleet/step.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { pauseAgents } from '../../controller/ledger/sights.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { acceptTasks } from '../../controller/ledger/tasks.ts';
import { createPretendNode, type PretendNode } from '../../controller/transport/pretend.ts';
import { createClock } from '../support/clock.ts';
import { openController } from '../support/world.ts';
import { type Chance, createChance, drawBehaviour, drawFleet, drawTasks, drawTroubles, type Trouble } from './draw.ts';
import { hear, judge, newHeard, rowsOf, type Watch } from './sentences.ts';
import { kill, make, type Story, spring } from './troubles.ts';

/** One simulated world from its seed: the real loop and ledger, pretend nodes, a clock that is moved, faults drawn. */

export interface WorldOutcome {
  seed: number;
  /** Sentences that did not hold, with the simulated second; empty: all held. */
  wrong: string[];
  /** Hash of everything the ledger recorded as having happened. */
  hash: string;
  tasks: number;
  executions: number;
  ticks: number;
  troubles: Trouble[];
  seconds: number;
}

const IDENTITY = { ledger: 'L1', machine: 'M1', takeOver: false };
const PROGRAM = { text: 'pretend', hash: '0123456789abcdef' };
/** A clock set back may hold a task for the longest wait there is, an hour, and its retry, too. */
const SETTLE_SECONDS_MAX = 9000;
const QUIET_SECONDS = 30;
/** What a slow network still carries when it is slow no more. */
const LATE_SECONDS = 150;

export async function simulate(seed: number, say: (text: string) => void = () => {}): Promise<WorldOutcome> {
  const story = await begin(seed, say);
  const { watch, chance } = story;
  const troubles = drawTroubles(chance);
  for (const { at, what } of troubles) {
    await goOn(story, at - watch.clock.monotonic());
    if (story.wrong.length > 0) break;
    say(`${(watch.clock.monotonic() / 1000).toFixed(3)} ${what}`);
    await make(story, what);
  }
  if (story.wrong.length === 0) await calm(story);
  if (story.wrong.length === 0) await settleAll(story);
  story.controller?.kill();
  await watch.clock.settle();
  const events = rowsOf(watch, 'SELECT * FROM event ORDER BY seq');
  const hash = createHash('sha256').update(JSON.stringify(events)).digest('hex').slice(0, 16);
  watch.ledger.close();
  return {
    seed,
    wrong: story.wrong,
    hash,
    tasks: story.tasks.length,
    executions: watch.executions.length,
    ticks: story.ticks + (story.controller?.ticks ?? 0),
    troubles: troubles.map(({ what }) => what),
    seconds: watch.clock.monotonic() / 1000,
  };
}

let worlds = 0;

async function begin(seed: number, say: (text: string) => void): Promise<Story> {
  const chance = createChance(seed);
  const clock = createClock();
  const fleet = drawFleet(chance);
  const heard = new Map(fleet.nodes.map(({ name }) => [name, newHeard()]));
  const nodes = new Map(fleet.nodes.map(({ name }) => [name, drawNode(name, chance.fork())]));
  function drawNode(name: string, own: Chance): PretendNode {
    const onTold = (line: string) => {
      say(`${(clock.monotonic() / 1000).toFixed(3)} ${name} ${line}`);
      hear(heard.get(name)!, line, clock.monotonic());
    };
    const script = drawBehaviour.bind(null, own);
    const node = createPretendNode({ name, clock, random: own.next, script, vcpu: 20, memoryKiB: 2 ** 26, onTold });
    node.latencyMs = own.pick([1, 1, 5, 30, 120]);
    return node;
  }
  worlds += 1;
  const path = `file:/world-${process.pid}-${worlds}?vfs=memdb`;
  const keeper = openSqlite({ path, readOnly: false });
  const ledger = new DatabaseSync(path);
  const tasks = drawTasks(chance, fleet);
  await inTransaction(keeper, (tx) => acceptTasks(tx, tasks, clock.now()));
  await keeper.destroy();
  const random = chance.fork().bytes;
  const onRequest = (name: string, verb: string, write: () => void) => {
    if (story.trap?.verb === verb && story.trap.spared-- <= 0) spring(story, nodes.get(name)!, write);
    else write();
  };
  const open = () =>
    openController({ onRequest, fleet, path, clock, nodes, random, program: PROGRAM, identity: IDENTITY });
  const watch: Watch = {
    ledger,
    clock,
    nodes,
    heard,
    isHeld: true,
    accepted: new Set(tasks.map(({ id }) => id)),
    needs: new Map(tasks.map(({ id, needs }) => [id, needs ?? []])),
    cancelled: new Map(),
    eventsSeen: 0,
    executionsSeen: 0,
    completed: new Map(),
    executions: [],
  };
  const story: Story = {
    seed,
    chance,
    watch,
    tasks,
    controller: null,
    open,
    wrong: [],
    intents: 0,
    wishes: new Map(),
    asked: [],
    ticks: 0,
    killAfter: null,
    wasSlow: false,
    trap: null,
    say,
  };
  story.controller = await open();
  return story;
}

/** Time passes; at every stop the sentences are looked at, and a due kill falls on some await. */
async function goOn(story: Story, ms: number): Promise<void> {
  const { watch } = story;
  await watch.clock.advance(ms, async () => {
    if (story.killAfter && story.controller && story.killAfter.stops-- <= 0) await kill(story, story.killAfter.hops);
    await watch.clock.settle();
    if (story.wrong.length > 0) return;
    const broken = story.controller?.broken;
    const wrong =
      broken === undefined
        ? judge(watch)
        : [`the controller broke: ${String((broken as Error | null)?.stack ?? broken)}`];
    story.wrong.push(...wrong.map((text) => `at ${(watch.clock.monotonic() / 1000).toFixed(3)} s: ${text}`));
  });
}

/** All that is wrong is put right: from now on everything has to come to its end. */
async function calm(story: Story): Promise<void> {
  const { watch } = story;
  await goOn(story, 21_000); // what was under way undoes itself
  for (const node of watch.nodes.values()) node.own('L1 M1');
  while (!story.controller && story.wrong.length === 0) await goOn(story, 1000);
  const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
  const intent = {
    id: `intent-${story.seed}-calm`,
    operation: 'resume',
    input: {},
    by: 'person',
    at: watch.clock.now(),
  };
  const resumed = story.controller?.obey(intent, async (world) => {
    await inTransaction(world.ledger, (tx) => pauseAgents(tx, numbers, false, watch.clock.now()));
    world.wake();
  });
  await watch.clock.settle();
  await resumed;
}

async function settleAll(story: Story): Promise<void> {
  const { watch } = story;
  const unsettled = "SELECT id, state, reason FROM task WHERE state IN ('queued', 'blocked', 'running')";
  const open = () => rowsOf(watch, unsettled);
  const until = watch.clock.monotonic() + SETTLE_SECONDS_MAX * 1000;
  while (open().length > 0 && story.wrong.length === 0) {
    if (watch.clock.monotonic() > until) {
      story.wrong.push(`(g) not settled after ${SETTLE_SECONDS_MAX} s: ${JSON.stringify(open())}`);
      return;
    }
    await goOn(story, 5000);
  }
  await goOn(story, (story.wasSlow ? LATE_SECONDS : QUIET_SECONDS) * 1000);
  if (story.wrong.length > 0) return;
  for (let look = 0; look < 3; look += 1) {
    const ticks = story.controller?.ticks ?? 0;
    await goOn(story, 6000);
    const plan = story.controller?.plan;
    if (!plan || (story.controller?.ticks ?? 0) === ticks) story.wrong.push('(g) no tick in 6 s');
    else if (!isEmpty(plan)) story.wrong.push(`(g) all is quiet, and a tick plans ${JSON.stringify(plan)}`);
  }
  story.wrong.push(...judgeQuiet(story));
}

/** When nothing goes on, everything is seen as it is, and nothing is left lying about. */
function judgeQuiet({ watch, wishes, asked }: Story): string[] {
  const wrong: string[] = [];
  for (const { id, task, seen } of asked) {
    const refused = rowsOf<{ result: string }>(watch, 'SELECT result FROM intent WHERE id = ?', id).some(({ result }) =>
      result.includes('unlawful'),
    );
    const done = `SELECT seq FROM event WHERE kind = 'task_retried' AND data LIKE '%person%' AND task = ? AND seq > ?`;
    if (
      refused &&
      rowsOf(watch, done, task, seen).length > 0 &&
      asked.filter((other) => other.task === task).length === 1
    )
      wrong.push(`(h) ${id} was done and is told as refused`);
  }
  for (const id of wishes.keys()) wrong.push(`(a) ${id} was never answered`);
  for (const [name, node] of watch.nodes) {
    if (node.openStreams !== 1) wrong.push(`(h) ${name} has ${node.openStreams} conversations open`);
    if (node.machine.open.size > 0) wrong.push(`(a) ${name} still holds ${[...node.machine.open.keys()].join(' ')}`);
  }
  const agents = rowsOf(watch, "SELECT number, state, evidence FROM agent WHERE state <> 'idle'");
  if (agents.length > 0) wrong.push(`(h) nothing goes on, and agents are ${JSON.stringify(agents)}`);
  const nodes = rowsOf(watch, "SELECT name, state, evidence FROM node WHERE state <> 'up'");
  if (nodes.length > 0) wrong.push(`(h) nothing is wrong, and nodes are ${JSON.stringify(nodes)}`);
  return wrong;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      verbose: { type: 'boolean' },
    },
  });
  const from = Number(values.from);
  const count = Number(values.seeds);
  const failed: number[] = [];
  const sum = { tasks: 0, executions: 0, ticks: 0, seconds: 0 };
  for (let seed = from; seed < from + count; seed += 1) {
    const outcome = await simulate(seed, values.verbose ? (text) => process.stdout.write(`${text}\n`) : undefined);
    for (const key of ['tasks', 'executions', 'ticks', 'seconds'] as const) sum[key] += outcome[key];
    if (outcome.wrong.length === 0) continue;
    failed.push(seed);
    process.stdout.write(
      `seed ${seed} (${outcome.troubles.join(', ')}):\n  ${outcome.wrong.slice(0, 5).join('\n  ')}\n`,
    );
    process.stdout.write(`  replay: npm run worlds -- --from ${seed} --seeds 1 --verbose\n`);
  }
  process.stdout.write(
    `${count} worlds, ${failed.length} broken; ${sum.tasks} tasks, ${sum.executions} executions, ${sum.ticks} ticks, ${Math.round(sum.seconds)} simulated seconds\n`,
  );
  process.exitCode = failed.length > 0 ? 1 : 0;
}

if (import.meta.main) await main();
