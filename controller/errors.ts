/**
 * Every failure a person may meet. The code is public API (docs/errors.md is made from this table), the exit code is
 * what a door returns: 1 a task failed, 2 wrong usage or configuration, 3 could not in time or not reachable, 4 refused.
 */
export const ERROR_CODES = {
  usage: { exit: 2, retryable: false, means: 'The words of the call are wrong.' },
  'config-invalid': {
    exit: 2,
    retryable: false,
    means: 'The fleet file, the environment or a flag is wrong; every problem is listed.',
  },
  'plan-invalid': {
    exit: 2,
    retryable: false,
    means: 'A task file is wrong; every problem is listed and nothing was accepted.',
  },
  cycle: { exit: 2, retryable: false, means: 'Tasks need each other in a circle.' },
  'not-in-this-version': { exit: 2, retryable: false, means: 'Asked for something this version cannot do yet.' },
  'not-found': { exit: 2, retryable: false, means: 'No such task, agent or node.' },
  'prerequisite-missing': {
    exit: 2,
    retryable: false,
    means: 'A program this needs is not on the machine; the command that installs it is given.',
  },
  unlawful: { exit: 4, retryable: false, means: 'The fleet, task or agent is in a state that does not allow this.' },
  locked: { exit: 4, retryable: true, means: 'Another controller holds this fleet.' },
  'owned-by-another': { exit: 4, retryable: false, means: 'The node belongs to another fleet or another ledger.' },
  unreachable: { exit: 3, retryable: true, means: 'The node did not answer.' },
  'host-untrusted': {
    exit: 3,
    retryable: false,
    means: 'The host key of a node is unknown, changed, revoked or not certified as it should be. Nothing was sent.',
  },
  'login-refused': { exit: 3, retryable: false, means: 'The node accepts none of the keys that may be used.' },
  protocol: { exit: 3, retryable: false, means: 'The node answered something this version does not understand.' },
  'time-limit': { exit: 3, retryable: true, means: 'It did not end within the time allowed.' },
  'no-controller': { exit: 3, retryable: true, means: 'No controller runs; what was handed in waits.' },
  'ledger-unreadable': {
    exit: 3,
    retryable: false,
    means: 'The ledger is of an unknown version, damaged, or on a disk that cannot hold it.',
  },
  'disk-full': { exit: 3, retryable: true, means: 'No room left to write.' },
  'task-failed': { exit: 1, retryable: false, means: 'A task failed or was cancelled.' },
  bug: { exit: 3, retryable: false, means: 'Something that cannot happen did. Please report it.' },
} as const satisfies Record<string, { exit: number; retryable: boolean; means: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetail {
  /** What to do next, in one sentence. */
  hint?: string;
  /** What it is about: a node, an agent, a task, a file. */
  target?: string;
  cause?: unknown;
}

/** An expected failure with what a person needs: a code, a sentence, the next step. */
export class FleetError extends Error {
  override readonly name = 'FleetError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly target: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.hint = detail.hint;
    this.target = detail.target;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  get exit(): number {
    return ERROR_CODES[this.code].exit;
  }

  /** The shape every door gives: `{code, message, hint}`. */
  toJSON(): { code: ErrorCode; message: string; hint: string | null } {
    return { code: this.code, message: this.message, hint: this.hint ?? null };
  }
}

/** Text from a node or a tool as it may be shown: nothing in it that a terminal would obey; lines stay lines. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\uFFFD');
}

/** The error itself when it is ours, else a `bug` around it. */
export function toFleetError(error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new FleetError('bug', message, { cause: error, hint: 'Please report it with what was printed.' });
}
