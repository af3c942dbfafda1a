import type { World } from '../../controller/fleet/world.ts';
import { stopAttempts } from '../../controller/ledger/attempts.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { pauseAgents } from '../../controller/ledger/sights.ts';
import { type AcceptedTask, acceptTasks, cancelTasks, retryTasks } from '../../controller/ledger/tasks.ts';
import type { Intent } from '../../controller/ledger/view.ts';
import type { PretendNode } from '../../controller/transport/pretend.ts';
import type { Controller } from '../support/world.ts';
import type { Chance, Trouble } from './draw.ts';
import type { Watch } from './sentences.ts';

/** What goes wrong in a world, and what people wish in it. */

export interface Story {
  seed: number;
  chance: Chance;
  watch: Watch;
  tasks: AcceptedTask[];
  controller: Controller | null;
  open(): Promise<Controller>;
  wrong: string[];
  intents: number;
  /** Intents without a result. */
  wishes: Map<string, { intent: Intent; act: (world: World) => Promise<unknown> }>;
  ticks: number;
  /** Microtasks after which the controller is killed, counted down stop by stop; null: it lives. */
  killAfter: { stops: number; hops: number } | null;
  /** Wishes to try a task again, with the last event before. */
  asked: { id: string; task: string; seen: number }[];
  wasSlow: boolean;
  /** Springs at a request to come. */
  trap: Trap | null;
  say: (text: string) => void;
}

interface Trap {
  what: 'kill' | 'cut';
  verb: string;
  /** How many such requests go by before. */
  spared: number;
  /** Whether the request still arrives. */
  isHeard: boolean;
}

export async function kill(story: Story, hops: number): Promise<void> {
  const { chance, watch } = story;
  story.killAfter = null;
  for (let hop = 0; hop < hops; hop += 1) await Promise.resolve();
  if (story.controller) strike(story, chance.whole(0, 8));
  await watch.clock.settle();
}

/** `kill -9`: of what it had under way to nodes, so many requests arrive. It comes back, sometimes at once. */
function strike(story: Story, kept: number): void {
  const { chance, watch } = story;
  story.say('killed');
  story.controller?.kill();
  story.ticks += story.controller?.ticks ?? 0;
  story.controller = null;
  watch.isHeld = false;
  for (const node of watch.nodes.values()) {
    node.cut(chance.maybe(0.7) ? 'clean' : 'silent', { toNode: kept, toController: 0 });
  }
  const comesBack = async () => {
    story.controller = await story.open();
    watch.isHeld = true;
    handIn(story);
  };
  const ms = chance.maybe(0.4) ? 0 : chance.whole(1, 8000);
  void watch.clock.sleep(ms).then(comesBack);
}

/** At the very moment of a request: before it is sent, or after it arrived and before its answer does. */
export function spring(story: Story, node: PretendNode, write: () => void): void {
  const { chance, trap } = story;
  story.trap = null;
  if (!trap) return;
  story.say(`sprung: ${trap.what} at ${trap.verb}, ${trap.isHeard ? 'heard' : 'not heard'}`);
  if (trap.isHeard) write();
  if (trap.what === 'kill') strike(story, trap.isHeard ? 99 : 0);
  else node.cut(chance.maybe(0.7) ? 'clean' : 'silent', { toNode: trap.isHeard ? 99 : 0, toController: 0 });
}

export async function make(story: Story, what: Trouble): Promise<void> {
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
      story.wasSlow = true;
      node.latencyMs = chance.pick([50, 800, 6000, 40_000]);
      return until(() => (node.latencyMs = 10));
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
      if (story.controller) await kill(story, chance.whole(0, 1000));
      return;
    case 'kill':
      if (story.controller) story.killAfter ??= { stops: chance.whole(0, 40), hops: chance.whole(0, 4000) };
      return;
    case 'kill at a request':
    case 'cut at a request': {
      const verb = chance.pick(['start', 'start', 'evidence', 'ack', 'stop', 'hello']);
      story.trap = {
        what: what === 'cut at a request' ? 'cut' : 'kill',
        verb,
        spared: chance.whole(0, 2),
        isHeard: chance.maybe(0.5),
      };
      return;
    }
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
  const { chance, watch, tasks } = story;
  const now = watch.clock.now();
  const { id } = chance.pick(tasks);
  const agents = [chance.whole(1, 6)];
  const late: AcceptedTask = { id: `late${story.intents}`, run: 'true', ...(chance.maybe(0.6) ? { needs: [id] } : {}) };
  if (what === 'submit') {
    tasks.push(late);
    watch.needs.set(late.id, late.needs ?? []);
  }
  const deeds: Partial<Record<Trouble, (world: World) => Promise<unknown>>> = {
    cancel: ({ ledger }) => cancelOne(story, ledger, id),
    retry: ({ ledger }) => inTransaction(ledger, (tx) => retryTasks(tx, [id], now)),
    pause: ({ ledger }) => inTransaction(ledger, (tx) => pauseAgents(tx, agents, true, now)),
    resume: ({ ledger }) => inTransaction(ledger, (tx) => pauseAgents(tx, agents, false, now)),
    restart: ({ ledger }) => inTransaction(ledger, (tx) => stopAttempts(tx, { agents }, 'restarted', now)),
    submit: ({ ledger }) => submitLate(story, ledger, late),
  };
  const act = deeds[what];
  if (!act) throw new Error(`nobody does ${what}`);
  story.intents += 1;
  const intent = { id: `intent-${story.seed}-${story.intents}`, operation: what, input: { id }, by: 'person', at: now };
  story.wishes.set(intent.id, { intent, act });
  if (what === 'retry') story.asked.push({ id: intent.id, task: id, seen: watch.eventsSeen });
  handIn(story);
  if (chance.maybe(0.3)) await kill(story, chance.whole(0, 150)); // on some await of its being obeyed
  await watch.clock.settle();
}

/** Hands in what has no result yet, as the inbox keeps it: again after every kill. */
function handIn(story: Story): void {
  const { controller, wishes } = story;
  for (const { intent, act } of wishes.values()) {
    const obeyed = controller?.obey(intent, async (world) => {
      const output = await act(world);
      world.wake();
      return output;
    });
    void obeyed?.then((result) => {
      if (result) wishes.delete(intent.id);
    });
  }
}

async function cancelOne({ watch }: Story, ledger: World['ledger'], id: string): Promise<void> {
  const { cancelled, stopping, seq } = await inTransaction(ledger, async (tx) => {
    const piles = await cancelTasks(tx, [id], watch.clock.now());
    const last = await tx
      .selectFrom('event')
      .select((of) => of.fn.max('seq').as('seq'))
      .executeTakeFirst();
    return { ...piles, seq: Number(last?.seq ?? 0) };
  });
  if (cancelled.length + stopping.length > 0) watch.cancelled.set(id, seq);
}

async function submitLate({ watch }: Story, ledger: World['ledger'], spec: AcceptedTask): Promise<void> {
  await inTransaction(ledger, (tx) => acceptTasks(tx, [spec], watch.clock.now()));
  watch.accepted.add(spec.id);
}
