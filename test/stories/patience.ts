import type { Fleet } from '../../controller/config/fleet.ts';
import { rowsOf, type Watch } from './sentences.ts';

/** Sentences about time: what must not last, and what must not change. Looked at once a second. */

export interface Patience {
  lookedAt: number;
  /** Since when something that must not last is so, by what it is. */
  since: Map<string, number>;
  /** Where each agent was. */
  places: Map<number, string>;
  /** The fleet file of that look: more than one between two looks, and nobody can say what was in between. */
  fleet: Fleet | null;
}

export function newPatience(): Patience {
  return { lookedAt: 0, since: new Map(), places: new Map(), fleet: null };
}

export interface AgentRow {
  number: number;
  node: string;
  category: string | null;
  state: string;
  paused: number;
}
export interface WaitingRow {
  id: string;
  agents: string | null;
  category: string | null;
  resumes_on: number | null;
  resumes_node: string | null;
}
interface NodeRow {
  name: string;
  state: string;
}

const LOOK_MS = 1000;
const PARKED_MS_MAX = 10_000;
const IDLE_MS_MAX = 45_000;
/** A node without room rests for so long, and looks idle meanwhile. */
const RESTING_MS = 45_000;
/** Nobody looked for so long: what lasts has to last anew. */
const UNSEEN_MS_MAX = 10_000;

export function judgePatience(watch: Watch): string[] {
  const { patience, ground, isHeld } = watch;
  const now = ground.clock.monotonic();
  if (!isHeld || now - patience.lookedAt < LOOK_MS) return [];
  if (now - patience.lookedAt > UNSEEN_MS_MAX || watch.heldSince > patience.lookedAt) patience.since.clear();
  patience.lookedAt = now;
  const nodes = rowsOf<NodeRow>(watch, 'SELECT name, state FROM node');
  const agents = rowsOf<AgentRow>(watch, 'SELECT number, node, category, state, paused FROM agent');
  const up = new Set(nodes.filter(({ state }) => state === 'up').map(({ name }) => name));
  const lasting = [
    ...parkedThough(watch, up).map((text) => ({ text, msMax: PARKED_MS_MAX })),
    ...idleThough(watch, agents, up).map((text) => ({ text, msMax: IDLE_MS_MAX + watch.doubtMs })),
  ];
  const since = new Map(lasting.map(({ text }) => [text, patience.since.get(text) ?? now]));
  patience.since = since;
  const wrong = lasting.filter(({ text, msMax }) => now - (since.get(text) ?? now) > msMax).map(({ text }) => text);
  return [...wrong, ...judgePlaces(watch, agents)];
}

function parkedThough(watch: Watch, up: ReadonlySet<string>): string[] {
  const rows = rowsOf<{ id: string; node: string }>(
    watch,
    'SELECT id, node FROM attempt WHERE is_parked = 1 AND ended_at IS NULL',
  );
  return rows
    .filter(({ node }) => up.has(node))
    .map(({ id, node }) => `(h) ${id} stays parked though ${node} is up again`);
}

function idleThough(watch: Watch, agents: readonly AgentRow[], up: ReadonlySet<string>): string[] {
  // After a take-over nothing begins before every node is heard or given up.
  if (watch.from !== 'M1' && watch.fleet.nodes.some(({ name }) => !up.has(name))) return [];
  const waiting = rowsOf<WaitingRow>(
    watch,
    "SELECT id, agents, category, resumes_on, resumes_node FROM task WHERE state = 'queued' AND is_restart = 0 AND not_before <= ?",
    watch.ground.clock.now(),
  );
  const { clock, fullUntil } = watch.ground;
  const hasRoom = (node: string) => (fullUntil.get(node) ?? -RESTING_MS) + RESTING_MS < clock.monotonic();
  const idle = agents.filter(
    ({ state, paused, node }) => state === 'idle' && paused === 0 && up.has(node) && hasRoom(node),
  );
  return waiting
    .filter((task) => idle.some((agent) => mayTake(watch, task, agent)))
    .map(({ id }) => `(g) ${id} stays queued though an agent that may take it is idle`);
}

/** Whether the agent may take the task at all. */
export function mayTake({ fleet }: Watch, task: WaitingRow, agent: AgentRow): boolean {
  if (task.resumes_on !== null) return task.resumes_on === agent.number && task.resumes_node === agent.node;
  if (task.agents !== null) return (JSON.parse(task.agents) as number[]).includes(agent.number);
  const category = fleet.agents.categories.find(({ name }) => name === agent.category);
  return category?.strict !== true || category.name === task.category;
}

/** An agent leaves its node only where that one holds fewer than before: by its size, or by what is known of others. */
function judgePlaces(watch: Watch, agents: readonly AgentRow[]): string[] {
  const { patience, fleet } = watch;
  const [placement] = rowsOf<{ value: string }>(watch, "SELECT value FROM meta WHERE key = 'placement'");
  if (!placement) return [];
  const { counts } = JSON.parse(placement.value) as { counts: { count: number }[] };
  const placed = counts.reduce((sum, { count }) => sum + count, 0);
  const before = patience.fleet === fleet ? patience.places : new Map<number, string>();
  patience.fleet = fleet;
  const places = new Map(agents.filter(({ number }) => number <= placed).map(({ number, node }) => [number, node]));
  patience.places = places;
  const countOn = (where: ReadonlyMap<number, string>, name: string) =>
    [...where.values()].filter((node) => node === name).length;
  return [...new Set(before.values())].flatMap((name) => {
    const left = [...before].filter(([number, node]) => node === name && (places.get(number) ?? name) !== name);
    const isFewer = left.length <= Math.max(0, countOn(before, name) - countOn(places, name));
    return isFewer ? [] : [`(j) agents ${left.map(([number]) => number).join(' ')} left ${name} without a reason`];
  });
}
