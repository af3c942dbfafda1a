import { spawn } from 'node:child_process';

/** A program that was begun, with the moment just before. */
export interface Begun {
  pid: number;
  /** Monotonic ms just before it was spawned. */
  at: number;
  said(): { out: string; err: string };
  signal(name: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

export interface Ended {
  /** Null where a signal ended it, also when its time was over. */
  exit: number | null;
  out: string;
  err: string;
  /** Monotonic ms when its end was seen. */
  at: number;
}

export interface Around {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Standard input; closed where absent. */
  input?: string;
  /** Longest time; then it is killed. */
  msMax?: number;
}

const MS_MAX = 600_000;
const SAID_CHARS_MAX = 32 * 1024 * 1024;

const alive = new Set<number>();
let isOver = false;

/** Ends everything that was begun here and has not ended; nothing begins after it. */
export function endAllBegun(): void {
  isOver = true;
  for (const pid of alive) killGroup(pid, 'SIGKILL');
}

/** Begins a program in a process group of its own, so that all it began can be ended with it. */
export function begin(words: readonly string[], { env, cwd, input, msMax = MS_MAX }: Around): Begun {
  if (isOver) throw new Error('the bench is being ended');
  const at = performance.now();
  const child = spawn(words[0] ?? 'false', words.slice(1), {
    ...{ cwd, env: { ...env }, detached: true },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) alive.add(child.pid);
  const said = { out: '', err: '' };
  for (const [name, stream] of [['out', child.stdout] as const, ['err', child.stderr] as const])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (said[name].length < SAID_CHARS_MAX) said[name] += text;
    });
  child.stdin?.on('error', () => {}); // it may not want to read
  child.stdin?.end(input);
  const signal = (name: NodeJS.Signals) => killGroup(child.pid, name);
  const ended = new Promise<Ended>((resolve, reject) => {
    const limit = setTimeout(() => signal('SIGKILL'), msMax);
    child.on('error', reject);
    child.on('close', (exit) => {
      clearTimeout(limit);
      if (child.pid !== undefined) alive.delete(child.pid);
      resolve({ exit, ...said, at: performance.now() });
    });
  });
  ended.catch(() => {}); // told to whoever waits for it
  return { pid: child.pid ?? -1, at, said: () => said, signal, ended };
}

/** Whoever led it may have ended while others of it have not. */
function killGroup(pid: number | undefined, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits for its end; throws with its own words where that was not a good one. */
export async function well({ ended }: Begun, what: string): Promise<Ended> {
  const end = await ended;
  if (end.exit !== 0) throw new Error(`${what} ended with ${end.exit}: ${`${end.err}${end.out}`.trim().slice(-500)}`);
  return end;
}
