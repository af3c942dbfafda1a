import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { iso } from '../clock.ts';
import { FleetError } from '../errors.ts';

/** Who holds the lock, for people. The lock itself is the kernel's. */
export const Holder = z.object({ pid: z.int(), host: z.string(), since: z.string() });
export type Holder = z.infer<typeof Holder>;

const LOCK = 'controller.lock';
const HOLDER = 'controller.json';
const SQLITE_BUSY = 5;
/** Locks of this very process. */
const HELD = new Set<string>();

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the fleet for this process: a SQLite file held in BEGIN EXCLUSIVE, freed by the kernel at death. Within this
 * process only SQLite may open that file: closing any other handle on it would drop the lock. Throws `locked` with who
 * holds it.
 */
export async function takeLock(folder: string, now: number): Promise<Lock> {
  await ownFolder(folder);
  const file = join(folder, LOCK);
  await makeFile(file);
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA busy_timeout = 300; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw await lockedError(folder, error);
  }
  const holder: Holder = { pid: process.pid, host: hostname(), since: iso(now) };
  HELD.add(file);
  const said = join(folder, HOLDER);
  await writeFile(`${said}.new`, JSON.stringify(holder), { mode: 0o600 });
  await rename(`${said}.new`, said);
  return {
    release: async () => {
      await rm(said, { force: true });
      HELD.delete(file);
      database.close();
    },
  };
}

/** The state folder: there, and nobody else's business. */
async function ownFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC')
      throw new FleetError('disk-full', `no room left in the state folder ${folder}`, {
        hint: 'Free 1 GiB on its disk, or name another folder with --home.',
        cause: error,
      });
    throw new FleetError('ledger-unreadable', `the state folder cannot be used: ${message}`, {
      hint: 'Give it to this user (fleet doctor tells the command), or name another with --home.',
      cause: error,
    });
  }
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

/** Who holds the lock; null when nobody does. The kernel is asked; the file beside it only has the words. */
export async function readHolder(folder: string): Promise<Holder | null> {
  if (!isHeld(join(folder, LOCK))) return null;
  const text = await readFile(join(folder, HOLDER), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return parseHolder(text) ?? { pid: 0, host: 'unknown', since: iso(0) };
}

function parseHolder(text: string | undefined): Holder | undefined {
  try {
    return text === undefined ? undefined : Holder.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // just being written, or torn by a power cut: the lock is held all the same
  }
}

/** Asked from outside only: a handle that the holder itself closes on this file would free its lock. */
function isHeld(file: string): boolean {
  if (HELD.has(file)) return true;
  if (!existsSync(file)) return false;
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN; SELECT count(*) FROM sqlite_schema; COMMIT');
    return false;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return true;
    throw error;
  } finally {
    database.close();
  }
}
