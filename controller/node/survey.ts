import { printable } from '../errors.ts';
import { type Command, quote } from '../transport/command.ts';
import { rootWord } from './shell.ts';
import { SURVEY_SCRIPT, TOOL_SCRIPT } from './survey/script.ts';

/** What a machine says of itself, in one question. What is null it did not say. */
export interface Survey {
  /** Its wall clock, ms. */
  now: number | null;
  user: string;
  isRoot: boolean;
  uid: number | null;
  /** What may become root there; `installer`: the first of the package managers that it has. */
  hasSudo: boolean;
  installer: string | null;
  /** Of the programs asked for, those that are not there. */
  missing: readonly string[];
  /** In the order in which the tools were asked for. */
  tools: readonly ToolSight[];
  /** `5.2.15(1)-release`, `tmux 3.3a`; empty when not there. */
  bash: string;
  tmux: string;
  vcpu: number | null;
  memoryKiB: number | null;
  availableKiB: number | null;
  /** Of the file system of the home folder. `inodes` is 0 where they are made as they are needed. */
  disk: { freeBytes: number; freeInodes: number; inodes: number } | null;
  isWritable: boolean;
  /** The home folder, whose it is, and its mode such as 755. */
  home: { path: string; owner: string; mode: string } | null;
  /** The folder asked for; null where none was. */
  folder: 'ready' | 'absent' | 'no-folder' | 'closed' | 'read-only' | null;
  /** Limits of the login; null: none, or not said. */
  processesMax: number | null;
  filesMax: number | null;
  /** The tightest limit of processes of the control groups around the login. */
  groupProcessesMax: number | null;
  /** Path of the control group that has it. */
  group: string | null;
  /** Boot and home folder: two names of one machine and one user give the same. */
  place: string | null;
  /** Whether the end of a login ends what it began; null where there is no systemd. */
  killsAtLogout: boolean | null;
  lingers: boolean | null;
  /** Whether each agent can be held to a limit of memory. */
  canHold: boolean;
  /** What set it up said when it ended; null: nobody did. */
  setup: SetUp | null;
  /** What of this fleet is there; null: nothing. */
  fleet: Kept | null;
}

/** How `fleet setup`, or the user data of its stack, left a machine. */
export interface SetUp {
  /** ISO 8601. */
  at: string;
  /** Beginning of the SHA-256 of the program. */
  program: string;
  isReady: boolean;
  /** Steps that failed. */
  failed: readonly string[];
}

/** A coding tool, as a login without a terminal finds it. */
export interface ToolSight {
  program: string;
  /** Where it is in the PATH; null: nowhere. */
  path: string | null;
  /** A file of that name that may not be run. */
  inert: string | null;
  /** Where the login shell finds it, for people who sit before it; only looked for when the PATH has none. */
  shellPath: string | null;
  /**
   * How `--version` of `path` or `shellPath` ended, and the first line of what it told (the last of its errors where it
   * failed); null: not asked.
   */
  exit: number | null;
  said: string;
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

const SECONDS_MAX = 60;
const BYTES_MAX = 65_536;
/** `timeout` of coreutils ends what takes longer with this. */
export const TIMED_OUT = 124;
const MARK = 'fleet-survey';
const TEXT_MAX = 200;

export interface SurveyWish {
  /** Coding tools, to be asked for their version. */
  tools?: readonly string[];
  /** A folder in which tasks are to work. */
  folder?: string | null;
}

/**
 * Asks for everything at once. The script comes by standard input, so that no login shell has to understand it (fish,
 * csh); each answer stands on a line of its own with a mark, because a login may print what it likes around it.
 */
export function surveyNode(fleet: string, programs: readonly string[], wish: SurveyWish = {}): Command {
  const { tools = [], folder = null } = wish;
  const input = [
    `say() { printf '\\n${MARK} %s\\n' "$*"; }`,
    `root=${rootWord(fleet)}`,
    SURVEY_SCRIPT,
    ...(tools.length === 0 ? [] : [TOOL_SCRIPT, ...tools.map((tool, index) => `tool ${index} ${quote(tool)}`)]),
    ...(folder === null ? [] : [`folder ${quote(folder)}`]),
    'say end',
    '',
  ];
  const words = ['sh', '-s', '--', ...programs];
  return { words, input: input.join('\n'), secondsMax: SECONDS_MAX, bytesMax: BYTES_MAX };
}

/** Pure. Undefined when the answer is not one, or not whole: something else answered, or it was cut. */
export function readSurvey(text: string, { tools = [] }: SurveyWish = {}): Survey | undefined {
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
  const tightest = tightestOf(all('group'));
  return {
    now: now === null ? null : now * 1000,
    user,
    isRoot: uid === '0',
    uid: wholeOf(uid),
    hasSudo: all('sudo').length > 0,
    installer: all('installer')[0] ?? null,
    missing: all('missing'),
    tools: tools.map((program, index) => toolOf(program, String(index), all('tool'))),
    bash: one('bash'),
    tmux: one('tmux'),
    vcpu: wholeOf(one('vcpu')),
    memoryKiB: wholeOf(one('MemTotal:')),
    availableKiB: wholeOf(one('MemAvailable:')),
    disk: diskOf(one('disk')),
    isWritable: all('writable').length > 0,
    home: homeOf(one('home')),
    folder: FOLDERS.find((each) => each === one('folder')) ?? null,
    processesMax: wholeOf(processes),
    filesMax: wholeOf(files),
    groupProcessesMax: tightest?.limit ?? null,
    group: tightest?.path ?? null,
    place: one('place').includes(' ') ? one('place') : null,
    killsAtLogout: answerOf(all('logind'), 'KillUserProcesses'),
    lingers: answerOf(all('logind'), 'Linger'),
    canHold: all('held').length > 0,
    setup: setUpOf(one('setup'), all('unset')),
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

const FOLDERS = ['ready', 'absent', 'no-folder', 'closed', 'read-only'] as const;

/** `LIMIT PATH` of the control groups around the login; `max` is no limit. */
function tightestOf(values: readonly string[]): { limit: number; path: string | null } | undefined {
  const groups = values.flatMap((value) => {
    const [text = '', path = null] = partsOf(value, 2);
    const limit = wholeOf(text);
    return limit === null ? [] : [{ limit, path }];
  });
  return groups.reduce<(typeof groups)[number] | undefined>(
    (least, each) => (least === undefined || each.limit < least.limit ? each : least),
    undefined,
  );
}

/** `OWNER MODE PATH`. */
function homeOf(text: string): Survey['home'] {
  const [owner, mode, path] = partsOf(text, 3);
  return owner === undefined || mode === undefined || path === undefined ? null : { path, owner, mode };
}

function setUpOf(text: string, failed: readonly string[]): SetUp | null {
  const [at, program, ready] = partsOf(text, 3);
  return at === undefined || program === undefined ? null : { at, program, isReady: ready === 'true', failed };
}

/** Lines `INDEX WHAT VALUE` of one tool. */
function toolOf(program: string, index: string, values: readonly string[]): ToolSight {
  const said = values.map((value) => partsOf(value, 3)).filter(([at]) => at === index);
  const of = (what: string) => said.find(([, each]) => each === what)?.[2] ?? null;
  const [exit = '', line = ''] = partsOf(of('exit') ?? '', 2);
  return { program, path: of('path'), inert: of('inert'), shellPath: of('shell'), exit: wholeOf(exit), said: line };
}

/** Words parted by one space; the last of them has the rest of the line. */
function partsOf(text: string, count: number): string[] {
  const parts = text === '' ? [] : text.split(' ');
  return parts.length <= count ? parts : [...parts.slice(0, count - 1), parts.slice(count - 1).join(' ')];
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
