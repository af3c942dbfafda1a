import type { AgentState } from '../agent/agent.ts';
import type { NodeState } from '../node/node.ts';
import type { Attempt, Usage } from '../task/attempt.ts';
import type { TaskState } from '../task/task.ts';

/** The fleet as a whole. DRAINING starts nothing new; TERMINATED holds what is left for the next start. */
export const FLEET_STATES = [
  'UNINITIALIZED',
  'INITIALIZING',
  'READY',
  'RUNNING',
  'SCALING',
  'DRAINING',
  'TERMINATED',
  'FAILED',
] as const;
export type FleetState = (typeof FLEET_STATES)[number];

/** A task that may start now, as the planner sees it. */
export interface ReadyTask {
  id: string;
  seq: number;
  category: string | null;
  kind: string | null;
  priority: number;
  agents: readonly number[] | null;
  /** The agent whose conversation it goes on with, and the node that holds it; only that one can. Null: any. */
  resumesOn: { agent: number; node: string } | null;
  /** True when its last attempt ended by a fault of the platform: the brake counts it. */
  isRestart: boolean;
}

/** An attempt that has not ended, as the planner sees it. */
export type OpenAttempt = Pick<
  Attempt,
  'id' | 'task' | 'agent' | 'node' | 'ordinal' | 'kind' | 'state' | 'boot' | 'stopping' | 'intendedAt' | 'startedAt'
> & {
  /** Its node is not heard, and its task is parked because of it. */
  isParked: boolean;
};

/** The bounded part of the ledger that one tick decides on. */
export interface Snapshot {
  state: FleetState;
  /** The first few ready tasks of every lane (category, kind, target), best first. */
  ready: readonly ReadyTask[];
  /** When the next task that backs off becomes ready, wall time in ms; null: none does. */
  nextReadyAt: number | null;
  open: readonly OpenAttempt[];
  paused: ReadonlySet<number>;
  /** Restarts begun in the last minute. */
  restartsLastMinute: number;
}

/** What a reader sees of a node. */
export interface NodeView {
  name: string;
  state: NodeState;
  via: string;
  vcpu: number | null;
  memoryGiB: number | null;
  boot: string | null;
  epoch: number;
  evidence: string;
  seenAt: number | null;
}

/** What a reader sees of an agent. */
export interface AgentView {
  number: number;
  node: string;
  category: string | null;
  kind: string;
  state: AgentState;
  task: string | null;
  since: number;
  evidence: string;
}

/** What a reader sees of an attempt. */
export type AttemptView = Omit<Attempt, 'boot' | 'hash' | 'resumes' | 'stopping'>;

/** Tokens, added up. */
export type UsageTotal = Omit<Usage, 'response' | 'model'> & { responses: number };

export type TaskCounts = Record<TaskState, number>;

/** A recorded wish of a person or program. */
export interface Intent {
  /** ULID or UUID; the same id is obeyed once. */
  id: string;
  operation: string;
  input: unknown;
  by: string;
  at: number;
}

/** What became of an intent. */
export type IntentResult =
  | { ok: true; output: unknown }
  | { ok: false; error: { code: string; message: string; hint: string | null } };
