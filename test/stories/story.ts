import { DatabaseSync } from 'node:sqlite';
import type { Fleet } from '../../controller/config/fleet.ts';
import type { World } from '../../controller/fleet/world.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { type AcceptedTask, acceptTasks } from '../../controller/ledger/tasks.ts';
import type { Intent } from '../../controller/ledger/view.ts';
import { createPretendNode } from '../../controller/transport/pretend.ts';
import { type Chance, createChance } from '../support/chance.ts';
import { createClock } from '../support/clock.ts';
import { type Controller, openController } from '../support/world.ts';
import { type DrawnNode, drawBehaviour, drawFleet, drawNode, drawTasks } from './draw.ts';
import type { Ground } from './ground.ts';
import { hear, newHeard } from './heard.ts';
import { newPatience } from './patience.ts';
import type { Watch } from './sentences.ts';
import { spring, type Trap } from './troubles.ts';

/** A world while it goes on: who controls it now, who did, what is wished in it. */

/** A controller with its ledger: the one that is meant, one that was frozen and lost its nodes, or a rival. */
export interface Reign {
  watch: Watch;
  path: string;
  identity: World['identity'];
  /** Null while it is killed. */
  controller: Controller | null;
}

export interface Wish {
  intent: Intent;
  act: (world: World, reign: Reign) => Promise<unknown>;
  /** Told once it is durable, with what `act` gave. */
  onKept?: (reign: Reign, output: unknown) => void;
}

export interface Story {
  seed: number;
  chance: Chance;
  ground: Ground;
  /** As its file says now. */
  fleet: Fleet;
  tasks: AcceptedTask[];
  reign: Reign;
  /** Frozen once, and awake again or not. */
  formers: Reign[];
  rivals: Reign[];
  /** A ledger copied aside, perhaps long ago. */
  copy: { path: string; watch: Watch } | null;
  /** Nodes that nobody will ever reach again. */
  gone: Set<string>;
  /** Nothing more is done to it. */
  isCalm: boolean;
  wrong: string[];
  intents: number;
  /** Intents without a result. */
  wishes: Map<string, Wish>;
  ticks: number;
  /** Microtasks after which the controller is killed, counted down stop by stop; null: it lives. */
  killAfter: { stops: number; hops: number } | null;
  /** Wishes to try a task again, with the last event before. */
  asked: { id: string; task: string; seen: number; watch: Watch }[];
  wasSlow: boolean;
  /** Springs at a request to come. */
  trap: Trap | null;
  random: (bytes: number) => Uint8Array;
  say: (text: string) => void;
}

const PROGRAM = { text: 'pretend', hash: '0123456789abcdef' };
let ledgers = 0;

export function newPath(): string {
  ledgers += 1;
  return `file:/world-${process.pid}-${ledgers}?vfs=memdb`;
}

export async function begin(seed: number, say: (text: string) => void): Promise<Story> {
  const chance = createChance(seed);
  const clock = createClock();
  const count = chance.maybe(0.7) ? chance.whole(1, 3) : chance.whole(4, 5);
  const drawn = Array.from({ length: count }, (_, index) => drawNode(chance, `n${index + 1}`));
  const fleet = drawFleet(chance, drawn);
  const tasks = drawTasks(chance, fleet);
  const path = newPath();
  const keeper = openSqlite({ path, readOnly: false });
  const ledger = new DatabaseSync(path);
  await inTransaction(keeper, (tx) => acceptTasks(tx, tasks, clock.now()));
  await keeper.destroy();
  const ground: Ground = {
    clock,
    nodes: new Map(),
    needs: new Map(tasks.map(({ id, needs }) => [id, needs ?? []])),
    watches: [],
    executions: [],
    assumed: new Set(),
    wiped: new Set(),
    taker: 'M1',
    holders: new Map(),
    fullUntil: new Map(),
    counts: { untruthful: 0, acrossLedgers: 0, afterWipe: 0, lateTakes: 0, assumed: 0, parkings: 0, takeOvers: 0 },
  };
  const watch: Watch = {
    ground,
    ledger,
    from: 'M1',
    heard: new Map(),
    isHeld: true,
    heldSince: 0,
    doubtMs: 0,
    fleet,
    accepted: new Set(tasks.map(({ id }) => id)),
    cancelled: new Map(),
    eventsSeen: 0,
    completed: new Map(),
    patience: newPatience(),
  };
  ground.watches.push(watch);
  const story: Story = {
    seed,
    chance,
    ground,
    fleet,
    tasks,
    reign: { watch, path, identity: { ledger: 'L1', machine: 'M1', takeOver: false }, controller: null },
    formers: [],
    rivals: [],
    copy: null,
    gone: new Set(),
    isCalm: false,
    wrong: [],
    intents: 0,
    wishes: new Map(),
    asked: [],
    ticks: 0,
    killAfter: null,
    wasSlow: false,
    trap: null,
    random: chance.fork().bytes,
    say,
  };
  for (const each of drawn) addNode(story, each);
  await openReign(story, story.reign);
  return story;
}

export function addNode({ ground, chance, say }: Story, { node: { name }, vcpu, memoryGiB }: DrawnNode): void {
  const { clock } = ground;
  const own = chance.fork();
  const onTold = (line: string, from: string) => {
    say(`${(clock.monotonic() / 1000).toFixed(3)} ${from} ${name} ${line}`);
    const watch = ground.watches.find((each) => each.from === from);
    if (!watch) return;
    const heard = watch.heard.get(name) ?? newHeard();
    watch.heard.set(name, heard);
    hear(heard, line, clock.monotonic());
  };
  const script = drawBehaviour.bind(null, own);
  const memoryKiB = memoryGiB * 2 ** 20;
  const node = createPretendNode({ name, clock, random: own.next, script, vcpu, memoryKiB, onTold });
  node.latencyMs = own.pick([1, 1, 5, 30, 120]);
  node.machine.hasGroups = own.maybe(0.7);
  node.machine.hasTmux = own.maybe(0.9);
  node.machine.hasProgram = own.maybe(0.5);
  ground.nodes.set(name, node);
}

/** Its controller begins, with the fleet file as it is now. */
export async function openReign(story: Story, reign: Reign): Promise<void> {
  const { ground, fleet, random } = story;
  const { clock, nodes } = ground;
  const { path, identity, watch } = reign;
  const onRequest = (name: string, verb: string, write: () => void) => {
    const isMeant = reign === story.reign && story.trap?.verb === verb;
    if (story.trap && isMeant && story.trap.spared-- <= 0) spring(story, nodes.get(name)!, write);
    else write();
  };
  for (const { late } of ground.holders.values()) late.delete(identity.machine); // a new process, told anew
  watch.fleet = fleet;
  watch.isHeld = true;
  watch.heldSince = clock.monotonic();
  watch.doubtMs = identity.takeOver ? fleet.lostAfterSeconds * 1000 : 0;
  reign.controller = await openController({ onRequest, fleet, path, clock, nodes, random, program: PROGRAM, identity });
}
