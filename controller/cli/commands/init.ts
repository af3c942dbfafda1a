import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type DraftNode, draftText } from '../../config/draft.ts';
import { loadFleet } from '../../config/load.ts';
import { FleetError } from '../../errors.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { placementText } from '../placement.ts';
import { counted } from '../words.ts';
import { type Answer, askHosts, usualTool } from './init/ask.ts';
import { findHosts } from './init/hosts.ts';

export interface InitOptions extends GlobalOptions {
  /** Only these, instead of all that the ssh configuration names. */
  host?: string[];
  sshConfig?: string;
  /** False with `--no-ask`. */
  ask: boolean;
  dryRun?: boolean;
  force?: boolean;
}

const SCHEMA = 'docs/fleet.schema.json';

/** `fleet init`: a fleet.yaml of the hosts that the ssh configuration names; never over an existing one unless told. */
export async function init(door: Door, options: InitOptions): Promise<number> {
  const file = resolve(door.cwd, options.file ?? (door.env.FLEET_FILE || 'fleet.yaml'));
  if (!options.dryRun) refuseExisting(file, options.force ?? false);
  const name = options.name ?? (door.env.FLEET_NAME || 'fleet');
  const found = await findHosts(door, options);
  const answers = options.ask ? await askHosts(door, name, found.chosen) : found.chosen.map(unasked);
  if (door.signal.aborted) return door.signalExit();
  const text = draftText({
    name,
    schema: schemaFrom(dirname(file)),
    source: found.source,
    nodes: answers.filter(({ isUsable }) => isUsable).map(({ node }) => node),
    others: answers.filter(({ isUsable }) => !isUsable).map(({ node }) => node),
    kind: usualTool(answers),
  });
  if (options.dryRun) {
    door.out(text);
    return 0;
  }
  await write(file, text, options.force ?? false);
  const usable = answers.filter(({ isUsable }) => isUsable).length;
  door.say(
    `Wrote ${file}: ${usable > 0 ? counted(usable, 'node') : 'no host can be used, so this machine is the fleet'}.`,
  );
  await tellNext(door, options, file);
  return 0;
}

function unasked(node: DraftNode): Answer {
  return { node, isUsable: true, tools: [], place: null };
}

function refuseExisting(file: string, isForced: boolean): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isFile())
    throw new FleetError('usage', `${file} is no file that could be written`, { hint: 'Name another: --file PATH.' });
  if (!isForced)
    throw new FleetError('unlawful', `${file} is there already`, {
      hint: 'fleet config check reads it; --dry-run prints what would be written, --force writes over it.',
    });
}

async function write(file: string, text: string, isForced: boolean): Promise<void> {
  await writeFile(file, text, { mode: 0o644, flag: isForced ? 'w' : 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === undefined) throw error;
    throw new FleetError('usage', `${file} cannot be written: ${error.code}`, {
      hint: 'Is its folder there, and may you write in it? --file PATH names another place.',
      cause: error,
    });
  });
}

/**
 * What editors take after `$schema=`: a path from the file where the file and this program lie in one project, so that
 * it holds on other machines too; else the place of the program here.
 */
function schemaFrom(folder: string): string | null {
  const root = rootOf(import.meta.dirname);
  if (root === null) return null;
  const schema = join(root, SCHEMA);
  const path = relative(folder, schema);
  const isInside = (inner: string, outer: string) => {
    const way = relative(outer, inner);
    return !way.startsWith('..') && !isAbsolute(way);
  };
  const isOneProject = isInside(folder, root) || isInside(root, folder);
  const written = isOneProject ? (path.startsWith('.') ? path : `./${path}`) : schema;
  return /[\s#%]/.test(written) ? pathToFileURL(schema).href : written; // editors end a plain path there
}

/** The folder that this program and its documents are in. */
function rootOf(folder: string): string | null {
  if (existsSync(join(folder, SCHEMA))) return folder;
  return dirname(folder) === folder ? null : rootOf(dirname(folder));
}

async function tellNext(door: Door, options: InitOptions, file: string): Promise<void> {
  const { file: named, name, home } = options;
  const fleet = await loadFleet({ file, env: door.env, cwd: door.cwd, flags: { name, home } });
  door.say(await placementText(fleet));
  const more = named === undefined ? '' : ` --file ${named}`;
  door.say(
    [
      'Next:',
      `  fleet doctor${more}    what is wrong on each machine, and what to do about it`,
      `  fleet start${more}     the controller and its agents; --dry-run only shows who goes where`,
      `  fleet run FILE…${more} tasks, from another terminal (examples/eighteen has some)`,
    ].join('\n'),
  );
}
