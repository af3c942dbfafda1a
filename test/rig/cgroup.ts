import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './until.ts';

/** What the kernel offers to hold processes together, and where a run may make its own groups. */
export interface Trees {
  /** Folder in cgroup v2; only there a whole group can be killed at once. */
  unified: string;
  /** Folders in trees of version 1 that systemd or a limit needs; none where the machine has version 2 alone. */
  others: readonly string[];
}

const KILL_MS_MAX = 20_000;
const V1_TREES = ['name=systemd', 'memory', 'pids'];

/** Undefined where cgroup v2 is not mounted. */
export async function findTrees(): Promise<Trees | undefined> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [type = '', , options = ''] = after.split(' ');
    return type.startsWith('cgroup') ? [{ type, folder: before.split(' ')[4] ?? '', options: options.split(',') }] : [];
  });
  const unified = mounts.find(({ type }) => type === 'cgroup2')?.folder;
  if (unified === undefined) return undefined;
  const own = await readOwnGroups();
  const others = V1_TREES.flatMap((tree) => {
    const mount = mounts.find(({ type, options }) => type === 'cgroup' && options.includes(tree));
    // Limits we are under must hold for our machines, too; the tree of systemd has none.
    return mount === undefined ? [] : [join(mount.folder, tree === 'name=systemd' ? '' : (own.get(tree) ?? ''))];
  });
  return { unified, others };
}

async function readOwnGroups(): Promise<ReadonlyMap<string, string>> {
  const lines = (await readFile('/proc/self/cgroup', 'utf8')).trim().split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [, trees = '', ...path] = line.split(':');
      return trees.split(',').map((tree): [string, string] => [tree, path.join(':')]);
    }),
  );
}

/** Makes one group in every tree; gives its folders, that of version 2 first. */
export async function makeGroup(bases: readonly string[], name: string): Promise<readonly string[]> {
  const folders = bases.map((base) => join(base, name));
  for (const folder of folders) await mkdir(folder);
  return folders;
}

/** Lets limits of memory and tasks be set below; where version 1 has them instead there is nothing to do. */
export async function passLimitsOn(folder: string): Promise<void> {
  const offered = (await readFile(join(folder, 'cgroup.controllers'), 'utf8')).trim().split(' ');
  const wanted = ['memory', 'pids'].filter((name) => offered.includes(name)).map((name) => `+${name}`);
  if (wanted.length > 0) await writeFile(join(folder, 'cgroup.subtree_control'), wanted.join(' '));
}

/** Ends every process below a group of version 2, at once. It is done when none is left. */
export async function killGroup(folder: string): Promise<void> {
  const events = join(folder, 'cgroup.events');
  if (!existsSync(events)) return;
  await writeFile(join(folder, 'cgroup.kill'), '1');
  await until(
    `the processes of ${folder} are gone`,
    async () => /^populated 0$/m.test(await readFile(events, 'utf8')),
    KILL_MS_MAX,
  );
}

/** Removes a group and all below it, as far as they are empty. */
export async function removeGroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  }
  // A killed process may keep its group of version 1 for a moment more.
  await until(`${folder} is empty`, () => removeEmpty(folder), KILL_MS_MAX);
}

async function removeEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EBUSY') return false;
    if (code === 'ENOENT') return true;
    throw error;
  }
}
