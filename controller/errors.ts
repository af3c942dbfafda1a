/** What a code says to a program and to a person. */
interface CodeMeaning {
  /** Of a door: 2 wrong usage or configuration, 3 could not in time or not reachable, 4 refused. */
  exit: number;
  retryable: boolean;
  /** What happened. */
  means: string;
  why: string;
  /** What to do. */
  act: string;
  /** A text as it is printed; a test makes each by the product itself. */
  example: { message: string; hint: string };
}

/** Every failure a person may meet. The code is public API; docs/errors.md is made from this table. */
export const ERROR_CODES = {
  usage: {
    exit: 2,
    retryable: false,
    means: 'The words of the call are wrong.',
    why: 'A word or a flag is missing, misspelled, or excludes another.',
    act: 'Correct the call; `fleet SUBCOMMAND --help` shows what it takes.',
    example: { message: 'no nodes named', hint: 'NODES is names of nodes, label:NAME, all, or several with commas.' },
  },
  'config-invalid': {
    exit: 2,
    retryable: false,
    means: 'The fleet file, the environment or a flag is wrong; every problem is listed.',
    why: 'A field is unknown, has a value of another sort, or contradicts another; or a secret is not where it should be.',
    act: 'Correct each line that is named, then `fleet config check`.',
    example: {
      message: 'fleet.yaml:2:1 agent: unknown key; did you mean agents?',
      hint: 'Every field is described in docs/configuration.md.',
    },
  },
  'plan-invalid': {
    exit: 2,
    retryable: false,
    means: 'A task file is wrong; every problem is listed and nothing was accepted.',
    why: 'A field is unknown or wrong, an id is taken by another task, or a task needs one that nobody knows.',
    act: 'Correct the file and hand it in again: nothing of it was taken.',
    example: {
      message: 'plan.yaml:2:12 tasks[0].rum: unknown key; did you mean run?',
      hint: 'Nothing was accepted. Correct the file and hand it in again.',
    },
  },
  cycle: {
    exit: 2,
    retryable: false,
    means: 'Tasks need each other in a circle.',
    why: 'None of them could ever begin.',
    act: 'Take one need out of each circle that is printed.',
    example: {
      message: 'plan.yaml:2:31 tasks[0].needs: expected no circle: a → b → a',
      hint: 'Take one need out of each circle.',
    },
  },
  'not-found': {
    exit: 2,
    retryable: false,
    means: 'No such task, agent or node.',
    why: 'It is misspelled, belongs to another fleet (`--name`, `--home`, `--file`), or was never there.',
    act: 'Look what there is: `fleet list tasks`, `fleet list agents`, `fleet list nodes`.',
    example: {
      message: 'no node matches mugem',
      hint: 'NODES is names of nodes, label:NAME, all, or several with commas. The fleet file has mugen, majin.',
    },
  },
  'prerequisite-missing': {
    exit: 2,
    retryable: false,
    means: 'A program this needs is not on the machine; the command that installs it is given.',
    why: 'It was never installed there, or is not in the PATH of a login.',
    act: 'Install it as told; `fleet doctor` looks at every node at once.',
    example: {
      message: 'a terminal on mugen needs the program ssh, which is not in PATH',
      hint: 'On Debian or Ubuntu: `sudo apt-get install -y openssh-client`.',
    },
  },
  'no-access': {
    exit: 2,
    retryable: false,
    means: 'This user may not read or write a file or folder that is needed.',
    why: 'It belongs to another user, or its disk is read-only.',
    act: 'Give it to this user, or name another; for the state folder `fleet doctor` tells the command.',
    example: {
      message: '/srv/fleet/inbox may not be used by this user (EACCES, mkdir)',
      hint: 'Give it to this user, or name another; fleet doctor tells the command for the state folder.',
    },
  },
  unlawful: {
    exit: 4,
    retryable: false,
    means: 'The fleet, task or agent is in a state that does not allow this.',
    why: 'It ended, still runs, or has not begun; or doing it now would lose something.',
    act: 'See the state with `fleet status` or `fleet show`, and do what the hint says first.',
    example: {
      message: 'reload is not possible while the fleet is DRAINING',
      hint: 'It is possible while the fleet is READY, RUNNING or SCALING; fleet status shows what it is.',
    },
  },
  locked: {
    exit: 4,
    retryable: true,
    means: 'Another controller holds this fleet.',
    why: 'One controller decides for a fleet: a second one would begin things twice.',
    act: 'Use the one that runs (every subcommand does), or end it: `fleet stop`.',
    example: {
      message: 'this fleet already has a controller: process 4711 on desk, since 2027-01-15T08:00:00.000Z',
      hint: 'Use it (fleet status, run, submit), or end it first: fleet stop.',
    },
  },
  'owned-by-another': {
    exit: 4,
    retryable: false,
    means: 'The node belongs to another fleet or another ledger.',
    why: 'A node follows one ledger: another one, or a copy of it, does not know what runs there.',
    act: 'Go on where that ledger is; or, when that one is gone for good, `fleet start --take-over`.',
    example: {
      message: 'node mugen follows another ledger (0d5f8a)',
      hint: 'Go on where that one is; or take the node: fleet start --take-over.',
    },
  },
  unreachable: {
    exit: 3,
    retryable: true,
    means: 'The node did not answer.',
    why: 'It is off, its sshd does not run, the network between is cut, or its name leads nowhere.',
    act: 'Do what the hint says; `fleet doctor` asks every node. What runs there is left alone and goes on.',
    example: {
      message: 'ubuntu@mugen refuses connections: ECONNREFUSED connect ECONNREFUSED 10.0.0.7:22',
      hint: 'On its console: `sudo systemctl enable --now ssh` (sshd on some systems). If its sshd listens on another port than 22, set `port` of the node.',
    },
  },
  'host-untrusted': {
    exit: 3,
    retryable: false,
    means: 'The host key of a node is unknown, changed, revoked or not certified as it should be. Nothing was sent.',
    why: 'Nobody has connected there by hand yet, the machine was installed anew, or somebody stands in between.',
    act: 'Compare the fingerprint on the machine itself, then make it known as the hint says.',
    example: {
      message: 'the host key of ubuntu@mugen is not known: SHA256:5tW3…',
      hint: 'Compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` (or ecdsa, rsa) prints on the machine; then connect once by hand and answer yes: `ssh mugen`.',
    },
  },
  'login-refused': {
    exit: 3,
    retryable: false,
    means: 'The node accepts none of the keys that may be used.',
    why: 'Your key is not in its authorized_keys, has a passphrase and is in no agent, or the user is another one.',
    act: 'Put the key there or into the agent, as the hint says; a password is never used.',
    example: {
      message: 'ubuntu@mugen accepts none of the keys that may be used: Permission denied (publickey).',
      hint: 'If ubuntu is the right user, put your key there: `ssh-copy-id mugen`. A key with a passphrase has to be in the agent: `ssh-add`.',
    },
  },
  protocol: {
    exit: 3,
    retryable: false,
    means: 'The node answered something this version does not understand.',
    why: 'Another version set it up, something else answered, or it said more than is taken.',
    act: 'Do what the hint says; `fleet doctor` shows what answers there.',
    example: {
      message: 'more than 8388608 bytes of output',
      hint: 'Let it write to a file there, and look at what you need of it: fleet exec NODES -- tail FILE.',
    },
  },
  'time-limit': {
    exit: 3,
    retryable: true,
    means: 'It did not end within the time allowed.',
    why: 'It takes longer than that, or hangs.',
    act: 'Give it longer; what was accepted is kept and goes on.',
    example: { message: 'not ended within 600 s, and ended now', hint: 'To give it longer: --timeout 1h.' },
  },
  'no-controller': {
    exit: 3,
    retryable: true,
    means: 'No controller runs; what was handed in waits.',
    why: 'None was started, or it was stopped.',
    act: 'Start one: `fleet start`. It takes in what waits.',
    example: { message: 'pause is handed in and waits: no controller runs', hint: 'fleet start begins one.' },
  },
  'ledger-unreadable': {
    exit: 3,
    retryable: false,
    means: 'The ledger is of an unknown version, damaged, or on a disk that cannot hold it.',
    why: 'A newer version wrote it, a disk failed, or the state folder is another user’s.',
    act: 'Do what the hint says; `fleet doctor` looks at folder and disk. Agents go on working meanwhile.',
    example: {
      message: 'the ledger /srv/fleet/ledger.db cannot be opened: file is not a database',
      hint: 'Put back a copy of it, and start with --take-over; fleet doctor looks at its folder and disk.',
    },
  },
  'disk-full': {
    exit: 3,
    retryable: true,
    means: 'No room left to write.',
    why: 'The disk of the state folder here, or of the home folder of a node, is full.',
    act: 'Free 1 GiB there; `fleet doctor` tells on which disk. A controller that ended for it is started anew by `fleet start`.',
    example: {
      message: 'no room left to write /srv/fleet/inbox (ENOSPC, write)',
      hint: 'Free 1 GiB on its disk; fleet doctor tells which one is full.',
    },
  },
  bug: {
    exit: 3,
    retryable: false,
    means: 'Something that cannot happen did. Please report it.',
    why: 'A fault of this program.',
    act: 'Please report it with what was printed. What was accepted is kept: `fleet start` goes on with it.',
    example: { message: 'x is not a function', hint: 'Please report it with what was printed.' },
  },
} as const satisfies Record<string, CodeMeaning>;

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

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT']);
const NO_ACCESS = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * The error itself when it is ours; what the system says of a file (no room, no access) in our words; else a `bug` around
 * it.
 */
export function toFleetError(error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const { code = '', path, syscall = '' } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  const how = `(${[code, syscall].filter((word) => word !== '').join(', ')})`;
  if (NO_ROOM.has(code)) {
    const hint = 'Free 1 GiB on its disk; fleet doctor tells which one is full.';
    return new FleetError('disk-full', `no room left to write ${path ?? 'a file'} ${how}`, { cause: error, hint });
  }
  if (NO_ACCESS.has(code) && path !== undefined) {
    const hint = 'Give it to this user, or name another; fleet doctor tells the command for the state folder.';
    return new FleetError('no-access', `${path} may not be used by this user ${how}`, { cause: error, hint });
  }
  return new FleetError('bug', message, { cause: error, hint: 'Please report it with what was printed.' });
}
