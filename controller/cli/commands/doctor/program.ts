import { type Survey, TIMED_OUT, type ToolSight } from '../../../node/survey.ts';
import { bad, type Entry, edited, type Finding, good, type Spot, sentence, typed, wish } from './finding.ts';

/** What the node program needs, and the Debian package of each. */
export const NODE_PROGRAMS: Readonly<Record<string, string>> = {
  bash: 'bash',
  tmux: 'tmux',
  awk: 'mawk',
  find: 'findutils',
  grep: 'grep',
  sed: 'sed',
  ...packaged('util-linux', ['flock', 'setsid']),
  ...packaged('coreutils', [
    'base64',
    'cat',
    'cp',
    'cut',
    'head',
    'id',
    'ln',
    'mkdir',
    'mkfifo',
    'mv',
    'nproc',
    'readlink',
    'rm',
  ]),
  ...packaged('coreutils', ['rmdir', 'sha256sum', 'sleep', 'stat', 'tail', 'timeout', 'tr']),
};
/** Good to have, and what is lost without it. */
export const WISHED_PROGRAMS: Readonly<Record<string, string>> = { jq: 'windows show event lines as they are' };

function packaged(name: string, programs: readonly string[]): Record<string, string> {
  return Object.fromEntries(programs.map((program) => [program, name]));
}

type Version = readonly [major: number, minor: number];

const BASH_MIN: Version = [4, 0];
const TMUX_MIN: Version = [3, 0];
/** The npm package of each tool, and the oldest version whose events we read; null: none is known to be too old. */
const TOOLS: Readonly<Record<'codex' | 'claude', { package: string; min: Version | null }>> = {
  codex: { package: '@openai/codex', min: [0, 44] }, // older ones print events of another form
  claude: { package: '@anthropic-ai/claude-code', min: null },
};
const INSTALLS: Readonly<Record<string, string>> = {
  'apt-get': 'apt-get install -y',
  dnf: 'dnf install -y',
  yum: 'yum install -y',
  zypper: 'zypper --non-interactive install',
  pacman: 'pacman -S --noconfirm',
  apk: 'apk add',
};

type Of = (what: string) => string;

/** Pure: what the node program needs. Those that are there are counted. */
export function judgePrograms(of: Of, survey: Survey, spot: Spot): Finding[] {
  const { missing, bash, tmux } = survey;
  const wanted = Object.keys(NODE_PROGRAMS);
  const there = wanted.filter((program) => !missing.includes(program));
  const install = (program: string) => installing(survey, spot, NODE_PROGRAMS[program] ?? program);
  return [
    ...(there.length > 0 ? [good(of('programs'), `${there.length} of ${wanted.length} are there`)] : []),
    ...wanted.flatMap((program) => (missing.includes(program) ? [bad(of(program), 'missing', install(program))] : [])),
    ...Object.entries(WISHED_PROGRAMS).flatMap(([program, loss]) =>
      missing.includes(program) ? [wish(of(program), `missing: with it, ${loss}`, install(program))] : [],
    ),
    ...(missing.includes('bash') ? [] : judgeVersion(of('bash'), bash, BASH_MIN, install('bash'))),
    ...(missing.includes('tmux') ? [] : judgeVersion(of('tmux'), tmux, TMUX_MIN, install('tmux'))),
  ];
}

function installing(survey: Survey, spot: Spot, name: string): string {
  const install = packageLine(survey, spot, name);
  return sentence(install === null ? `${spot.where}: install the package ${name}` : typed(spot, install));
}

/** The lists of packages of a fresh machine are empty, so apt is told to fetch them first. */
function packageLine({ installer }: Survey, { sudo }: Spot, name: string): string | null {
  if (installer === null) return null;
  const install = `${sudo}${INSTALLS[installer] ?? `${installer} install`} ${name}`;
  return installer === 'apt-get' ? `${sudo}apt-get update && ${install}` : install;
}

/** An odd version (`tmux next-3.5`, one without numbers) is not held against it. */
function judgeVersion(check: string, text: string, min: Version, fix: string): Finding[] {
  return isBelow(text, min) ? [bad(check, `is ${text}, ${min.join('.')} or newer is needed`, fix)] : [];
}

function isBelow(text: string, [major, minor]: Version): boolean {
  const match = /(\d+)\.(\d+)/.exec(text);
  if (!match) return false;
  const [given, below] = [Number(match[1]), Number(match[2])];
  return given < major || (given === major && below < minor);
}

/** Pure: one coding tool, as agents there would find it. */
export function judgeTool(of: Of, survey: Survey, program: string, spot: Spot, { kinds, file }: Entry): Finding {
  const check = of(program);
  const users = kinds.filter((kind) => (kind.program ?? kind.tool) === program);
  const tool = (users[0]?.tool ?? program.split('/').at(-1)) === 'claude' ? 'claude' : 'codex';
  const names = users.length > 0 ? users.map(({ name }) => name) : [tool];
  const named = (path: string) => names.map((kind) => edited(file, `kinds.${kind}.program: ${path}`));
  const install = typed(spot, npmLine(survey, spot, tool));
  const sight = survey.tools.find((each) => each.program === program);
  const { path, inert, shellPath, exit, said } = sight ?? NO_SIGHT;
  if (path === null && shellPath !== null && exit === 0) {
    const detail = `is at ${shellPath}, in the PATH of people who log in but not in that of programs`;
    return bad(check, detail, sentence(named(shellPath).join('; ')));
  }
  if (path === null && inert !== null)
    return bad(check, `${inert} may not be run`, sentence(typed(spot, `${spot.sudo}chmod a+rx ${inert}`)));
  if (path === null) {
    const elsewhere = ['if it is elsewhere', ...named('PATH')].join(', ');
    return bad(check, 'missing: not in the PATH of a login', `${sentence(install)} ${sentence(elsewhere)}`);
  }
  if (exit === TIMED_OUT) return good(check, `${path} is there; it did not tell its version in time`);
  const replace = sentence([install, ...(program.includes('/') ? named(tool) : [])].join('; '));
  if (exit !== null && exit !== 0) return bad(check, `${path} does not run: ${said} (exit ${exit})`, replace);
  const { min } = TOOLS[tool];
  if (min !== null && isBelow(said, min))
    return bad(check, `${path} is ${said}, ${min.join('.')} or newer is needed`, replace);
  return good(check, exit === null ? path : `${said} at ${path}`);
}

const NO_SIGHT: Omit<ToolSight, 'program'> = { path: null, inert: null, shellPath: null, exit: null, said: '' };

function npmLine(survey: Survey, spot: Spot, tool: 'codex' | 'claude'): string {
  const install = `${spot.sudo}npm install -g ${TOOLS[tool].package}@latest`;
  const npm = survey.missing.includes('npm') ? packageLine(survey, spot, 'npm') : null;
  return npm === null ? install : `${npm} && ${install}`;
}
