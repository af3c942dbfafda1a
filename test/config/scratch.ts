import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { FleetError } from '../../controller/errors.ts';

/** A folder of its own for a test, with these files in it. */
export async function scratch(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-config-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

/** The error a promise ends with, as `code` and the lines of its message. */
export async function refusal(promise: Promise<unknown>): Promise<{ code: string; lines: string[] }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FleetError) return { code: error.code, lines: error.message.split('\n') };
    throw error;
  }
  throw new Error('it was accepted');
}
