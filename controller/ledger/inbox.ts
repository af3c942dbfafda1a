import { type FSWatcher, watch } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Intent } from './view.ts';

/** Wishes of other processes, one file each: written aside, synced, renamed into place. Works with no controller at all. */

const INTENT_BYTES_MAX = 64 * 1024 * 1024;
const TAKEN_AT_ONCE_MAX = 200;

const IntentFile = z.object({
  id: z.string().regex(/^[A-Za-z0-9-]{8,64}$/),
  operation: z.string(),
  input: z.unknown(),
  by: z.string(),
  at: z.number(),
});

/** Durable when it resolves. */
export async function putIntent(folder: string, intent: Intent): Promise<void> {
  const aside = join(folder, 'tmp');
  const inbox = join(folder, 'inbox');
  for (const path of [folder, aside, inbox]) await mkdir(path, { recursive: true, mode: 0o700 });
  const file = join(aside, `${intent.id}.json`);
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(intent));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(file, join(inbox, `${intent.id}.json`));
  await syncFolder(inbox);
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export type Waiting = { is: 'intent'; file: string; intent: Intent } | { is: 'refused'; file: string; reason: string };

/** The oldest wishes first. Nothing is removed: see `removeIntent`, after its result is in the ledger. */
export async function readInbox(folder: string): Promise<Waiting[]> {
  const names = await listInbox(folder);
  return Promise.all(names.slice(0, TAKEN_AT_ONCE_MAX).map((name) => readWish(join(folder, 'inbox', name))));
}

export async function listInbox(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'inbox')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => name.endsWith('.json')).sort();
}

async function readWish(file: string): Promise<Waiting> {
  try {
    return await readIntent(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EISDIR' && code !== 'EACCES' && code !== 'ENOENT') throw error;
    return { is: 'refused', file, reason: message };
  }
}

async function readIntent(file: string): Promise<Waiting> {
  if ((await stat(file)).size > INTENT_BYTES_MAX)
    return { is: 'refused', file, reason: `larger than ${INTENT_BYTES_MAX} bytes` };
  const parsed = IntentFile.safeParse(parseJson(await readFile(file, 'utf8')));
  return parsed.success
    ? { is: 'intent', file, intent: parsed.data }
    : { is: 'refused', file, reason: z.prettifyError(parsed.error) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema refuses it, with the reason
  }
}

export async function removeIntent(file: string): Promise<void> {
  await rm(file, { force: true });
}

/** Keeps a file that is no intent where a person can look at it. */
export async function setAside(folder: string, file: string): Promise<void> {
  await mkdir(join(folder, 'refused'), { recursive: true, mode: 0o700 });
  await rename(file, join(folder, 'refused', file.split('/').at(-1) ?? 'intent.json'));
}

/** Linux gives each user so many (128 instances): editors and coding CLIs may have taken them all. */
const NO_WATCH_LEFT: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOSPC'];

/** Rings when something comes in. Only a bell: it may miss, or not be had at all, a scan each second makes sure. */
export async function watchInbox(folder: string, ring: () => void, begin = watch): Promise<Pick<FSWatcher, 'close'>> {
  await mkdir(join(folder, 'inbox'), { recursive: true, mode: 0o700 });
  try {
    const watcher = begin(join(folder, 'inbox'), ring);
    watcher.on('error', ring); // the folder was replaced: the scan goes on
    return watcher;
  } catch (error) {
    if (NO_WATCH_LEFT.includes((error as NodeJS.ErrnoException).code)) return { close: () => {} };
    throw error;
  }
}
