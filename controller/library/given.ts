import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { check, type Problem, pathText, printProblems } from '../config/check.ts';
import type { Fleet } from '../config/fleet.ts';
import { withStacks } from '../config/inventory.ts';
import { LATER_FLEET_FIELDS } from '../config/later.ts';
import { loadFleet, NO_FLEET_FILE } from '../config/load.ts';
import { type Environment, givenOverrides, withOverrides } from '../config/override.ts';
import { loadTasks } from '../config/plan.ts';
import { originsOf, resolveFleet } from '../config/resolve.ts';
import { fleetRules } from '../config/rule.ts';
import { FleetFile } from '../config/schema.ts';
import { childOf, isMap } from '../config/value.ts';
import { FleetError } from '../errors.ts';
import { nameApart, type PlannedTask, readPlan } from '../task/plan-file.ts';
import type { FleetInput, Tasks } from './fleet.ts';

/** Fleets and tasks as a program gives them: values are checked as files are, by the same schemas. */

const FIELDS_HINT = 'Every field is described in docs/configuration.md.';
const TASK_HINT = `Nothing was accepted. ${FIELDS_HINT}`;

export interface Surroundings {
  env: Environment;
  /** Absolute. */
  cwd: string;
  home: string | undefined;
}

/** Throws `config-invalid`, listing every problem. */
export async function readFleet(
  from: FleetInput | { file: string } | undefined,
  { env, cwd, home }: Surroundings,
): Promise<Fleet> {
  if (from === undefined) return loadFleet({ env, cwd, flags: { home } });
  const value = plainOf(from, 'config-invalid', 'fleet');
  if (isMap(value) && value.file !== undefined) return loadFleet({ file: fileIn(value), env, cwd, flags: { home } });
  return fleetOf(value, { env, cwd, home });
}

function fileIn({ file, ...others }: Record<string, unknown>): string {
  const strangers = Object.keys(others);
  if (typeof file === 'string' && strangers.length === 0) return file;
  const wrong = typeof file === 'string' ? `beside file: ${strangers.join(', ')}` : 'file is no text';
  throw new FleetError(
    'config-invalid',
    `a fleet: expected either { file: PATH } or the settings themselves (${wrong})`,
  );
}

/** The value as it would come from a file; the environment fills in what it does not say. */
async function fleetOf(value: unknown, { env, cwd, home }: Surroundings): Promise<Fleet> {
  const isSaid = (path: readonly PropertyKey[]) => path.reduce<unknown>(childOf, value) !== undefined;
  const given = givenOverrides({}, env).filter(({ path }) => !isSaid(path));
  const wanted = withOverrides(value, given);
  const checked = check(FleetFile, wanted, LATER_FLEET_FIELDS, fleetRules(wanted));
  if (checked.is === 'bad') {
    const problems = checked.findings.map(({ path, message }): Problem => {
      const variable = given.find((one) => one.path.join('.') === path.join('.'))?.said;
      return { where: variable ?? 'fleet', position: null, path: pathText(path), message };
    });
    throw new FleetError('config-invalid', printProblems(problems), { hint: FIELDS_HINT });
  }
  const { name } = checked.value;
  const { HOME = homedir(), XDG_STATE_HOME = '', FLEET_HOME = '' } = env;
  // Where a fleet without a file has its state is known by the reader of fleet files alone.
  const places = { env: { HOME, XDG_STATE_HOME, FLEET_HOME }, cwd, flags: { name, home } };
  const { stateFolder, origins } = await loadFleet({ file: NO_FLEET_FILE, ...places });
  const place = (written: string) => resolve(cwd, written.replace(/^~(?=\/|$)/, HOME));
  const whole = await withStacks(checked.value, wanted, { stateFolder, place });
  if (whole.is === 'bad') throw new FleetError('config-invalid', printProblems(whole.problems), { hint: FIELDS_HINT });
  const variables = new Set(Object.keys(env).filter((variable) => env[variable] !== ''));
  return {
    ...resolveFleet(whole.value, { file: null, stateFolder, place, variables }),
    written: checked.value.nodes.length,
    origins: { ...originsOf(value, given), stateFolder: origins.stateFolder ?? 'default' },
  };
}

/** Throws `plan-invalid` or `cycle`, listing every problem. */
export async function readTasks(tasks: Tasks, cwd: string): Promise<readonly PlannedTask[]> {
  const given = plainOf(tasks, 'plan-invalid', 'tasks');
  if (!Array.isArray(given) && !isFiles(given))
    throw new FleetError('plan-invalid', 'tasks: expected a list of tasks, or { files: [PATH, …] }', {
      hint: TASK_HINT,
    });
  const plan = isFiles(given)
    ? await loadTasks({ paths: given.files, cwd, stdin: noInput() })
    : planOf(given as readonly unknown[]);
  return nameApart(plan, (text) => createHash('sha256').update(text).digest('hex').slice(0, 6)).tasks;
}

function isFiles(given: unknown): given is { files: readonly string[] } {
  const files = childOf(given, 'files');
  return Array.isArray(files) && files.every((file) => typeof file === 'string');
}

async function* noInput(): AsyncGenerator<Uint8Array> {}

const EACH_A_LINE = /\btasks:(\d+):\d+/g;

/** Read as the task file that would hold them, a line each, so that one set of rules judges both. */
function planOf(tasks: readonly unknown[]) {
  const text = `[${tasks.map((task) => JSON.stringify(task)).join(',\n')}]`;
  const reading = readPlan([{ file: 'tasks', text, format: 'yaml' }]);
  if (reading.is === 'plan') return reading.plan;
  const problems = reading.problems.map(({ path, message }) => ({
    where: `tasks${path}`,
    position: null,
    path: '',
    message: message.replace(EACH_A_LINE, (_, line: string) => `tasks[${Number(line) - 1}]`),
  }));
  throw new FleetError(reading.cyclic ? 'cycle' : 'plan-invalid', printProblems(problems), {
    hint: reading.cyclic ? 'Take one need out of each circle.' : TASK_HINT,
  });
}

/** A copy that is data and nothing else, as it would come from a file; what the caller does to his own later is his. */
function plainOf(value: unknown, code: 'config-invalid' | 'plan-invalid', what: string): unknown {
  try {
    return JSON.parse(JSON.stringify(value)) as unknown;
  } catch (error) {
    throw new FleetError(code, `${what}: expected plain values (${(error as Error).message.split('\n')[0]})`, {
      hint: code === 'config-invalid' ? FIELDS_HINT : TASK_HINT,
      cause: error,
    });
  }
}
