import { basename } from 'node:path';
import type { Fleet } from '../config/fleet.ts';
import { OVERRIDES } from '../config/override.ts';
import type { Path, Source } from '../config/position.ts';
import { childOf } from '../config/value.ts';

/** Where the values of a fleet come from, in words. */

/** Everything of a fleet, one value a line. Lists and maps without anything are values. */
export function flatten(value: unknown, path: Path = []): (readonly [Path, unknown])[] {
  if (value === null || typeof value !== 'object') return [[path, value]];
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item] as const) : Object.entries(value);
  return entries.length === 0 ? [[path, value]] : entries.flatMap(([key, item]) => flatten(item, [...path, key]));
}

/** `nodes[0].name` */
export function spellPath(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');
}

export interface OriginSetting {
  fleet: Fleet;
  /** The fleet file as it is written; null where there is none. */
  source: Source | null;
  /** How the fleet file was named, for people. */
  naming: string;
}

/** Pure: `fleet.yaml:7`, `FLEET_AGENTS`, `--name`, `default`. */
export function originText({ fleet, source, naming }: OriginSetting, path: Path, value: unknown): string {
  if (path[0] === 'file') return naming;
  const inFile = filePath(fleet, path, source?.value);
  const setting = inFile.slice(0, 2).join('.');
  const origin = fleet.origins[setting] ?? fleet.origins[String(inFile[0])];
  if (path[0] === 'stateFolder') return stateFolderText(origin, fleet.file);
  const override = Object.values(OVERRIDES).find((each) => each.path.join('.') === setting);
  if (override && origin === 'flag') return override.flag;
  if (override && origin === 'environment') return override.variable;
  const isDefault = value === null || source === null || !isThere(source.value, inFile);
  if (isDefault || fleet.file === null) return defaultText(path);
  return `${basename(fleet.file)}:${source.locate(inFile, 'key').line}`;
}

function stateFolderText(origin: string | undefined, file: string | null): string {
  if (origin === 'flag') return '--home';
  if (origin === 'environment') return 'FLEET_HOME';
  return file === null ? 'default' : 'default, beside the fleet file';
}

/** A key that no file names is taken where the environment has it. */
function defaultText(path: Path): string {
  return path[0] === 'kinds' && path[2] === 'secrets' && path.length > 3
    ? `default, as ${String(path[3])} is set`
    : 'default';
}

/** Where the fleet file would have a value: it says some things otherwise than the fleet that is made of it. */
function filePath({ kinds, agents }: Fleet, path: Path, file: unknown): Path {
  const [first, second, third, ...rest] = path;
  if (first === 'nodes' && third === 'via') {
    const node = childOf(childOf(file, 'nodes'), Number(second));
    const way = childOf(node, 'ssh') === undefined ? 'local' : 'ssh';
    return ['nodes', Number(second), way, ...(rest[0] === 'kind' ? [] : rest)];
  }
  if (first === 'kinds') {
    const name = kinds[Number(second)]?.name ?? '';
    if (third === 'name' || third === undefined) return ['kinds', name];
    return ['kinds', name, third === 'secrets' ? 'env' : third, ...rest.slice(0, 1)];
  }
  if (first === 'agents' && second === 'categories' && third !== undefined) {
    const name = agents.categories[Number(third)]?.name ?? '';
    return ['agents', 'categories', name, ...(rest[0] === 'name' ? [] : rest)];
  }
  return path.map((step) => (typeof step === 'string' ? step.replace(/Seconds$/, '') : step));
}

/** What one text says of a way to a node. */
const IN_ADDRESS: Path = ['host', 'port', 'user'];

function isThere(root: unknown, path: Path): boolean {
  let value = root;
  for (const [index, step] of path.entries()) {
    if (typeof value === 'number') return step === 'share'; // a category said as its share alone
    if (typeof value === 'string') return path[index - 1] === 'ssh' && IN_ADDRESS.includes(step);
    value = childOf(value, step);
    if (value === undefined) return false;
  }
  return true;
}
