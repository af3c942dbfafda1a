import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { findTrees, killGroup, makeGroup, passLimitsOn, removeGroup } from './cgroup.ts';
import { must } from './command.ts';
import { removeWires } from './network.ts';
import { until } from './until.ts';

/**
 * One run of the rig: a number nobody else has, and a folder that holds all it needs to be cleaned away by anyone. A
 * file `owner-PID-START-BOOT` in it says whose it is; whoever renames that file first owns the run from then on.
 */
export interface Run {
  /** 1 to RUNS_MAX; its addresses are made of it. */
  number: number;
  /** Name of everything the run makes outside its folder. */
  id: string;
  folder: string;
  /** Groups all its processes are below; that of cgroup v2 first. */
  groups: readonly string[];
  /** Closes it when this process dies without. */
  guard: ChildProcess;
}

/** On a real disk, because machines write theirs here. */
const RUNS = '/var/tmp/miyabi-rig';
const RUNS_MAX = 200;
const GUARD = join(import.meta.dirname, 'guard.ts');
const DISK_MS_MAX = 20_000;

/** Takes a free number, after cleaning away runs whose owners died. */
export async function openRun(): Promise<Run> {
  const trees = await findTrees();
  if (trees === undefined) throw new Error('cgroup v2 is not mounted on this machine');
  await removeDead();
  const bases = [trees.unified, ...trees.others];
  const draft = await mkdtemp(join(RUNS, `draft-${process.pid}-`));
  await writeFile(join(draft, (await ownerName(process.pid)) ?? ''), '');
  const number = await takeNumber(draft, bases);
  const guard = postGuard();
  try {
    const [id, folder] = [idOf(number), join(RUNS, String(number))];
    await writeFile(join(folder, 'groups'), `${bases.map((base) => join(base, id)).join('\n')}\n`);
    const groups = await makeGroup(bases, id);
    await passLimitsOn(groups[0] ?? '');
    return { number, id, folder, groups, guard };
  } catch (error) {
    await removeRun(number);
    guard.kill('SIGKILL');
    throw error;
  }
}

function idOf(number: number): string {
  return `rig${number}`;
}

/** Gives a run back: its processes, wires, groups and disks. */
export async function closeRun({ number, guard }: Run): Promise<void> {
  await removeRun(number);
  guard.kill('SIGKILL');
}

/** Its input ends with this process, however that dies; it stands outside of the groups it may have to end. */
function postGuard(): ChildProcess {
  // The input ends a little before the process does, and what lives is not taken for dead.
  const wait = 'read -r _; for _ in {1..100}; do [ -e "/proc/$1" ] || break; sleep 0.1; done; shift; exec "$@"';
  const words = ['-c', wait, 'rig-guard', String(process.pid), process.execPath, GUARD];
  const guard = spawn('bash', words, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  guard.unref();
  (guard.stdin as Socket | null)?.unref();
  return guard;
}

/** Works on a half made run, and on one half removed. */
async function removeRun(number: number): Promise<void> {
  const [folder, id] = [join(RUNS, String(number)), idOf(number)];
  const groups = await readGroups(folder);
  if (groups[0] !== undefined) await killGroup(groups[0]);
  await removeWires(id);
  for (const group of groups) await removeGroup(group);
  await releaseDisks(folder);
  await removeTraces(id);
  await removeFolder(folder, number);
}

/** By another name first: what is left when this is cut short is then nobody's run any more. */
async function removeFolder(folder: string, number: number): Promise<void> {
  const gone = join(RUNS, `draft-${process.pid}-of-${number}`);
  await rename(folder, gone);
  await rm(gone, { recursive: true, force: true, maxRetries: 5 });
}

async function takeNumber(draft: string, bases: readonly string[]): Promise<number> {
  for (let number = 1; number <= RUNS_MAX; number += 1) {
    // Whatever bears the name and is in no run's folder is somebody's whom we do not know: it stays as it is.
    const places = [...bases, '/run/netns', '/sys/class/net'].map((place) => join(place, idOf(number)));
    if (places.some((place) => existsSync(place))) continue;
    try {
      await rename(draft, join(RUNS, String(number))); // fails where there is a run already: it is never empty
      return number;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }
  await rm(draft, { recursive: true, force: true });
  throw new Error(`${RUNS_MAX} runs of the rig are open, which is all there may be`);
}

/** Removes runs whose owners died. */
export async function removeDead(): Promise<void> {
  await mkdir(RUNS, { recursive: true, mode: 0o700 });
  for (const name of await readdir(RUNS)) {
    if (/^\d+$/.test(name) && (await takeDead(name))) await removeRun(Number(name));
    const [, pid] = /^draft-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await rm(join(RUNS, name), { recursive: true, force: true });
  }
}

/** Becomes the owner of a run whose owner is dead; false when it lives, or another was quicker. */
async function takeDead(name: string): Promise<boolean> {
  const folder = join(RUNS, name);
  const owner = (await readdir(folder).catch(() => [])).find((file) => file.startsWith('owner-'));
  if (owner === undefined) return false; // it was just given back
  const [, pid = '0'] = owner.split('-');
  if (owner === (await ownerName(Number(pid)))) return false;
  try {
    await rename(join(folder, owner), join(folder, (await ownerName(process.pid)) ?? ''));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Name of the file with which a process owns a run; undefined when there is no such process. */
async function ownerName(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // Start time in ticks since boot: fields are counted behind the program's name, which may hold spaces.
  const start = stat?.slice(stat.lastIndexOf(')')).split(' ')[20];
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8);
  return start === undefined ? undefined : `owner-${pid}-${start}-${boot}`;
}

async function readGroups(folder: string): Promise<readonly string[]> {
  const text = await readFile(join(folder, 'groups'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

/** Disks in files are let go by the kernel with their last mount, a moment after the last process. */
async function releaseDisks(folder: string): Promise<void> {
  const machines = await readdir(join(folder, 'machines')).catch(() => []);
  for (const name of machines) {
    const disk = join(folder, 'machines', name, 'home.img');
    if (!existsSync(disk)) continue;
    await until(`${disk} is let go`, async () => (await must(['losetup', '-j', disk])) === '', DISK_MS_MAX);
  }
}

/** nspawn keeps folders by the machine's name. */
async function removeTraces(id: string): Promise<void> {
  for (const place of ['/run/systemd/nspawn/propagate', '/run/systemd/nspawn/unix-export']) {
    const names = await readdir(place).catch(() => []);
    for (const name of names.filter((name) => name.startsWith(`${id}-`))) {
      await rm(join(place, name), { recursive: true, force: true });
    }
  }
}
