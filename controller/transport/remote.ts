import { Buffer } from 'node:buffer';
import { shellLine } from './command.ts';

/** Printed right before our command begins, on both outputs: what a login shell says before it is noise. */
const MARK = 'miyabi-fleet:begin';
const NEWLINE = 10;
const NOISE_CHARS_MAX = 2000;
/** Longest beginning of a mark that may still be without its newline: the mark and one line of /proc/PID/stat. */
const MARK_BYTES_MAX = 4096;
/** Linux takes no longer single argument; the login shell gets our whole line as one. */
const LINE_BYTES_MAX = 131_000;

/** A process of a node as Linux tells it apart from every later one with the same number. */
export interface RemoteProcess {
  pid: string;
  /** In ticks since boot. */
  start: string;
}

/**
 * One line that runs exactly these words under whatever login shell a user has (sh, bash, zsh, fish, csh): nothing in
 * it but letters inside single quotes means anything to any of them. Every step is `exec`, so that the command is the
 * process that sshd began. Throws a RangeError for words no process can get.
 */
export function remoteLine(words: readonly string[]): string {
  return wrap(`exec ${shellLine(words)}`);
}

/** As `remoteLine`, with a mark on both outputs before the command's own; see `openMark`. */
export function markedLine(words: readonly string[]): string {
  return wrap(
    `{ read -r miyabi_stat </proc/$$/stat; } 2>/dev/null; printf '\\n${MARK} %s\\n' "$miyabi_stat"; ` +
      `printf '\\n${MARK}\\n' >&2; unset miyabi_stat; exec ${shellLine(words)}`,
  );
}

function wrap(script: string): string {
  const line = `exec sh -c 'eval "$(echo ${Buffer.from(script).toString('base64')} | base64 -d)"'`;
  if (line.length > LINE_BYTES_MAX) throw new RangeError('too long for one command line; send it as input');
  return line;
}

/** Words that end a process, its group too when it leads one, and only while it is still that very process. */
export function killWords({ pid, start }: RemoteProcess): readonly string[] {
  const script =
    `read -r l </proc/$1/stat || exit 0; r=\${l##*") "}; set -- "$1" "$2" $r; [ "\${22}" = "$2" ] || exit 0; ` +
    'kill -s KILL -- "-$1" 2>/dev/null || kill -s KILL "$1"';
  return ['sh', '-c', script, 'sh', pid, start];
}

export interface Mark {
  take(chunk: Buffer): void;
  readonly isSeen: boolean;
  /** What came before it, cut; all there is when it never came. */
  readonly noise: string;
}

/** Drops everything up to the mark and passes on the rest. `onSeen` gets the process, where its system tells of it. */
export function openMark(
  onBytes: (chunk: Buffer) => void,
  onSeen?: (process: RemoteProcess | undefined) => void,
): Mark {
  let pending: Buffer = Buffer.alloc(0);
  let noise = '';
  let isSeen = false;
  const drop = (bytes: number) => {
    noise = (noise + pending.toString('utf8', 0, bytes)).slice(0, NOISE_CHARS_MAX);
    pending = pending.subarray(bytes);
  };
  const take = (chunk: Buffer) => {
    if (isSeen) return onBytes(chunk);
    pending = Buffer.concat([pending, chunk]);
    const at = pending.indexOf(MARK);
    const end = at < 0 ? -1 : pending.indexOf(NEWLINE, at);
    if (end < 0) {
      if (pending.length > MARK_BYTES_MAX) drop(pending.length - MARK_BYTES_MAX);
      return;
    }
    drop(at);
    isSeen = true;
    const line = pending.toString('utf8', 0, end - at);
    const rest = pending.subarray(end - at + 1);
    pending = Buffer.alloc(0);
    onSeen?.(parseStat(line.slice(MARK.length).trim()));
    if (rest.length > 0) onBytes(rest);
  };
  return {
    take,
    get isSeen() {
      return isSeen;
    },
    get noise() {
      return (isSeen ? noise : noise + pending.toString('utf8')).trim().slice(0, NOISE_CHARS_MAX);
    },
  };
}

/** The 1st and 22nd field of a line of /proc/PID/stat; the 2nd is in brackets and may hold anything. */
function parseStat(line: string): RemoteProcess | undefined {
  const pid = /^(\d+) \(/.exec(line)?.[1];
  const start = line.slice(line.lastIndexOf(') ') + 2).split(' ')[19];
  return pid === undefined || start === undefined || !/^\d+$/.test(start) ? undefined : { pid, start };
}
