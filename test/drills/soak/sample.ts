import { spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Person, processesOf, windowsOf, wordsOf } from '../../doors/person.ts';
import { countTasks, type Soak } from './scene.ts';

/** One look at all that could grow. Sizes in MB (a million bytes); null where it could not be seen just then. */
export interface Sample {
  minute: number;
  tasks: number;
  controllers: number;
  controllerAgeSeconds: number;
  controllerMb: number | null;
  controllerFds: number | null;
  modelMb: number | null;
  processes: number;
  tools: number;
  windows: number;
  groups: number;
  attemptFiles: number;
  attemptMb: number;
  homeFiles: number;
  homeMb: number;
  /** Of the homes: what tools wrote down of conversations, and their databases' logs of writes. */
  talkFiles: number;
  talkMb: number;
  homeWalMb: number;
  nodeFiles: number;
  nodeMb: number;
  ledgerMb: number;
  walMb: number;
  stateFiles: number;
  tmpFiles: number;
}

export async function look(soak: Soak, minute: number): Promise<Sample> {
  const { person, keeper, model } = soak;
  const pids = processesOf(person.home);
  const attempts = sizeOf(join(person.root, 'attempts'));
  const homes = sizeOf(join(person.root, 'agents'));
  const talks = sizeOf(join(person.root, 'agents'), '.jsonl');
  const logs = sizeOf(join(person.root, 'agents'), '.sqlite-wal');
  const node = sizeOf(person.root);
  const state = readdirSync(person.state, { recursive: true });
  return {
    minute,
    tasks: (await countTasks(person)).ended,
    controllers: keeper.count(),
    controllerAgeSeconds: Math.round(keeper.ageSeconds()),
    controllerMb: rssOf(keeper.pid()),
    controllerFds: filesOf(keeper.pid()),
    modelMb: rssOf(model.pid),
    processes: pids.length,
    tools: pids.filter((pid) => wordsOf(pid).includes('/codex exec')).length,
    windows: windowsOf(person).length,
    groups: groupsOf(person).length,
    ...{ attemptFiles: attempts.files, attemptMb: attempts.mb, talkFiles: talks.files, talkMb: talks.mb },
    ...{ homeFiles: homes.files - talks.files, homeMb: homes.mb - talks.mb - logs.mb, homeWalMb: logs.mb },
    nodeFiles: node.files - attempts.files - homes.files,
    nodeMb: node.mb - attempts.mb - homes.mb,
    ledgerMb: fileMb(join(person.state, 'ledger.db')),
    walMb: fileMb(join(person.state, 'ledger.db-wal')),
    stateFiles: state.length,
    tmpFiles: leavings(person).length,
  };
}

/** Files (and pipes and sockets) below a folder whose names end so, and what they take of the disk. */
function sizeOf(folder: string, ending = ''): { files: number; mb: number } {
  const sum = { files: 0, mb: 0 };
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    const below = entry.isDirectory()
      ? sizeOf(path, ending)
      : { files: Number(entry.name.endsWith(ending)), mb: entry.name.endsWith(ending) ? blocksOf(path) : 0 };
    sum.files += below.files;
    sum.mb += below.mb;
  }
  return sum;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // it went meanwhile
  }
}

function blocksOf(path: string): number {
  try {
    return (lstatSync(path).blocks * 512) / 1e6;
  } catch {
    return 0; // it went meanwhile
  }
}

function fileMb(path: string): number {
  try {
    return statSync(path).size / 1e6;
  } catch {
    return 0; // there is none now
  }
}

function rssOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024) / 1e6;
  } catch {
    return null; // killed just now
  }
}

function filesOf(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return null; // killed just now
  }
}

/** Control groups of this fleet. */
export function groupsOf({ name }: Person): string[] {
  const words = ['/sys/fs/cgroup', '-maxdepth', '8', '-type', 'd', '-path', `*/miyabi-${name}-*`];
  return spawnSync('find', words, { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line !== '');
}

/** What this fleet has in the system's folder for temporary files, and in the one that it is told to use. */
export function leavings({ name, desk }: Person): string[] {
  const named = readdirSync(tmpdir()).filter((entry) => entry.includes(name));
  return [...named, ...readdirSync(join(desk, 'tmp'), { recursive: true }).map(String)];
}
