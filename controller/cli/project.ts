import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FleetError } from '../errors.ts';

/** The folder of Pulumi's project, and what lies in it. */

const PROJECT_FILE = 'Pulumi.yaml';

/** The folder that was said, else the nearest with a Pulumi.yaml at or above `begin`. Throws `not-found`. */
export async function findProject(begin: string, said: string | undefined, hint: string): Promise<string> {
  const first = said === undefined ? begin : resolve(begin, said);
  for (let folder = first; ; folder = dirname(folder)) {
    if ((await namesIn(folder)).includes(PROJECT_FILE)) return folder;
    if (said !== undefined || folder === dirname(folder)) break;
  }
  throw new FleetError('not-found', `no ${PROJECT_FILE} ${said === undefined ? 'at or above' : 'in'} ${first}`, {
    hint,
  });
}

/** Absolute paths of the project's stack files, by name. Throws `not-found` where there is none. */
export async function listStackFiles(cwd: string, said: string | undefined): Promise<readonly string[]> {
  const hint = 'Name the files: `fleet cost plan Pulumi.phase2.yaml`; or say where they are: --project FOLDER.';
  const folder = await findProject(cwd, said, hint);
  const names = (await namesIn(folder)).filter((name) => /^Pulumi\.[^.]+\.yaml$/.test(name));
  if (names.length > 0) return names.sort().map((name) => join(folder, name));
  throw new FleetError('not-found', `no stack file Pulumi.NAME.yaml in ${folder}`, { hint });
}

/** Nothing where it cannot be read: whoever looks further up finds the next one. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
