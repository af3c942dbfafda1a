import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Programs outside the repository that some tests need. */
export const CAPABILITIES = ['tmux', 'jq', 'shellcheck', 'codex', 'claude'] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** A program that answered, or the reason why there is none. */
export type Finding =
  | { name: Capability; is: 'present'; program: string; version: string }
  | { name: Capability; is: 'absent'; why: string };

const ASK_VERSION: Readonly<Record<Capability, string>> = {
  tmux: '-V',
  jq: '--version',
  shellcheck: '--version',
  codex: '--version',
  claude: '--version',
};
type Tool = 'codex' | 'claude';
const VERSION_MS_MAX = 20_000;

export function isCapability(name: string): name is Capability {
  return CAPABILITIES.some((known) => known === name);
}

function isTool(name: Capability): name is Tool {
  return name === 'codex' || name === 'claude';
}

/** Absolute path of a program in PATH; undefined when it is in none of its folders. */
export function findProgram(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isProgram);
}

/** Finds each program, installing what may be installed on this machine. Never throws: absence is a finding. */
export async function prepare(names: readonly Capability[]): Promise<readonly Finding[]> {
  const missing = names.filter((name) => !isTool(name) && findProgram(name) === undefined);
  const trouble = missing.length > 0 ? await installPackages(missing) : undefined;
  const findings: Finding[] = [];
  for (const name of names) findings.push(isTool(name) ? await findTool(name) : findInPath(name, trouble));
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
async function installPackages(names: readonly string[]): Promise<string | undefined> {
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
  try {
    const answer = execFileSync(program, [ASK_VERSION[name]], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: VERSION_MS_MAX,
    });
    const line = answer.split('\n').find((text) => /\d+\.\d+/.test(text));
    return { name, is: 'present', program, version: line?.match(/\d+\.[\w.]+/)?.[0] ?? 'of unknown version' };
  } catch (error) {
    return { name, is: 'absent', why: `${program} does not run: ${firstLine(error)}` };
  }
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0] ?? 'no reason given';
}
