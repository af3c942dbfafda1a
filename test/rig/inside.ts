import { readFile } from 'node:fs/promises';
import { type Ended, run } from './command.ts';

/**
 * Running something in a machine from outside, past its SSH: how the rig does what a person at the console would do.
 * Whoever enters a machine's namespaces keeps the rights of this machine's root, with which `date -s` sets the clock of
 * everything. So the rights a machine's first process may have are the most that anything entering it ever has.
 */
export interface ExecLimits {
  /** Whose rights it has; root where absent. */
  user?: string;
  /** Given on standard input, then closed. */
  input?: string;
  /** Longest time in ms (a minute where absent); then it is killed. */
  msMax?: number;
}

const MS_MAX = 60_000;
const OUTSIDE_MS = 5_000;
/** Bit of CAP_SYS_TIME, the right to set the clock. */
const SET_CLOCK = 25n;
const JOIN = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"';
const ENVIRONMENT = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LANG=C.UTF-8'];

/** The machine's first process, and where whatever enters it from outside is held. */
export interface Entry {
  /** Process id here, outside. */
  leader: number;
  /** Group of cgroup v2 that ends with the run. */
  group: string;
}

/** Gives how the program ended; its code is null when it ran out of time. */
export async function execInside(entry: Entry, words: readonly string[], limits: ExecLimits = {}): Promise<Ended> {
  const { user, input = '', msMax = MS_MAX } = limits;
  const status = await readFile(`/proc/${entry.leader}/status`, 'utf8');
  const seconds = (msMax / 1000).toFixed(1);
  const asUser =
    user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--reset-env'];
  const outside = ['bash', '-c', JOIN, 'rig', entry.group, ...narrowed(status), ...enter(entry.leader)];
  const inside = ['env', '-i', ...ENVIRONMENT, 'timeout', '--signal=KILL', seconds, ...asUser, ...words];
  return run([...outside, ...inside], { input, msMax: msMax + OUTSIDE_MS });
}

/** Words that give up, before entering, every right the machine itself does not have. Throws where it could set clocks. */
export function narrowed(status: string): readonly string[] {
  const hex = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (hex === undefined) throw new Error("the machine's first process shows no bounding set");
  const bits = BigInt(`0x${hex}`);
  if ((bits >> SET_CLOCK) & 1n) throw new Error('whatever runs in this machine could set the clock of the host');
  const kept = [...Array(64).keys()].filter((bit) => (bits >> BigInt(bit)) & 1n).map((bit) => `+cap_${bit}`);
  return ['setpriv', `--bounding-set=-all,${kept.join(',')}`, '--inh-caps=-all'];
}

/**
 * Not nsenter but `timeout` becomes the parent of what runs inside: nsenter stops when its child is stopped, as a
 * machine does with all that runs while it goes off, and a child nobody takes leave of keeps the machine from going off.
 */
function enter(leader: number): readonly string[] {
  return ['nsenter', '-t', String(leader), '-m', '-u', '-i', '-n', '-p', '-C', '-T', '--no-fork', '--wdns=/'];
}
