import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execAll, type Ground, type Host, writeAll } from './ground.ts';

/**
 * Agents that are really alive: each writes a line of a known length into a file of its machine as its first act. The
 * files' lengths are looked at from here, which costs the machines nothing.
 */
export interface Roll extends AsyncDisposable {
  /** Forgets who was alive. */
  clear(): Promise<void>;
  /** Monotonic ms when so many had written their line. Throws after `msMax` or at the signal, with how many had. */
  whenAlive(count: number, msMax: number, signal: AbortSignal): Promise<number>;
  /** Throws unless every one of them, each once, is a process that sleeps. */
  check(numbers: readonly number[]): Promise<void>;
  /** Kills all of them. */
  kill(): Promise<void>;
}

/** Words that become agent `number`; the same for everybody who starts agents. */
export function agentLine(number: number): string {
  return `sh ~/.agent ${number}`;
}

const SCRIPT = `printf '%03d %08d\\n' "$1" $$ >>"$HOME/.alive"\nexec sleep 3600\n`;
const LINE_BYTES = 13;
const LOOK_MS = 4;

export async function openRoll(ground: Ground): Promise<Roll> {
  await writeAll(ground, '.agent', SCRIPT);
  await execAll(ground, ': >~/.alive');
  const files = await Promise.all(ground.hosts.map(({ home }) => open(join(home, '.alive'), 'r+')));
  const count = async () => {
    const sizes = await Promise.all(files.map(async (file) => (await file.stat()).size));
    return sizes.reduce((sum, size) => sum + size / LINE_BYTES, 0);
  };
  return {
    clear: async () => {
      for (const file of files) await file.truncate(0);
    },
    whenAlive: async (wanted, msMax, signal) => {
      const limit = performance.now() + msMax;
      for (;;) {
        const alive = await count();
        if (alive >= wanted) return performance.now();
        if (performance.now() > limit || signal.aborted) throw new Error(`${alive} of ${wanted} agents alive`);
        await delay(LOOK_MS);
      }
    },
    check: (numbers) => checkAll(ground, files, numbers),
    kill: async () => void (await execAll(ground, KILL)),
    [Symbol.asyncDispose]: async () => {
      for (const file of files) await file.close();
    },
  };
}

const KILL = 'while read -r _ pid; do kill -9 $((10#$pid)); done <~/.alive 2>/dev/null; :';

async function checkAll(ground: Ground, files: readonly FileHandle[], numbers: readonly number[]): Promise<void> {
  const found: number[] = [];
  for (const [index, host] of ground.hosts.entries()) {
    const text = await readFrom(files[index]);
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const [number, pid] = line.split(' ').map(Number);
      if (!(await isAsleep(host, pid ?? 0))) throw new Error(`agent ${number} on ${host.name} is not alive`);
      found.push(number ?? 0);
    }
  }
  const [want, have] = [numbers, found].map((list) => list.toSorted((a, b) => a - b).join(' '));
  if (want !== have) throw new Error(`alive are ${have}, and not ${want}`);
}

async function readFrom(file: FileHandle | undefined): Promise<string> {
  const { size = 0 } = (await file?.stat()) ?? {};
  const bytes = Buffer.alloc(size);
  await file?.read(bytes, 0, size, 0);
  return bytes.toString();
}

async function isAsleep({ proc }: Host, pid: number): Promise<boolean> {
  const name = await readFile(`${proc}/${pid}/comm`, 'utf8').catch(() => '');
  return name.trim() === 'sleep';
}
