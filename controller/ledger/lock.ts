import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { iso } from '../clock.ts';
import { FleetError } from '../errors.ts';

/** Who holds the lock, for people. The lock itself is the kernel's. */
export const Holder = z.object({ pid: z.int(), host: z.string(), since: z.string() });
export type Holder = z.infer<typeof Holder>;

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the fleet for this process: a SQLite file held in BEGIN EXCLUSIVE, freed by the kernel at death. Nobody else may
 * open that file: closing any handle on it would drop the lock. Throws `locked` with who holds it.
 */
export async function takeLock(folder: string, now: number): Promise<Lock> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'controller.lock');
  await makeFile(file);
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA busy_timeout = 300; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw await lockedError(folder, error);
  }
  const holder: Holder = { pid: process.pid, host: hostname(), since: iso(now) };
  const said = join(folder, 'controller.json');
  await writeFile(`${said}.new`, JSON.stringify(holder), { mode: 0o600 });
  await rename(`${said}.new`, said);
  return {
    release: async () => {
      await rm(said, { force: true });
      database.close();
    },
  };
}

/** Makes it before SQLite would, with our mode. One that is there is never opened: closing it would drop our own lock. */
async function makeFile(path: string): Promise<void> {
  try {
    await (await open(path, 'ax', 0o600)).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function lockedError(folder: string, cause: unknown): Promise<FleetError> {
  const holder = await readHolder(folder);
  const who = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.since}` : 'another process';
  return new FleetError('locked', `this fleet already has a controller: ${who}`, {
    hint: 'Use it (fleet status, run, submit), or end it first: fleet stop.',
    cause,
  });
}

/** Who says to hold the lock; null when nobody does. On this machine a dead process holds nothing. */
export async function readHolder(folder: string): Promise<Holder | null> {
  const text = await readFile(join(folder, 'controller.json'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const holder = text === undefined ? undefined : Holder.safeParse(JSON.parse(text)).data;
  if (!holder || (holder.host === hostname() && !isAlive(holder.pid))) return null;
  return holder;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
