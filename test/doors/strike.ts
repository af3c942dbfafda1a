import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { killIfThere, type Person, windowsOf, wordsOf } from './person.ts';

/** Killing parts of a fleet on this machine, as a kernel out of memory would. */

export type Part = 'tool' | 'worker' | 'serve' | 'sweep' | 'tmux';

export interface RunningAttempt {
  attempt: string;
  task: string;
  tool: number;
  worker: number;
}

export interface StrikeChoice {
  /** Asked while the attempt's tool is stopped, so that it cannot change any more. Default: any may die. */
  mayDie?: (attempt: RunningAttempt) => boolean;
  /** Which of those that run is tried first: from 0, the first, up to 1. */
  at?: number;
}

/** Kills a part now. False when there was none that may be killed; the attempt where it costs one. */
export function strike(person: Person, part: Part, choice: StrikeChoice = {}): RunningAttempt | boolean {
  if (part === 'tool' || part === 'worker') return killOne(person, part, choice) ?? false;
  if (part !== 'tmux') return killByFile(person, `${part}.pid`);
  const server = Number(windowsOf(person)[0]?.server ?? 0);
  return server > 0 && killIfThere(server);
}

/** What runs now by the node's folders; a process id that went to somebody else is not believed. */
function runningAttempts({ root }: Person): RunningAttempt[] {
  const open = join(root, 'open');
  return (existsSync(open) ? readdirSync(open) : []).flatMap((agent) => {
    const attempt = readIfThere(join(open, agent)).split(' ')[0] ?? '';
    const [, own = '', , , claimed = ''] = readIfThere(join(root, 'attempts', attempt)).split('\n');
    const tool = Number(own.split(' ')[0]);
    const worker = Number(/^worker (\d+) /.exec(claimed)?.[1]);
    const marks = readIfThere(`/proc/${tool}/environ`);
    const task = /(?:^|\0)FLEET_TASK=([^\0]+)/.exec(marks)?.[1];
    if (!tool || !worker || task === undefined || !marks.includes(`FLEET_ATTEMPT=${attempt}\0`)) return [];
    return [{ attempt, task, tool, worker }];
  });
}

/** Kills the tool or the worker of an attempt: the tool is stopped first, then looked at. */
function killOne(
  person: Person,
  what: 'tool' | 'worker',
  { mayDie = () => true, at = 0 }: StrikeChoice,
): RunningAttempt | undefined {
  const running = runningAttempts(person);
  const first = Math.floor(at * running.length);
  for (const attempt of [...running.slice(first), ...running.slice(0, first)]) {
    killIfThere(attempt.tool, 'SIGSTOP');
    const isStopped = / T /.test(readIfThere(`/proc/${attempt.tool}/stat`));
    if (isStopped && mayDie(attempt)) {
      killIfThere(attempt[what]);
      return attempt;
    }
    killIfThere(attempt.tool, 'SIGCONT');
  }
  return undefined;
}

function killByFile({ root }: Person, file: string): boolean {
  const pid = Number(readIfThere(join(root, file)).split(' ')[0]);
  return pid > 0 && wordsOf(pid).includes('fleet-node') && killIfThere(pid);
}

/** A file's text; empty where it is not there yet, or not any more. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
