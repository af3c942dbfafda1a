import type { Agent } from '../../agent/agent.ts';
import type { ReadyTask } from '../../ledger/view.ts';
import type { StartStep, Waiting } from '../step.ts';

/** An agent that can take a task now. */
export interface FreeAgent extends Agent {
  boot: string;
  /** How full its node would be with it, 0 to 1: emptier nodes first. */
  load: number;
  /** Takes only tasks of its category. */
  strict: boolean;
}

/** On which node an agent is that somebody may wait for. */
export type Homes = (agent: number) => string | undefined;

export interface Matching {
  start: StartStep[];
  waiting: Waiting[];
}

const WAITING_MAX = 200;

/**
 * Gives ready tasks, best first, to free agents: its own category's first, then any that is not strict. Every task and
 * every agent at most once. `homes`: where each agent that somebody may wait for lives. The cost is that of sorting the
 * agents and looking at each task once.
 */
export function matchTasks(ready: readonly ReadyTask[], free: readonly FreeAgent[], homes: Homes): Matching {
  const pool = createPool(free);
  const start: StartStep[] = [];
  const waiting: Waiting[] = [];
  for (const task of ready) {
    const agent = pick(task, pool, homes);
    if (agent)
      start.push({ task, agent: agent.number, node: agent.node, kind: task.kind ?? agent.kind, boot: agent.boot });
    else if (waiting.length < WAITING_MAX) waiting.push({ task: task.id, reason: whyWaiting(task, homes) });
    if (pool.left === 0 && waiting.length >= WAITING_MAX) break;
  }
  return { start, waiting };
}

interface Pool {
  byNumber: Map<number, FreeAgent>;
  /** Free agents of each category, best last, so that taking is a pop; taken ones are skipped when met. */
  queues: Map<string, FreeAgent[]>;
  left: number;
}

function createPool(free: readonly FreeAgent[]): Pool {
  const sorted = [...free].sort((a, b) => b.load - a.load || b.number - a.number);
  const queues = new Map<string, FreeAgent[]>();
  for (const agent of sorted) {
    const name = agent.category ?? '';
    const queue = queues.get(name) ?? [];
    queue.push(agent);
    queues.set(name, queue);
  }
  return { byNumber: new Map(free.map((agent) => [agent.number, agent])), queues, left: free.length };
}

function pick(task: ReadyTask, pool: Pool, homes: Homes): FreeAgent | undefined {
  if (pool.left === 0) return undefined;
  const holder = holderOf(task, homes);
  if (holder !== null) return take(pool, pool.byNumber.get(holder));
  if (task.agents)
    return take(
      pool,
      task.agents.map((number) => pool.byNumber.get(number)).find((agent) => agent !== undefined),
    );
  const own = task.category === null ? undefined : next(pool, task.category);
  return take(pool, own ?? leastMissed(task, pool));
}

/** Of the other categories, the one with most agents free; strict ones keep theirs. */
function leastMissed(task: ReadyTask, pool: Pool): FreeAgent | undefined {
  let best: { agent: FreeAgent; count: number } | undefined;
  for (const [name, queue] of pool.queues) {
    const agent = next(pool, name);
    if (!agent || (agent.strict && agent.category !== task.category)) continue;
    if (!best || queue.length > best.count) best = { agent, count: queue.length };
  }
  return best?.agent;
}

function next(pool: Pool, name: string): FreeAgent | undefined {
  const queue = pool.queues.get(name);
  while (queue && queue.length > 0) {
    const agent = queue.at(-1);
    if (agent && pool.byNumber.has(agent.number)) return agent;
    queue.pop();
  }
  return undefined;
}

function take(pool: Pool, agent: FreeAgent | undefined): FreeAgent | undefined {
  if (!agent) return undefined;
  pool.byNumber.delete(agent.number);
  pool.left -= 1;
  return agent;
}

/** The agent that holds its conversation, as long as that one is where it was; else it is begun anew by anybody. */
function holderOf({ resumesOn }: ReadyTask, homes: Homes): number | null {
  return resumesOn !== null && homes(resumesOn.agent) === resumesOn.node ? resumesOn.agent : null;
}

function whyWaiting(task: ReadyTask, homes: Homes): string {
  const holder = holderOf(task, homes);
  if (holder !== null) return `waits for agent ${holder}, which holds its conversation`;
  if (task.agents && !task.agents.some((number) => homes(number) !== undefined))
    return `wants agent ${task.agents.join(', ')}, which this fleet does not have`;
  if (task.agents) return `waits for agent ${task.agents.join(', ')}`;
  return task.category === null ? 'waits for a free agent' : `waits for a free agent (${task.category})`;
}
