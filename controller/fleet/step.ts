import type { OpenAttempt, ReadyTask } from '../ledger/view.ts';
import type { StopReason } from '../task/attempt.ts';

/** What is to be done now, in named piles, each entry with what it rests on. An empty plan means: all is as it should be. */
export interface Plan {
  /** Attempts on nodes not heard for too long: their tasks are parked, begun nowhere else. */
  park: readonly ParkStep[];
  /** Parked attempts whose node is heard again. */
  unpark: readonly OpenAttempt[];
  /** Tasks to begin, and where. Guard: the task is still queued and the agent still free when it is committed. */
  start: readonly StartStep[];
  /** Attempts committed but not on their node: sent again under the same id. */
  send: readonly OpenAttempt[];
  /** Attempts to end. Told again each time until the end is seen; the node takes it once. */
  stop: readonly StopStep[];
  /** Attempts proven not to run any more without an end to be read. */
  lose: readonly LoseStep[];
  /** Windows to make. */
  openSessions: readonly SessionStep[];
  /** Windows of agents that are no longer there. */
  closeSessions: readonly SessionStep[];
  /** What could not be placed, and what stood in the way. Nothing is done about it. */
  waiting: readonly Waiting[];
}

export interface StartStep {
  task: ReadyTask;
  agent: number;
  node: string;
  kind: string;
  boot: string;
}

export interface StopStep {
  /** Also one that the ledger has closed or never knew, and that its node still holds. */
  attempt: Pick<OpenAttempt, 'id' | 'node'>;
  isOrphan: boolean;
  reason: StopReason;
}

export interface ParkStep {
  attempt: OpenAttempt;
  why: string;
}

export interface LoseStep {
  attempt: OpenAttempt;
  why: string;
}

export interface SessionStep {
  node: string;
  names: readonly string[];
}

export interface Waiting {
  task: string;
  reason: string;
}

export function isEmpty(plan: Plan): boolean {
  const { waiting, ...piles } = plan;
  return Object.values(piles).every((pile) => pile.length === 0);
}
