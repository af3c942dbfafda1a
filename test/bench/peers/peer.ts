import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Ground, Host } from '../ground.ts';
import type { Begun } from '../process.ts';

/** Something people use today to run lines on machines over SSH. */

/** A line to run on a host. */
export interface Job {
  name: string;
  host: Host;
  line: string;
}

export interface Peer {
  name: string;
  what: string;
  /** What it needs on this machine. */
  program: string;
  /** Begins it; it ends when all lines have. */
  begin(ground: Ground, jobs: readonly Job[]): Promise<Begun>;
  /** Takes back what it left, such as connections that it keeps open. */
  tidy?(ground: Ground): Promise<void>;
}

/** Why a peer cannot be measured here; undefined where it can. */
export function lackOf({ program }: Peer): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.some((folder) => existsSync(join(folder, program))) ? undefined : `${program} is not on this machine`;
}

/** The jobs of each host. */
export function byHost(jobs: readonly Job[]): ReadonlyMap<Host, readonly Job[]> {
  return Map.groupBy(jobs, ({ host }) => host);
}

/** A file in the ground's folder; gives its path. */
export async function put(ground: Ground, name: string, text: string): Promise<string> {
  const path = join(ground.folder, name);
  await writeFile(path, text);
  return path;
}
