import type { Execution, PretendNode } from '../../controller/transport/pretend.ts';
import type { SimulatedClock } from '../support/clock.ts';
import { rowsOf, type Watch } from './sentences.ts';

/** What is really so in a world, whoever looks: its nodes and what ran on them. */

export interface Ground {
  clock: SimulatedClock;
  nodes: Map<string, PretendNode>;
  needs: Map<string, readonly string[]>;
  /** Every ledger there ever was. */
  watches: Watch[];
  executions: Execution[];
  /** Attempts that a person said are dead: what is begun beside one that lives is that person's doing. */
  assumed: Set<string>;
  /** Attempts whose node forgot them, with all its files, while they may have run. */
  wiped: Set<string>;
  /** Who may take nodes from others: the last controller that was told to. */
  taker: string;
  /** By node: how many of its deeds were looked at, who was last greeted, and who took it though another had been told to later. */
  holders: Map<string, { seen: number; from: string; late: Set<string> }>;
  /** Monotonic ms until which a node's disk is full. */
  fullUntil: Map<string, number>;
  counts: Counts;
}

/** What is lawful only because of what was done to a world. */
export interface Counts {
  /** Two attempts of a task at once, after a person's wrong word. */
  untruthful: number;
  /** Two attempts of a task at once, none of them known to the other's ledger. */
  acrossLedgers: number;
  /** Attempts begun twice, after a node lost its files. */
  afterWipe: number;
  /** Nodes taken by a controller that was told so, frozen before it got there, and awake when another had them. */
  lateTakes: number;
  /** Attempts that a person said were dead. */
  assumed: number;
  parkings: number;
  takeOvers: number;
}

export function endedWell(execution: Execution): boolean {
  return execution.end === 'itself' && execution.exit === 0;
}

/** No attempt starts twice; no two of one task, and no two of one agent, overlap; what is needed ended well before. */
export function judgeGround(ground: Ground): string[] {
  const wrong: string[] = [];
  for (const name of ground.nodes.keys()) wrong.push(...judgeDeeds(ground, name));
  const fresh = [...ground.nodes.values()].flatMap(({ machine }) => machine.executions.splice(0));
  for (const execution of fresh) {
    wrong.push(...judgeExecution(ground, execution));
    ground.executions.push(execution);
  }
  return wrong;
}

function judgeExecution(ground: Ground, execution: Execution): string[] {
  const { attempt, task, agent, node, beganAt } = execution;
  const wrong: string[] = [];
  for (const other of ground.executions) {
    if (other.attempt === attempt) {
      if (ground.wiped.has(attempt)) ground.counts.afterWipe += 1;
      else wrong.push(`(b) attempt ${attempt} of ${task} was started twice`);
      continue;
    }
    if (other.endedAt !== null && other.endedAt <= beganAt) continue;
    if (other.task === task) wrong.push(...judgeOverlap(ground, execution, other));
    const isUnknown = ground.wiped.has(other.attempt) && !isKnownWith(ground, attempt, other.attempt);
    if (other.agent === agent && other.node === node && other.task !== task && !isUnknown)
      wrong.push(`(e) agent ${agent} on ${node} does ${other.task} and ${task} at once`);
  }
  for (const need of ground.needs.get(task) ?? []) {
    const isMet = ground.executions.some((other) => other.task === need && endedWell(other));
    if (!isMet) wrong.push(`(f) ${task} was started before ${need} ended well`);
  }
  return wrong;
}

function judgeOverlap(ground: Ground, { attempt, task, node }: Execution, other: Execution): string[] {
  if (ground.assumed.has(other.attempt) || ground.assumed.has(attempt)) {
    ground.counts.untruthful += 1;
    return [];
  }
  // Its first tool was killed by its second, and that end was taken for the end of both.
  const times = ground.executions.filter((execution) => execution.attempt === other.attempt).length;
  if (ground.wiped.has(other.attempt) && times > 1) return [];
  if (!isKnownWith(ground, attempt, other.attempt)) {
    ground.counts.acrossLedgers += 1;
    return [];
  }
  return [`(c) two attempts of ${task} overlap: ${other.attempt} on ${other.node} and ${attempt} on ${node}`];
}

function isKnownWith({ watches }: Ground, one: string, other: string): boolean {
  return watches.some((watch) => knows(watch, one) && knows(watch, other));
}

function knows(watch: Watch, attempt: string): boolean {
  return rowsOf(watch, 'SELECT id FROM attempt WHERE id = ?', attempt).length > 0;
}

/** Who does not hold a node any more neither begins nor ends anything there, and does not take it back. */
function judgeDeeds(ground: Ground, name: string): string[] {
  const { deeds } = ground.nodes.get(name)!.machine;
  const holder = ground.holders.get(name) ?? { seen: 0, from: '', late: new Set<string>() };
  ground.holders.set(name, holder);
  const wrong: string[] = [];
  for (const { verb, attempt, from, owner } of deeds.slice(holder.seen)) {
    if (verb !== 'hello') {
      if (from !== holder.from)
        wrong.push(`(i) ${from} does ${verb} ${attempt} on ${name}, which ${holder.from} holds`);
      continue;
    }
    const isOthers = owner !== '' && owner.split(' ')[1] !== from && from !== 'raw';
    holder.from = from;
    if (!isOthers || from === ground.taker) continue;
    ground.counts.lateTakes += 1;
    if (holder.late.has(from)) wrong.push(`(i) ${from} takes ${name} from ${owner} again and again`);
    holder.late.add(from);
  }
  holder.seen = deeds.length;
  return wrong;
}
