import type { Path } from './position.ts';

/** Environment variables that are set. */
export type Environment = Readonly<Record<string, string>>;

/** A setting that a flag or a variable can give. */
export interface Override {
  /** Where it stands in the fleet file. */
  path: Path;
  flag: string;
  variable: string;
  /** Whether a text of digits means a number. */
  numeric: boolean;
}

/** What was said on the command line; text means what it would mean in the environment. */
export interface Flags {
  name?: string | undefined;
  agents?: string | number | undefined;
  kind?: string | undefined;
  perVcpu?: string | number | undefined;
  memoryGiBEach?: string | number | undefined;
  timeout?: string | number | undefined;
  retries?: string | number | undefined;
  cwd?: string | undefined;
  restartsPerMinute?: string | number | undefined;
  /** State folder. */
  home?: string | undefined;
}

/** All settings that a flag or a variable can give, but for FLEET_FILE and FLEET_HOME, which no fleet file holds. */
export const OVERRIDES: Readonly<Record<Exclude<keyof Flags, 'home'>, Override>> = {
  name: { path: ['name'], flag: '--name', variable: 'FLEET_NAME', numeric: false },
  agents: { path: ['agents', 'count'], flag: '--agents', variable: 'FLEET_AGENTS', numeric: true },
  kind: { path: ['agents', 'kind'], flag: '--kind', variable: 'FLEET_KIND', numeric: false },
  perVcpu: { path: ['agents', 'perVcpu'], flag: '--per-vcpu', variable: 'FLEET_PER_VCPU', numeric: true },
  memoryGiBEach: {
    path: ['agents', 'memoryGiBEach'],
    flag: '--memory-gib-each',
    variable: 'FLEET_MEMORY_GIB_EACH',
    numeric: true,
  },
  timeout: { path: ['tasks', 'timeout'], flag: '--timeout', variable: 'FLEET_TIMEOUT', numeric: false },
  retries: { path: ['tasks', 'retries'], flag: '--retries', variable: 'FLEET_RETRIES', numeric: true },
  cwd: { path: ['tasks', 'cwd'], flag: '--cwd', variable: 'FLEET_CWD', numeric: false },
  restartsPerMinute: {
    path: ['restartsPerMinute'],
    flag: '--restarts-per-minute',
    variable: 'FLEET_RESTARTS_PER_MINUTE',
    numeric: true,
  },
};

/** An override that was given. */
export interface Given {
  path: Path;
  value: string | number;
  origin: 'flag' | 'environment';
  /** `--agents` or `FLEET_AGENTS`. */
  said: string;
}

/** What flags and environment say, flags first. An empty variable says nothing. */
export function givenOverrides(flags: Flags, env: Environment): Given[] {
  return Object.entries(OVERRIDES).flatMap(([key, { path, flag, variable, numeric }]): Given[] => {
    const fromFlag = flags[key as keyof typeof OVERRIDES];
    if (fromFlag !== undefined) return [{ path, value: parse(fromFlag, numeric), origin: 'flag', said: flag }];
    const fromEnv = env[variable];
    if (fromEnv === undefined || fromEnv === '') return [];
    return [{ path, value: parse(fromEnv, numeric), origin: 'environment', said: variable }];
  });
}

function parse(value: string | number, numeric: boolean): string | number {
  return numeric && typeof value === 'string' && /^-?\d{1,15}(\.\d{1,9})?$/.test(value) ? Number(value) : value;
}

/** The file's value with the overrides put in. Where the file has no map to put one in, the file's problem is left to be found. */
export function withOverrides(file: unknown, given: readonly Given[]): unknown {
  const merged: unknown = structuredClone(file);
  for (const { path, value } of given) put(merged, path, value);
  return merged;
}

function put(root: unknown, path: Path, value: unknown): void {
  let around = root;
  for (const [index, step] of path.entries()) {
    if (typeof around !== 'object' || around === null || Array.isArray(around)) return;
    if (index === path.length - 1) Reflect.set(around, step, value);
    else {
      if (!Object.hasOwn(around, step)) Reflect.set(around, step, {});
      around = Reflect.get(around, step);
    }
  }
}
