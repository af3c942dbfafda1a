import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Kind, SecretSource } from '../agent/agent.ts';
import { FleetError } from '../errors.ts';
import { Secret } from '../secret.ts';
import { check, type Finding, type Problem, pathText, placeFinding, placeFlaw, printProblems } from './check.ts';
import { readBounded } from './file.ts';
import type { Fleet, Origin } from './fleet.ts';
import { withStacks } from './inventory.ts';
import { LATER_FLEET_FIELDS } from './later.ts';
import { FLEET_BYTES_MAX, SECRET_BYTES_MAX } from './limit.ts';
import { type Environment, type Flags, type Given, givenOverrides, withOverrides } from './override.ts';
import { stateFolderOf } from './places.ts';
import { decode, readYaml, type Source } from './position.ts';
import { originsOf, resolveFleet } from './resolve.ts';
import { fleetRules } from './rule.ts';
import { FleetFile } from './schema.ts';
import { childOf, itemsOf } from './value.ts';

export type { Environment, Flags } from './override.ts';

export const FILE_NAME = 'fleet.yaml';

export interface FleetRequest {
  /** `--file`. */
  file?: string | undefined;
  env: Environment;
  /** Relative paths on the command line and in the environment begin here. Absolute. */
  cwd: string;
  flags?: Flags;
  /** The outputs of its stacks are not read: whoever is about to fetch them asks so. */
  isWithoutStacks?: boolean;
}

/** The one place that reads the environment of the process. */
export function readEnvironment(source: NodeJS.ProcessEnv = process.env): Environment {
  const set = Object.entries(source).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return Object.fromEntries(set);
}

/** Flags over environment over fleet file over defaults. Throws FleetError `config-invalid` listing every problem. */
export async function loadFleet({ file, env, cwd, flags = {}, isWithoutStacks = false }: FleetRequest): Promise<Fleet> {
  const { path, source } = await findSource(file ?? said(env.FLEET_FILE), cwd);
  const isElsewhere = (node: unknown) => childOf(node, 'ssh') !== undefined;
  const isOverSsh =
    itemsOf(childOf(source.value, 'nodes')).some(isElsewhere) || itemsOf(childOf(source.value, 'stacks')).length > 0;
  // A folder on another machine is not made from one of this machine; what is relative then is refused.
  const given = givenOverrides(flags, env).map((one) => (isOverSsh ? one : placedInside(one, cwd)));
  const wanted = withOverrides(source.value, given);
  const checked = check(FleetFile, wanted, LATER_FLEET_FIELDS, fleetRules(wanted));
  if (checked.is === 'bad') throw invalid(checked.findings.map((finding) => placeByOrigin(finding, source, given)));
  const folder = path === null ? cwd : dirname(path);
  const { stateFolder, origin } = placeState(path, checked.value.name, { file, env, cwd, flags });
  const place = (written: string) => resolve(folder, written.replace(/^~(?=\/|$)/, homeOf(env)));
  const whole = isWithoutStacks ? checked : await withStacks(checked.value, wanted, { stateFolder, place });
  if (whole.is === 'bad') throw invalid(whole.problems);
  const variables = new Set(Object.keys(env).filter((name) => env[name] !== ''));
  return {
    ...resolveFleet(whole.value, { file: path, stateFolder, place, variables }),
    written: checked.value.nodes.length,
    origins: { ...originsOf(source.value, given), stateFolder: origin },
  };
}

/** An empty variable says nothing. */
function said(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function homeOf(env: Environment): string {
  return said(env.HOME) ?? homedir();
}

function invalid(problems: readonly Problem[]): FleetError {
  return new FleetError('config-invalid', printProblems(problems), {
    hint: 'Every field is described in docs/configuration.md.',
  });
}

/** Said instead of a fleet file: none, not even the usual one. */
export const NO_FLEET_FILE = '/dev/null';
const NO_FILE = { path: null, source: { file: '', value: {}, locate: () => ({ line: 1, column: 1 }) } };

/** The named fleet file, which must be there; else the usual one, if it is. */
async function findSource(named: string | undefined, cwd: string): Promise<{ path: string | null; source: Source }> {
  if (named === NO_FLEET_FILE) return NO_FILE;
  const shown = named ?? FILE_NAME;
  const path = resolve(cwd, shown);
  const reading = await readBounded(path, FLEET_BYTES_MAX);
  if (reading.is === 'absent' && named === undefined) return NO_FILE;
  if (reading.is !== 'read') {
    const reason = reading.is === 'absent' ? 'there is none' : reading.reason;
    throw invalid([{ where: shown, position: null, path: '', message: `expected a fleet file (${reason})` }]);
  }
  const flawed = (flaws: Parameters<typeof placeFlaw>[0][]) => invalid(flaws.map((flaw) => placeFlaw(flaw, shown)));
  const text = decode(reading.bytes, FLEET_BYTES_MAX);
  if (text.is === 'flawed') throw flawed([...text.flaws]);
  const yaml = readYaml(shown, text.value);
  if (yaml.is === 'flawed') throw flawed([...yaml.flaws]);
  if (yaml.value.value === null) {
    throw flawed([{ line: 1, column: 1, message: 'expected settings such as `name: miyabi` (the file is empty)' }]);
  }
  return { path, source: yaml.value };
}

/** A folder said on the command line begins at the current folder, not at the fleet file. */
function placedInside(override: Given, cwd: string): Given {
  if (override.path.join('.') !== 'tasks.cwd') return override;
  return { ...override, value: resolve(cwd, String(override.value)) };
}

function placeByOrigin(finding: Finding, source: Source, given: readonly Given[]): Problem {
  const override = given.find(({ path }) => path.join('.') === finding.path.join('.'));
  if (override === undefined) return placeFinding(finding, source);
  return { where: override.said, position: null, path: pathText(finding.path), message: finding.message };
}

function placeState(
  path: string | null,
  name: string,
  { env, cwd, flags }: FleetRequest,
): { stateFolder: string; origin: Origin } {
  const home = flags?.home;
  const stateFolder = stateFolderOf(path, name, { home, env, cwd, userHome: homeOf(env) });
  if (home !== undefined) return { stateFolder, origin: 'flag' };
  return { stateFolder, origin: said(env.FLEET_HOME) === undefined ? 'default' : 'environment' };
}

/**
 * The values of a kind's secrets, by variable. Throws FleetError `config-invalid` naming each one that is missing, or
 * whose file others may read.
 */
export async function resolveSecrets(kind: Kind, env: Environment): Promise<Record<string, Secret>> {
  const found = await Promise.all(
    Object.entries(kind.secrets).map(async ([variable, from]) => ({ variable, ...(await readSecret(from, env)) })),
  );
  const missing = found.flatMap(({ variable, problem }) =>
    problem === undefined
      ? []
      : [{ where: 'kinds', position: null, path: `${kind.name}.env.${variable}`, message: problem }],
  );
  if (missing.length > 0) throw invalid(missing);
  return Object.fromEntries(
    found.flatMap(({ variable, secret }) => (secret === undefined ? [] : [[variable, secret]])),
  );
}

async function readSecret(from: SecretSource, env: Environment): Promise<{ secret?: Secret; problem?: string }> {
  if (from.from === 'env') {
    const value = said(env[from.name]);
    if (value === undefined) return { problem: `expected ${from.name} in the environment (it is not set)` };
    return { secret: new Secret(value) };
  }
  const reading = await readBounded(from.path, SECRET_BYTES_MAX);
  if (reading.is === 'absent') return { problem: `expected the file ${from.path} (there is none)` };
  if (reading.is === 'unreadable') return { problem: `expected to read ${from.path} (${reading.reason})` };
  if (reading.isPlain && (reading.mode & 0o077) !== 0) {
    const mode = reading.mode.toString(8).padStart(4, '0');
    return { problem: `expected ${from.path} to be its owner’s alone: chmod 600 (it is ${mode})` };
  }
  const text = decode(reading.bytes, SECRET_BYTES_MAX);
  if (text.is === 'flawed') return { problem: `${from.path}: ${text.flaws.map(({ message }) => message).join('; ')}` };
  const value = text.value.replace(/(\r?\n)+$/, '');
  if (value === '') return { problem: `expected a secret in ${from.path} (it is empty)` };
  return { secret: new Secret(value) };
}
