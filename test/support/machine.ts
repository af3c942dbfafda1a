import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What some tests need from outside the repository: programs, and `rig`: machines that boot (test/rig). */
export const CAPABILITIES = [
  'tmux',
  'jq',
  'shellcheck',
  'sshd',
  'fish',
  'codex',
  'claude',
  'chromium',
  'rig',
  'pulumi',
  'moto',
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** A program that answered, or the reason why there is none. */
export type Finding =
  | { name: Capability; is: 'present'; program: string; version: string }
  | { name: Capability; is: 'absent'; why: string };

const ASK_VERSION: Partial<Readonly<Record<Capability, string>>> = {
  tmux: '-V',
  jq: '--version',
  shellcheck: '--version',
  sshd: '-V',
  fish: '--version',
  codex: '--version',
  claude: '--version',
  chromium: '--version',
};
type Tool = 'codex' | 'claude';
/** Package of a program where it has another name. */
const PACKAGES: Partial<Readonly<Record<Capability, string>>> = { sshd: 'openssh-server' };
/** Where programs for the system stand, in the PATH of few users. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin'];
const VERSION_MS_MAX = 20_000;

export function isCapability(name: string): name is Capability {
  return CAPABILITIES.some((known) => known === name);
}

function isTool(name: Capability): name is Tool {
  return name === 'codex' || name === 'claude';
}

type OwnFinding = { is: 'present'; program: string; version: string } | { is: 'absent'; why: string };

/** Those that are more than a program in PATH, or a package of the system. */
const FINDERS: Partial<Readonly<Record<Capability, () => Promise<OwnFinding>>>> = {
  rig: async () => (await import('../rig/lack.ts')).findRig(tell),
  pulumi: async () => (await import('../engine/install.ts')).findPulumi(findProgram('pulumi'), tell),
  moto: async () => (await import('../engine/install.ts')).findMoto(findProgram('moto'), tell),
};

/** The program by which a capability is known, where it is not called like it. */
const PROGRAMS: Partial<Readonly<Record<string, string>>> = { rig: 'systemd-nspawn', moto: 'moto_server' };

/** Absolute path of a program in PATH or a folder of the system; undefined when it is in none of them. */
export function findProgram(name: string): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, PROGRAMS[name] ?? name))
    .find(isProgram);
}

/** Finds each program, installing what may be installed on this machine. Never throws: absence is a finding. */
export async function prepare(names: readonly Capability[]): Promise<readonly Finding[]> {
  const missing = names.filter(
    (name) => !isTool(name) && FINDERS[name] === undefined && findProgram(name) === undefined,
  );
  const trouble = missing.length > 0 ? await installPackages(missing) : undefined;
  const findings: Finding[] = [];
  for (const name of names) {
    const find = FINDERS[name];
    if (find !== undefined) findings.push({ name, ...(await find()) });
    else findings.push(isTool(name) ? await findTool(name) : findInPath(name, trouble));
  }
  return findings;
}

/** One line for people. */
export function describeFinding(finding: Finding): string {
  const rest = finding.is === 'present' ? `${finding.version} (${finding.program})` : `absent: ${finding.why}`;
  return `${finding.name.padEnd(12)}${rest}`;
}

function isProgram(path: string): boolean {
  if (!existsSync(path) || !statSync(path).isFile()) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // there, but not ours to run
  }
}

function findInPath(name: Capability, trouble: string | undefined): Finding {
  const program = findProgram(name);
  if (program === undefined) return { name, is: 'absent', why: trouble ?? 'not in PATH' };
  return askVersion(name, program);
}

/** A coding tool: named by the environment, else brought into the cache that rehearsals use, too. */
async function findTool(name: Tool): Promise<Finding> {
  const given = process.env[`FLEET_TEST_${name.toUpperCase()}`];
  if (given !== undefined && given !== '') return askVersion(name, given);
  try {
    const { defaultCacheFolder, ensureTool } = await openRehearsal();
    const cacheFolder = defaultCacheFolder(process.env, homedir());
    const { program } = await ensureTool(name, { cacheFolder, env: process.env, progress: tell });
    return askVersion(name, program);
  } catch (error) {
    return { name, is: 'absent', why: firstLine(error) };
  }
}

/** Installs system packages where we are root; the reason why they may be missing still, if any. */
async function installPackages(programs: readonly Capability[]): Promise<string | undefined> {
  const names = programs.map((name) => PACKAGES[name] ?? name);
  const byHand = `not in PATH; on Debian or Ubuntu: sudo apt-get install -y ${names.join(' ')}`;
  if (process.getuid?.() !== 0) return byHand; // nobody expects a test run to ask for more rights
  try {
    const { ensureSystemPrograms } = await openRehearsal();
    await ensureSystemPrograms([], { env: process.env, progress: tell, wished: names });
    return byHand;
  } catch (error) {
    return firstLine(error);
  }
}

/** Read late: when the product itself cannot be read, that is a finding about a program, and the tests say the rest. */
function openRehearsal(): Promise<typeof import('../../controller/rehearsal/machine.ts')> {
  return import('../../controller/rehearsal/machine.ts');
}

function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}

function askVersion(name: Capability, program: string): Finding {
  // Old sshd has no such option: it says its version in the complaint.
  const { error, status, stdout, stderr } = spawnSync(program, [ASK_VERSION[name] ?? '--version'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: VERSION_MS_MAX,
  });
  const line = `${stdout}\n${stderr}`.split('\n').find((text) => /\d+\.\d+/.test(text));
  const version = line?.match(/\d+\.[\w.]+/)?.[0];
  if (error || (status !== 0 && (name !== 'sshd' || version === undefined))) {
    return { name, is: 'absent', why: `${program} does not run: ${firstLine(error ?? stderr)}` };
  }
  return { name, is: 'present', program, version: version ?? 'of unknown version' };
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0] ?? 'no reason given';
}
