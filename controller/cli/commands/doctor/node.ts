import type { Survey } from '../../../node/survey.ts';
import { bad, type Finding, gib, good } from './finding.ts';

/** What a node is asked to be. */
export interface Expectation {
  /** Programs of the tools that agents there run. */
  tools: readonly string[];
  /** How many agents are to stand on it. */
  agents: number;
  /** `LEDGER MACHINE` of this fleet; null while it has no ledger. */
  owner: string | null;
  /** Wall time here in ms, before it was asked and after it had answered. */
  asked: number;
  answered: number;
}

/** What the node program needs, and the Debian package of each. */
export const NODE_PROGRAMS: Readonly<Record<string, string>> = {
  bash: 'bash',
  tmux: 'tmux',
  flock: 'util-linux',
  setsid: 'util-linux',
  base64: 'coreutils',
  stat: 'coreutils',
  sha256sum: 'coreutils',
  timeout: 'coreutils',
  tail: 'coreutils',
  awk: 'mawk',
};
/** Good to have, and what is lost without it. */
export const WISHED_PROGRAMS: Readonly<Record<string, string>> = { jq: 'windows show event lines as they are' };

const BASH_MIN = [4, 0] as const;
const TMUX_MIN = [3, 0] as const;
const GIB = 2 ** 30;
const DISK_BYTES_MIN = GIB;
const INODES_MIN = 10_000;
const MEMORY_KIB_MIN = 512 * 1024;
const SKEW_MS_MAX = 5000;
/** Processes and threads of an agent at work, with some for what it runs. */
const PROCESSES_EACH = 50;
/** Open files are counted for each process: those of the one tmux server grow with the windows. */
const FILES_MIN = 256;
const FILES_EACH = 4;

/** Pure: all that can be said of a node that answered. */
export function judgeNode(name: string, survey: Survey, wanted: Expectation): Finding[] {
  const of = (what: string) => `node ${name}: ${what}`;
  return [
    ...judgePrograms(of, survey, wanted.tools),
    judgeHome(of, survey),
    ...judgeDisk(of, survey),
    judgeMemory(of, survey),
    judgeClock(of, survey, wanted),
    judgeOwner(of, survey, wanted.owner),
    ...judgeLimits(of, survey, wanted.agents),
    ...judgeLogout(of, survey),
  ];
}

type Of = (what: string) => string;

function judgePrograms(of: Of, survey: Survey, tools: readonly string[]): Finding[] {
  const { missing, bash, tmux } = survey;
  const wanted = [...Object.keys(NODE_PROGRAMS), ...tools];
  const there = wanted.filter((program) => !missing.includes(program));
  return [
    ...(there.length > 0 ? [good(of('programs'), `there: ${there.join(', ')}`)] : []),
    ...wanted.flatMap((program) => (missing.includes(program) ? [bad(of(program), 'missing', fixOf(program))] : [])),
    ...Object.entries(WISHED_PROGRAMS).flatMap(([program, loss]) =>
      missing.includes(program)
        ? [{ ...good(of(program), `missing: ${loss}`), fix: `Good to have: apt-get install ${program}.` }]
        : [],
    ),
    ...(missing.includes('bash') ? [] : judgeVersion(of('bash'), bash, BASH_MIN)),
    ...(missing.includes('tmux') ? [] : judgeVersion(of('tmux'), tmux, TMUX_MIN)),
  ];
}

function fixOf(program: string): string {
  if (NODE_PROGRAMS[program] !== undefined) return `Install it there: apt-get install ${NODE_PROGRAMS[program]}.`;
  const name = program.split('/').at(-1);
  const start = 'Looked for in the PATH of a login without a terminal';
  if (name === 'codex') return `${start}: npm install -g @openai/codex, or say kinds.NAME.program.`;
  if (name === 'claude') return `${start}: npm install -g @anthropic-ai/claude-code, or say kinds.NAME.program.`;
  return `${start}: install it there, or mend kinds.NAME.program.`;
}

/** An odd version (`tmux next-3.5`, one without numbers) is not held against it. */
function judgeVersion(check: string, text: string, [major, minor]: readonly [number, number]): Finding[] {
  const match = /(\d+)\.(\d+)/.exec(text);
  if (!match) return [];
  const [given, below] = [Number(match[1]), Number(match[2])];
  const isEnough = given > major || (given === major && below >= minor);
  return isEnough ? [] : [bad(check, `is ${text}`, `Install ${major}.${minor} or newer there.`)];
}

function judgeHome(of: Of, { isWritable, user }: Survey): Finding {
  if (isWritable) return good(of('home'), `may be written by ${user || 'the login'}`);
  const fix =
    'Everything of a fleet is kept below it: give the user a home folder of its own, on a disk that is not read-only.';
  return bad(of('home'), `may not be written by ${user || 'the login'}`, fix);
}

function judgeDisk(of: Of, { disk }: Survey): Finding[] {
  if (disk === null) return [];
  const { freeBytes, freeInodes, inodes } = disk;
  const free = `${gib(freeBytes)} free for the home folder`;
  const few = `only ${freeInodes} more files fit on its disk`;
  return [
    freeBytes >= DISK_BYTES_MIN ? good(of('disk'), free) : bad(of('disk'), free, 'Free at least 1 GiB there.'),
    // No count at all: the file system makes inodes as they are needed.
    ...(inodes === 0 || freeInodes >= INODES_MIN ? [] : [bad(of('inodes'), few, 'Remove many small files there.')]),
  ];
}

function judgeMemory(of: Of, { memoryKiB, availableKiB }: Survey): Finding {
  if (memoryKiB === null || availableKiB === null) return good(of('memory'), 'it does not say');
  const detail = `${gib(availableKiB * 1024)} of ${gib(memoryKiB * 1024)} available`;
  if (availableKiB >= MEMORY_KIB_MIN) return good(of('memory'), detail);
  return bad(of('memory'), detail, 'Put fewer agents there (maxAgents, agents.memoryGiBEach), or end what else runs.');
}

/** Between asking and answering its clock showed a second that should lie between ours: only what is outside is wrong. */
function judgeClock(of: Of, { now }: Survey, { asked, answered }: Expectation): Finding {
  if (now === null) return good(of('clock'), 'it does not say');
  const ahead = Math.max(0, now - answered);
  const behind = Math.max(0, asked - (now + 999)); // it says whole seconds
  const skew = Math.max(ahead, behind);
  if (skew <= SKEW_MS_MAX) return good(of('clock'), 'agrees with the one here');
  const detail = `${Math.round(skew / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'} the one here`;
  return bad(of('clock'), detail, 'Enable NTP on the machine that is wrong: timedatectl set-ntp true.');
}

function judgeOwner(of: Of, { fleet }: Survey, ours: string | null): Finding {
  const owner = fleet?.owner ?? null;
  if (owner === null) return good(of('owner'), 'nobody yet: the first fleet start takes it');
  if (owner === ours) return good(of('owner'), 'this fleet');
  const isCopy = ours !== null && owner.split(' ')[0] === ours.split(' ')[0];
  const detail = isCopy ? 'a copy of this ledger, elsewhere' : `another ledger (${owner.split(' ')[0]})`;
  return bad(of('owner'), detail, 'Go on where that one is, or take the node: fleet start --take-over.');
}

function judgeLimits(of: Of, survey: Survey, agents: number): Finding[] {
  const processes = agents * PROCESSES_EACH;
  const files = Math.max(FILES_MIN, agents * FILES_EACH);
  const limits: [string, number | null, number, string][] = [
    ['processes of the user', survey.processesMax, processes, 'Raise nproc in /etc/security/limits.conf there'],
    ['open files of a process', survey.filesMax, files, 'Raise nofile in /etc/security/limits.conf there'],
    ['processes of its control group', survey.groupProcessesMax, processes, 'Raise TasksMax of its slice or container'],
  ];
  const low = limits.flatMap(([what, limit, needed, how]) =>
    limit === null || limit >= needed
      ? []
      : [bad(of('limits'), `${limit} ${what}, ${needed} needed for ${agents} agents`, `${how}, or set maxAgents.`)],
  );
  return low.length > 0 ? low : [good(of('limits'), `enough for ${agents} agents`)];
}

/**
 * Work lives in scopes of its own, outside the login: root's always, a user's where it lingers. The first greeting turns
 * lingering on where the machine lets it; else work is as long-lived as what a login leaves behind.
 */
function judgeLogout(of: Of, { killsAtLogout, lingers, isRoot, user, fleet }: Survey): Finding[] {
  if (killsAtLogout === null) return []; // no systemd: a login ends nothing
  if (isRoot || lingers) return [good(of('logout'), 'ends nothing: work lives outside the login')];
  if (!killsAtLogout) return [good(of('logout'), 'ends nothing: KillUserProcesses=no')];
  const fix = `Let its manager outlast the login: sudo loginctl enable-linger ${user}.`;
  if (fleet === null) {
    const detail = 'ends what it began, unless fleet start may turn lingering on (KillUserProcesses=yes)';
    return [{ ...good(of('logout'), detail), fix }];
  }
  return [bad(of('logout'), 'ends what runs: KillUserProcesses=yes, and the user does not linger', fix)];
}
