import { readBounded } from '../../config/file.ts';
import { FLEET_BYTES_MAX } from '../../config/limit.ts';
import { decode, readYaml, type Source } from '../../config/position.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { flatten, originText, spellPath } from '../origin.ts';
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
  const source = options.origin && fleet.file !== null ? await readSource(fleet.file) : null;
  const setting = { fleet, source, naming: namingOf(door, options, fleet.file) };
  for (const [path, value] of flatten(rest)) {
    const origin = options.origin ? `  # ${originText(setting, path, value)}` : '';
    door.out(`${spellPath(path)}: ${JSON.stringify(value)}${origin}\n`);
  }
  return 0;
}

function namingOf(door: Door, { file: flag }: ConfigOptions, file: string | null): string {
  if (flag !== undefined) return '--file';
  if ((door.env.FLEET_FILE ?? '') !== '') return 'FLEET_FILE';
  return file === null ? 'default: this machine is the fleet' : 'default, in this folder';
}

/** The fleet file once more, for the places of things in it; null where it has changed into none since. */
async function readSource(file: string): Promise<Source | null> {
  const reading = await readBounded(file, FLEET_BYTES_MAX);
  const text = reading.is === 'read' ? decode(reading.bytes, FLEET_BYTES_MAX) : null;
  const yaml = text?.is === 'read' ? readYaml(file, text.value) : null;
  return yaml?.is === 'read' ? yaml.value : null;
}

/** `fleet config check`: 0 when all is well; else every problem, exit 2. */
export async function checkConfig(door: Door, options: ConfigOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  door.say(fleet.file === null ? 'No fleet file: this machine is the fleet.' : `${fleet.file} is right.`);
  return 0;
}
