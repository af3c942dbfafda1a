import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, glob, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { FleetError } from '../errors.ts';
import { shellLine } from '../transport/command.ts';

/** The CLIs a rehearsal runs, pinned: the package, its version, and where in it the native program may lie. */
export const PINNED_TOOLS = {
  codex: { package: '@openai/codex', version: '0.169.0', program: '@openai/codex-*/vendor/*/bin/codex' },
  claude: {
    package: '@anthropic-ai/claude-code',
    version: '2.1.329',
    program: '@anthropic-ai/claude-code-*/claude',
  },
} as const;

export type PinnedTool = keyof typeof PINNED_TOOLS;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface MachineOptions {
  env: Environment;
  /** Told in words what takes long. */
  progress?: (text: string) => void;
}

export interface FetchedTool {
  /** Absolute path of the native program; it needs no Node around it. */
  program: string;
  version: string;
  /** Whether it had to be fetched now. */
  fetched: boolean;
}

const INSTALL_MS_MAX = 10 * 60_000;
const ASK_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

/** Where fetched tools are kept between runs: `$XDG_CACHE_HOME` or `~/.cache`, then `miyabi-fleet`. */
export function defaultCacheFolder(env: Environment, homeFolder: string): string {
  return join(env.XDG_CACHE_HOME || join(homeFolder, '.cache'), 'miyabi-fleet');
}

/**
 * The pinned CLI's native program, fetched into the cache folder when it is not there. Safe to call from several
 * processes at once and after a kill. Fails with `prerequisite-missing` when npm is missing or cannot fetch it.
 */
export async function ensureTool(
  tool: PinnedTool,
  options: MachineOptions & { cacheFolder: string },
): Promise<FetchedTool> {
  const { version } = PINNED_TOOLS[tool];
  const tools = join(options.cacheFolder, 'tools');
  const folder = join(tools, `${tool}-${version}`);
  await mkdir(tools, { recursive: true });
  await removeLeftovers(tools);
  const [present] = await findNatives(tool, folder);
  if (present !== undefined) return { program: present, version, fetched: false };
  options.progress?.(`Fetching ${tool} ${version} (about 350 MB on disk, once)`);
  const draft = await mkdtemp(`${folder}.tmp-${process.pid}@${hostname()}-`);
  try {
    await fetchTool(tool, draft, options);
    await settle(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  const [program] = await findNatives(tool, folder);
  if (program === undefined) throw cannotFetch(tool, 'it has no program for this machine');
  return { program, version, fetched: true };
}

/** Puts the finished folder in its place. When another process was quicker, its folder is as good as ours. */
async function settle(draft: string, folder: string): Promise<void> {
  try {
    await rename(draft, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

async function fetchTool(tool: PinnedTool, folder: string, { env }: MachineOptions): Promise<void> {
  const npm = await findProgram('npm', env);
  if (npm === undefined) throw cannotFetch(tool, 'npm was not found in PATH');
  const ended = await run([npm, ...installWords(tool, folder)], env, INSTALL_MS_MAX);
  if (ended.code !== 0) throw cannotFetch(tool, lastLine(ended.output));
  // An npm that does not know C libraries brings the programs for all of them; only what runs here is kept.
  let why = 'it has no program for this machine';
  for (const program of await findNatives(tool, folder)) {
    // Asked only for its version, a CLI makes its home all the same: there, not in the user's own.
    const homes = { CODEX_HOME: join(folder, 'home'), CLAUDE_CONFIG_DIR: join(folder, 'home') };
    await mkdir(homes.CODEX_HOME, { recursive: true });
    const said = await run([program, '--version'], { ...env, ...homes }, ASK_MS_MAX);
    await rm(homes.CODEX_HOME, { recursive: true, force: true });
    if (said.code === 0 && said.output.includes(PINNED_TOOLS[tool].version)) return;
    why = `its program does not run here: ${lastLine(said.output)}`;
    await rm(program);
  }
  throw cannotFetch(tool, why);
}

/** Scripts stay off: the platform's package holds the program itself. The rest undoes what a user's npm may prefer. */
function installWords(tool: PinnedTool, folder: string): string[] {
  const { package: name, version } = PINNED_TOOLS[tool];
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock', '--loglevel=error'];
  const whole = ['--include=optional', '--global=false', '--dry-run=false'];
  return ['install', '--prefix', folder, ...quiet, ...whole, `${name}@${version}`];
}

function cannotFetch(tool: PinnedTool, why: string): FleetError {
  const { package: name, version } = PINNED_TOOLS[tool];
  return new FleetError('prerequisite-missing', `${tool} ${version} could not be fetched: ${why}.`, {
    target: tool,
    hint: `Check that this works: npm install --prefix /var/tmp/${tool} ${name}@${version}`,
  });
}

async function findNatives(tool: PinnedTool, folder: string): Promise<string[]> {
  const modules = join(folder, 'node_modules');
  const programs: string[] = [];
  for await (const path of glob(PINNED_TOOLS[tool].program, { cwd: modules })) {
    if (await isExecutable(join(modules, path))) programs.push(join(modules, path));
  }
  return programs.sort();
}

/** Drafts of processes of this machine that died. A cache may be shared: other machines see to their own. */
async function removeLeftovers(tools: string): Promise<void> {
  for (const name of await readdir(tools)) {
    const [, pid, host] = /\.tmp-(\d+)@(.+)-[^-]+$/.exec(name) ?? [];
    if (host === hostname() && !isAlive(Number(pid))) await removeLeftover(join(tools, name));
  }
}

async function removeLeftover(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    // The dead process's npm may live on and still write there; the next call removes the rest.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** How each system installs packages; the first one found is used. */
const INSTALLERS = [
  { program: 'apt-get', words: ['install', '-y', '--no-install-recommends'], refresh: ['update'], root: true },
  { program: 'dnf', words: ['install', '-y'], refresh: null, root: true },
  { program: 'yum', words: ['install', '-y'], refresh: null, root: true },
  { program: 'apk', words: ['add', '--no-cache'], refresh: null, root: true },
  { program: 'pacman', words: ['-S', '--noconfirm'], refresh: ['-Sy'], root: true },
  { program: 'zypper', words: ['--non-interactive', 'install'], refresh: null, root: true },
  { program: 'brew', words: ['install'], refresh: null, root: false },
] as const;
type Installer = (typeof INSTALLERS)[number];

/**
 * Makes sure these programs are on the machine; gives the names of those it installed. `wished` ones are tried and
 * never fail. Without the right to install it fails with `prerequisite-missing` and the exact command.
 */
export async function ensureSystemPrograms(
  needed: readonly string[],
  options: MachineOptions & { wished?: readonly string[]; root?: boolean },
): Promise<string[]> {
  const { env } = options;
  const lacking = await missing(needed, env);
  const wished = await missing(options.wished ?? [], env);
  if (lacking.length + wished.length === 0) return [];
  const installer = await findInstaller(env);
  const elevate = installer === undefined ? undefined : await elevation(installer, options);
  if (installer === undefined || elevate === undefined) {
    if (lacking.length > 0) throw notInstalled(lacking, installer);
    return [];
  }
  options.progress?.(`Installing ${[...lacking, ...wished].join(', ')} with ${installer.program}`);
  await install(installer, elevate, lacking, env);
  for (const program of wished) await install(installer, elevate, [program], env);
  const still = await missing(needed, env);
  if (still.length > 0) throw notInstalled(still, installer);
  const absent = await missing([...lacking, ...wished], env);
  return [...lacking, ...wished].filter((program) => !absent.includes(program));
}

async function missing(programs: readonly string[], env: Environment): Promise<string[]> {
  const found = await Promise.all(programs.map((program) => findProgram(program, env)));
  return programs.filter((_, at) => found[at] === undefined);
}

async function findInstaller(env: Environment): Promise<Installer | undefined> {
  for (const one of INSTALLERS) if ((await findProgram(one.program, env)) !== undefined) return one;
  return undefined;
}

/** The words before the installer's own; undefined when we have no right to install. */
async function elevation(
  installer: Installer,
  { env, root = process.getuid?.() === 0 }: MachineOptions & { root?: boolean },
): Promise<string[] | undefined> {
  if (root || !installer.root) return [];
  if ((await findProgram('sudo', env)) === undefined) return undefined;
  const asked = await run(['sudo', '-n', 'true'], env, ASK_MS_MAX);
  return asked.code === 0 ? ['sudo', '-n'] : undefined;
}

/** Package lists may be old or empty on a fresh machine, so a failure is tried once more after a refresh. */
async function install(
  installer: Installer,
  elevate: readonly string[],
  programs: readonly string[],
  env: Environment,
) {
  if (programs.length === 0) return;
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  const words = [...elevate, installer.program, ...installer.words, ...programs];
  const first = await run(words, quiet, INSTALL_MS_MAX);
  if (first.code === 0 || installer.refresh === null) return;
  await run([...elevate, installer.program, ...installer.refresh], quiet, INSTALL_MS_MAX);
  await run(words, quiet, INSTALL_MS_MAX);
}

function notInstalled(programs: readonly string[], installer: Installer | undefined): FleetError {
  const names = programs.join(', ');
  const command =
    installer && shellLine([...(installer.root ? ['sudo'] : []), installer.program, ...installer.words, ...programs]);
  return new FleetError('prerequisite-missing', `Not on this machine: ${names}.`, {
    target: names,
    hint: command === undefined ? `Install ${names} and run again.` : `Run: ${command}`,
  });
}

/** Absolute path of a program in PATH. */
async function findProgram(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder.startsWith('/') && (await isExecutable(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function run(words: readonly string[], env: Environment, msMax: number): Promise<{ code: number; output: string }> {
  const [program = '', ...rest] = words;
  const limits = { timeout: msMax, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES_MAX } as const;
  return new Promise((resolve) => {
    const child = execFile(program, rest, { env: { ...env }, ...limits }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
      resolve({ code, output: `${stdout}\n${stderr}${error && code === 127 ? `\n${error.message}` : ''}` });
    });
    child.stdin?.end(); // whoever asks a question gets no answer, instead of waiting for one
  });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
}
