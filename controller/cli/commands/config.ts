import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { annotatedExample } from '../../config/example.ts';
import { FleetError } from '../../errors.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { readFleet } from '../session.ts';

export interface ConfigOptions extends GlobalOptions {
  json?: boolean;
  origin?: boolean;
}

/** `fleet config show`: the fleet as it is understood; values of secrets are never in it. */
export async function showConfig(door: Door, options: ConfigOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  const { origins, ...rest } = fleet;
  if (options.json) {
    door.out(`${JSON.stringify({ version: 1, ...rest, ...(options.origin ? { origins } : {}) })}\n`);
    return 0;
  }
  for (const [path, value] of flatten(rest, '')) {
    const origin = options.origin ? `  # ${origins[path] ?? nearestOrigin(origins, path)}` : '';
    door.out(`${path}: ${value}${origin}\n`);
  }
  return 0;
}

function nearestOrigin(origins: Readonly<Record<string, string>>, path: string): string {
  const parent = path.replace(/[.[][^.[]*$/, '');
  if (parent === path) return 'default';
  return origins[parent] ?? nearestOrigin(origins, parent);
}

function flatten(value: unknown, path: string): [string, string][] {
  if (value === null || typeof value !== 'object') return [[path, JSON.stringify(value)]];
  const entries = Array.isArray(value)
    ? value.map((item, index) => [`${path}[${index}]`, item] as const)
    : Object.entries(value).map(([key, item]) => [path ? `${path}.${key}` : key, item] as const);
  return entries.length === 0
    ? [[path, Array.isArray(value) ? '[]' : '{}']]
    : entries.flatMap(([key, item]) => flatten(item, key));
}

/** `fleet config check`: 0 when all is well; else every problem, exit 2. */
export async function checkConfig(door: Door, options: ConfigOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  door.say(fleet.file === null ? 'No fleet file: this machine is the fleet.' : `${fleet.file} is right.`);
  return 0;
}

/** `fleet init`: an annotated fleet.yaml to begin with; never over an existing one. */
export async function init(door: Door, options: GlobalOptions): Promise<number> {
  const file = join(door.cwd, options.file ?? 'fleet.yaml');
  if (existsSync(file))
    throw new FleetError('unlawful', `${file} is there already`, { hint: 'fleet config check reads it.' });
  await writeFile(file, annotatedExample(), { mode: 0o644, flag: 'wx' });
  door.say(`Wrote ${file}. Next: edit it, fleet config check, fleet start.`);
  return 0;
}
