/** One try at a task by one agent. Its id (UUIDv7) fences every write about it. */
export interface Attempt {
  id: string;
  task: string;
  agent: number;
  node: string;
  /** 1 for the first try at the task. */
  ordinal: number;
  kind: string;
  state: AttemptState;
  /** Boot id of the node it was meant for: it is never sent again after a reboot. */
  boot: string;
  /** Hash of what was sent; the node refuses another content under the same id. */
  hash: string;
  /** Conversation it began or went on with; null while unknown or for tools without one. */
  conversation: string | null;
  /** Conversation it was told to go on with. */
  resumes: string | null;
  intendedAt: number;
  startedAt: number | null;
  endedAt: number | null;
  verdict: Verdict | null;
  message: string | null;
  answer: string | null;
  exit: number | null;
  /** Set when the controller asked the node to end it, with the reason. */
  stopping: StopReason | null;
}

export const ATTEMPT_STATES = ['intended', 'started', 'ended', 'lost', 'cancelled'] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

/** Lawful moves. `started` may be skipped: an end whose start line was cut by a full disk is still an end. */
export const ATTEMPT_TRANSITIONS: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  intended: ['started', 'ended', 'lost', 'cancelled'],
  started: ['ended', 'lost', 'cancelled'],
  ended: [],
  lost: [],
  cancelled: [],
};

export function isOpen(state: AttemptState): boolean {
  return state === 'intended' || state === 'started';
}

/** `disk`: it ended badly while its node had no room left; `memory`: after the kernel had ended something of it. */
export type StopReason = 'cancelled' | 'timeout' | 'silent' | 'restarted' | 'shutdown' | 'disk' | 'memory';

/**
 * What became of an attempt, told apart by whose fault it was:
 * the task's (`failed`, `timeout`, `memory`), the platform's (`lost`, `silent`, `network`, `launch`, `killed`, `disk`), the provider's
 * (`rate-limit`, `overloaded`), the owner's (`credentials`, `quota`), or a person's (`cancelled`, `restarted`).
 */
export const VERDICTS = [
  'done',
  'failed',
  'timeout',
  'memory',
  'lost',
  'silent',
  'network',
  'launch',
  'killed',
  'disk',
  'rate-limit',
  'overloaded',
  'credentials',
  'quota',
  'cancelled',
  'restarted',
] as const;
export type Verdict = (typeof VERDICTS)[number];

export type Fault = 'none' | 'task' | 'platform' | 'wait' | 'owner' | 'person';

export const FAULT_OF: Readonly<Record<Verdict, Fault>> = {
  done: 'none',
  failed: 'task',
  timeout: 'task',
  memory: 'task',
  lost: 'platform',
  silent: 'platform',
  network: 'platform',
  launch: 'platform',
  killed: 'platform',
  disk: 'platform',
  'rate-limit': 'wait',
  overloaded: 'wait',
  credentials: 'owner',
  quota: 'owner',
  cancelled: 'person',
  restarted: 'person',
};

/** Model usage of one response, in tokens. Input counts include cached tokens, whatever the provider's own habit. */
export interface Usage {
  /** The provider's id of the response: what makes counting it twice impossible. */
  response: string;
  model: string | null;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
}
