import { printable } from '../errors.ts';
import type { Command } from '../transport/command.ts';
import { rootWord } from './shell.ts';

/** What a machine says of itself, in one question. What is null it did not say. */
export interface Survey {
  /** Its wall clock, ms. */
  now: number | null;
  user: string;
  isRoot: boolean;
  /** Of the programs asked for, those that are not there. */
  missing: readonly string[];
  /** `5.2.15(1)-release`, `tmux 3.3a`; empty when not there. */
  bash: string;
  tmux: string;
  vcpu: number | null;
  memoryKiB: number | null;
  availableKiB: number | null;
  /** Of the file system of the home folder. `inodes` is 0 where they are made as they are needed. */
  disk: { freeBytes: number; freeInodes: number; inodes: number } | null;
  isWritable: boolean;
  /** Limits of the login; null: none, or not said. */
  processesMax: number | null;
  filesMax: number | null;
  /** The tightest limit of processes of the control groups around the login. */
  groupProcessesMax: number | null;
  /** Whether the end of a login ends what it began; null where there is no systemd. */
  killsAtLogout: boolean | null;
  lingers: boolean | null;
  /** What of this fleet is there; null: nothing. */
  fleet: Kept | null;
}

/** The fleet's folder on a node. */
export interface Kept {
  /** `LEDGER MACHINE` of who may drive it; null: nobody has greeted it yet. */
  owner: string | null;
  /** Attempts that run, or whose end no controller has taken note of. */
  open: number;
  attempts: number;
  agents: number;
  windows: number;
  kib: number;
}

const SECONDS_MAX = 30;
const BYTES_MAX = 65_536;
const MARK = 'fleet-survey';
const TEXT_MAX = 200;

/**
 * Asks for everything at once. The script comes by standard input, so that no login shell has to understand it (fish,
 * csh); each answer stands on a line of its own with a mark, because a login may print what it likes around it.
 */
export function surveyNode(fleet: string, programs: readonly string[]): Command {
  const input = `say() { printf '\\n${MARK} %s\\n' "$*"; }\nroot=${rootWord(fleet)}\n${SCRIPT}`;
  return { words: ['sh', '-s', '--', ...programs], input, secondsMax: SECONDS_MAX, bytesMax: BYTES_MAX };
}

/** POSIX sh. `timeout` around whatever asks a service: a bus that hangs must not hide everything else. */
const SCRIPT = `
say now "$(date +%s)"
say user "$(id -u) $(id -un)"
for each do command -v "$each" >/dev/null 2>&1 || say missing "$each"; done
say bash "$(bash -c 'echo "$BASH_VERSION"' 2>/dev/null)"
say tmux "$(tmux -V 2>/dev/null)"
say vcpu "$(nproc 2>/dev/null)"
while read -r key value _; do
  case $key in MemTotal: | MemAvailable:) say "$key" "$value" ;; esac
done </proc/meminfo
say disk "$(stat -f -c '%a %S %d %c' "$HOME" 2>/dev/null)"
[ -d "$HOME" ] && [ -w "$HOME" ] && say writable
say limits "$(bash -c 'echo "$(ulimit -u) $(ulimit -n)"' 2>/dev/null)"
group=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
while [ -n "$group" ]; do
  [ -r "/sys/fs/cgroup$group/pids.max" ] && say group "$(cat "/sys/fs/cgroup$group/pids.max")"
  group=\${group%/*}
done
if [ -d /run/systemd/system ] && command -v loginctl >/dev/null 2>&1; then
  for what in $(timeout 5 loginctl show-user -p KillUserProcesses 2>/dev/null); do say logind "$what"; done
  [ -e "/var/lib/systemd/linger/$(id -un)" ] && say logind Linger=yes || say logind Linger=no
fi
count() { find "$root/$1" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }
if [ -d "$root" ]; then
  owner=
  [ -r "$root/owner" ] && read -r owner <"$root/owner"
  windows=$(timeout 5 tmux -S "$root/tmux.sock" list-sessions 2>/dev/null | wc -l)
  kib=$(timeout 10 du -sk "$root" 2>/dev/null)
  say kept $(count open) $(count attempts) $(count agents) $windows \${kib%%[!0-9]*}
  [ -z "$owner" ] || say owner "$owner"
fi
say end
`;

/** Pure. Undefined when the answer is not one, or not whole: something else answered, or it was cut. */
export function readSurvey(text: string): Survey | undefined {
  const said = text.split('\n').flatMap((line) => {
    const match = line.startsWith(`${MARK} `) ? /^(\S+) ?(.*)$/.exec(line.slice(MARK.length + 1)) : null;
    return match ? [{ key: match[1] ?? '', value: plainText(match[2] ?? '') }] : [];
  });
  const all = (key: string) => said.filter((each) => each.key === key).map(({ value }) => value);
  const one = (key: string) => all(key)[0] ?? '';
  if (all('end').length === 0) return undefined;
  const now = wholeOf(one('now'));
  const [uid = '', user = ''] = one('user').split(' ');
  const [processes = '', files = ''] = one('limits').split(' ');
  const groups = all('group').flatMap((value) => wholeOf(value) ?? []);
  return {
    now: now === null ? null : now * 1000,
    user,
    isRoot: uid === '0',
    missing: all('missing'),
    bash: one('bash'),
    tmux: one('tmux'),
    vcpu: wholeOf(one('vcpu')),
    memoryKiB: wholeOf(one('MemTotal:')),
    availableKiB: wholeOf(one('MemAvailable:')),
    disk: diskOf(one('disk')),
    isWritable: all('writable').length > 0,
    processesMax: wholeOf(processes),
    filesMax: wholeOf(files),
    groupProcessesMax: groups.length === 0 ? null : Math.min(...groups),
    killsAtLogout: answerOf(all('logind'), 'KillUserProcesses'),
    lingers: answerOf(all('logind'), 'Linger'),
    fleet: keptOf(all('kept')[0], all('owner')[0]),
  };
}

/** One line of what a node says, cut: it may be printed on a terminal, and nothing in it is to be obeyed there. */
export function plainText(value: string): string {
  return printable(value)
    .replace(/[\t\n]/g, '\uFFFD')
    .trim()
    .slice(0, TEXT_MAX);
}

function wholeOf(text: string): number | null {
  return /^\d{1,19}$/.test(text) ? Number(text) : null;
}

function wholesOf(text: string): number[] {
  return text.split(' ').flatMap((part) => wholeOf(part) ?? []);
}

function diskOf(text: string): Survey['disk'] {
  const [blocks, size, freeInodes, inodes] = wholesOf(text);
  if (blocks === undefined || size === undefined || freeInodes === undefined || inodes === undefined) return null;
  return { freeBytes: blocks * size, freeInodes, inodes };
}

function answerOf(values: readonly string[], key: string): boolean | null {
  const value = values.find((each) => each.startsWith(`${key}=`));
  return value === undefined ? null : value.endsWith('=yes');
}

function keptOf(kept: string | undefined, owner: string | undefined): Kept | null {
  if (kept === undefined) return null;
  const [open = 0, attempts = 0, agents = 0, windows = 0, kib = 0] = wholesOf(kept);
  return { owner: owner ?? null, open, attempts, agents, windows, kib };
}
