import type { ChildProcess } from 'node:child_process';
import { Secret } from '../secret.ts';
import type { Command } from './command.ts';

/** Gives a process its input and closes it. */
export function feed(child: ChildProcess, input: Command['input']): void {
  child.stdin?.on('error', () => {}); // it may not read its input: EPIPE says nothing the exit code does not
  child.stdin?.end(input instanceof Secret ? input.reveal() : (input ?? ''));
}

/** Ends a process that was begun detached, with all that it began and that did not leave its group. */
export function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
