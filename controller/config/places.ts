import { isAbsolute, join, resolve } from 'node:path';

/** Where a fleet's files are, told without reading any of them. */

/** What was said of it, on the command line and in the environment. */
export interface Saying {
  file?: string | undefined;
  home?: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  /** Relative paths begin here. Absolute. */
  cwd: string;
  /** Home folder of the user. */
  userHome: string;
}

/** The fleet file; null: none is to be read. It may not be there, which is wrong only where it `isNamed`. */
export function fleetFileOf({ file, env, cwd }: Saying): { path: string; isNamed: boolean } | null {
  const named = file ?? (env.FLEET_FILE || undefined);
  if (named === '/dev/null') return null;
  return { path: resolve(cwd, named ?? 'fleet.yaml'), isNamed: named !== undefined };
}

/** The folder of ledger, lock and logs; `path` is the fleet file that is read, null where there is none. */
export function stateFolderOf(path: string | null, name: string, { home, env, cwd, userHome }: Saying): string {
  const said = home ?? (env.FLEET_HOME || undefined);
  if (said !== undefined) return resolve(cwd, said);
  if (path !== null) return join(path, '../.fleet');
  // The XDG rules: a relative path is to be taken as if it were not set.
  const xdg = env.XDG_STATE_HOME ?? '';
  const base = isAbsolute(xdg) ? xdg : join(userHome, '.local/state');
  return join(base, 'miyabi-fleet', name);
}
