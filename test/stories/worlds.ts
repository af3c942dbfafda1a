import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { isEmpty } from '../../controller/fleet/step.ts';
import type { World } from '../../controller/fleet/world.ts';
import { stopAttempts } from '../../controller/ledger/attempts.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { pauseAgents } from '../../controller/ledger/sights.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { type AcceptedTask, acceptTasks, cancelTasks, retryTasks } from '../../controller/ledger/tasks.ts';
import { createPretendNode, type PretendNode } from '../../controller/transport/pretend.ts';
import { createClock } from '../support/clock.ts';
import { type Controller, openController } from '../support/world.ts';
import { type Chance, createChance, drawBehaviour, drawFleet, drawTasks, drawTroubles, type Trouble } from './draw.ts';
import { hear, judge, newHeard, type Watch } from './sentences.ts';

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
const SETTLE_SECONDS_MAX = 3600;
const QUIET_SECONDS = 30;

interface Story {
  seed: number;
  chance: Chance;
  watch: Watch;
  tasks: AcceptedTask[];
  controller: Controller | null;
  open(): Promise<Controller>;
  wrong: string[];
  intents: number;
  ticks: number;
  /** Microtasks after which the controller is killed, counted down stop by stop; null: it lives. */
  killAfter: { stops: number; hops: number } | null;
  say: (text: string) => void;
}

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
  const events = watch.ledger.prepare('SELECT * FROM event ORDER BY seq').all();
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
    return createPretendNode({ name, clock, random: own.next, script, vcpu: 20, memoryKiB: 2 ** 26, onTold });
  }
  worlds += 1;
  const path = `file:/world-${process.pid}-${worlds}?vfs=memdb`;
  const keeper = openSqlite({ path, readOnly: false });
  const ledger = new DatabaseSync(path);
  const tasks = drawTasks(chance, fleet);
  await inTransaction(keeper, (tx) => acceptTasks(tx, tasks, clock.now()));
  await keeper.destroy();
  const random = chance.fork().bytes;
  const open = () => openController({ fleet, path, clock, nodes, random, program: PROGRAM, identity: IDENTITY });
  const watch: Watch = {
    ledger,
    clock,
    nodes,
    heard,
    accepted: new Set(tasks.map(({ id }) => id)),
    needs: new Map(tasks.map(({ id, needs }) => [id, needs ?? []])),
    cancelled: new Set(),
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
    ticks: 0,
    killAfter: null,
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
    const wrong = broken === undefined ? judge(watch) : [`the controller broke: ${(broken as Error)?.stack ?? broken}`];
    story.wrong.push(...wrong.map((text) => `at ${(watch.clock.monotonic() / 1000).toFixed(3)} s: ${text}`));
  });
}

async function kill(story: Story, hops: number): Promise<void> {
  const { chance, watch } = story;
  story.killAfter = null;
  for (let hop = 0; hop < hops; hop += 1) await null;
  story.say('killed');
  story.controller?.kill();
  story.ticks += story.controller?.ticks ?? 0;
  story.controller = null;
  for (const node of watch.nodes.values()) {
    node.cut(chance.maybe(0.7) ? 'clean' : 'silent', { toNode: chance.whole(0, 8), toController: 0 });
  }
  await watch.clock.settle();
  const comesBack = async () => {
    story.controller = await story.open();
  };
  const ms = chance.maybe(0.4) ? 0 : chance.whole(1, 8000);
  void watch.clock.sleep(ms).then(comesBack);
}

async function make(story: Story, what: Trouble): Promise<void> {
  const { chance, watch } = story;
  const node = chance.pick([...watch.nodes.values()]);
  const ms = chance.whole(100, 20_000);
  if (await tamper(story, node, what)) return;
  const until = (undo: () => void) => void watch.clock.sleep(ms).then(undo);
  switch (what) {
    case 'refuse':
      node.isRefusing = true;
      return until(() => (node.isRefusing = false));
    case 'slow':
      node.latencyMs = chance.pick([50, 800, 6000, 40_000]);
      return until(() => (node.latencyMs = 1));
    case 'disk full':
      node.machine.isDiskFull = true;
      return until(() => (node.machine.isDiskFull = false));
    case 'own':
      node.own('L2 M2');
      return until(() => node.own('L1 M1'));
    case 'jump':
      return watch.clock.jump(chance.pick([-86_400_000, -3_600_000, -9000, -100, 9000, 3_600_000, 86_400_000]));
    case 'sleep':
      watch.clock.jump(ms + 11_000); // the machine slept: wall time went on, the monotonic one did not
      return;
    case 'kill at once':
      if (story.controller) await kill(story, chance.whole(0, 60));
      return;
    case 'kill':
      if (story.controller) story.killAfter ??= { stops: chance.whole(0, 40), hops: chance.whole(0, 400) };
      return;
    default:
      return wish(story, what);
  }
}

const FOREIGN = '01900000-0000-7000-8000-000000000000';

/** What happens to a node from outside. Says whether `what` was such a thing. */
async function tamper(story: Story, node: PretendNode, what: Trouble): Promise<boolean> {
  const { chance, watch } = story;
  const kept = { toNode: chance.whole(0, 4), toController: chance.whole(0, 8) };
  const running = [...node.machine.workers.values()].filter(({ isAlive }) => isAlive).map(({ attempt }) => attempt);
  const attempt = running.length > 0 ? chance.pick(running) : FOREIGN;
  const said = watch.heard.get(node.machine.setting.name)!.journal;
  const line = said.length > 0 ? chance.pick(said) : `end ${FOREIGN} 001 exited 0 1 -`;
  const deeds: Partial<Record<Trouble, () => unknown>> = {
    cut: () => node.cut('clean', kept),
    'cut silently': () => node.cut('silent', kept),
    reboot: () => node.reboot(),
    wipe: () => node.wipe(attempt),
    'kill worker': () => node.killWorker(attempt),
    'kill tool': () => node.killTool(attempt),
    'kill sessions': () => node.killSessions(),
    scribble: () =>
      node.scribble(
        chance.pick([line, line.slice(0, chance.whole(0, line.length)), `end ${FOREIGN} 001 exited 0 1 -`, '\u0000x']),
      ),
    tear: () => node.tear(chance.whole(0, 60)),
    usurp: () => greetRaw(node, 'L1 M1'),
    intrude: () => greetRaw(node, 'L3 M3'),
  };
  await deeds[what]?.();
  return deeds[what] !== undefined;
}

/** Another process greets a node, and goes. */
async function greetRaw(node: PretendNode, owner: string): Promise<void> {
  const stream = await node.transport.open([], () => {});
  stream.write(`1 hello ${owner} 0 0\n`);
  stream.close();
}

/** What a person wishes, handed in as an intent. */
async function wish(story: Story, what: Trouble): Promise<void> {
  const { chance, watch, controller, tasks } = story;
  if (!controller) return;
  const { clock } = watch;
  const now = clock.now();
  const id = chance.pick(tasks).id;
  const state = (watch.ledger.prepare('SELECT state FROM task WHERE id = ?').get(id) as { state: string }).state;
  const agents = [chance.whole(1, 6)];
  const deeds: Partial<Record<Trouble, (world: World) => Promise<unknown>>> = {
    cancel: ({ ledger }) => inTransaction(ledger, (tx) => cancelTasks(tx, [id], now)),
    retry: ({ ledger }) => inTransaction(ledger, (tx) => retryTasks(tx, [id], now)),
    pause: ({ ledger }) => inTransaction(ledger, (tx) => pauseAgents(tx, agents, true, now)),
    resume: ({ ledger }) => inTransaction(ledger, (tx) => pauseAgents(tx, agents, false, now)),
    restart: ({ ledger }) => inTransaction(ledger, (tx) => stopAttempts(tx, { agents }, 'restarted', now)),
    submit: ({ ledger }) => submitLate(story, ledger, id),
  };
  const act = deeds[what];
  if (!act) throw new Error(`nobody does ${what}`);
  story.intents += 1;
  const intent = { id: `intent-${story.seed}-${story.intents}`, operation: what, input: { id }, by: 'person', at: now };
  const result = controller.obey(intent, async (world) => {
    const output = await act(world);
    world.wake();
    return output;
  });
  await clock.settle();
  if (what === 'cancel' && (await result)?.ok && !['completed', 'failed'].includes(state)) watch.cancelled.add(id);
}

async function submitLate({ watch, tasks, chance }: Story, ledger: World['ledger'], need: string): Promise<void> {
  const spec: AcceptedTask = {
    id: `late${tasks.length}`,
    run: 'true',
    ...(chance.maybe(0.6) ? { needs: [need] } : {}),
  };
  await inTransaction(ledger, (tx) => acceptTasks(tx, [spec], watch.clock.now()));
  tasks.push(spec);
  watch.accepted.add(spec.id);
  watch.needs.set(spec.id, spec.needs ?? []);
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
  const open = watch.ledger.prepare(
    "SELECT id, state, reason FROM task WHERE state IN ('queued', 'blocked', 'running')",
  );
  const until = watch.clock.monotonic() + SETTLE_SECONDS_MAX * 1000;
  while (open.all().length > 0 && story.wrong.length === 0) {
    if (watch.clock.monotonic() > until) {
      story.wrong.push(`(g) not settled after ${SETTLE_SECONDS_MAX} s: ${JSON.stringify(open.all())}`);
      return;
    }
    await goOn(story, 5000);
  }
  await goOn(story, QUIET_SECONDS * 1000);
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
function judgeQuiet({ watch }: Story): string[] {
  const wrong: string[] = [];
  for (const [name, node] of watch.nodes) {
    if (node.openStreams !== 1) wrong.push(`(h) ${name} has ${node.openStreams} conversations open`);
    if (node.machine.open.size > 0) wrong.push(`(a) ${name} still holds ${[...node.machine.open.keys()].join(' ')}`);
  }
  const agents = watch.ledger.prepare("SELECT number, state, evidence FROM agent WHERE state <> 'idle'").all();
  if (agents.length > 0) wrong.push(`(h) nothing goes on, and agents are ${JSON.stringify(agents)}`);
  const nodes = watch.ledger.prepare("SELECT name, state, evidence FROM node WHERE state <> 'up'").all();
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
