import type { Clock } from '../clock.ts';
import type { Environment } from '../config/override.ts';
import type { Rehearsal } from './rehearsal.ts';

/** The world as one call of the program sees it. Only main.ts makes the real one. */
export interface Door {
  env: Environment;
  cwd: string;
  clock: Clock;
  random(bytes: number): Uint8Array;
  stdin: AsyncIterable<Uint8Array>;
  /** Data: standard output. */
  out(text: string): void;
  /** Prose and progress: standard error, one line. */
  say(text: string): void;
  /** Replaces the last line of a terminal; does nothing elsewhere. */
  live(text: string): void;
  /** Whether standard error is a terminal. */
  isTerminal: boolean;
  hasColor: boolean;
  columns: number;
  /** Aborted by the first Ctrl-C or SIGTERM; a second one ends the program at once. */
  signal: AbortSignal;
  /** Exit code of the signal that came: 130 or 143. */
  signalExit(): number;
  /** Runs words in the foreground with this terminal; gives the exit code. */
  terminal(words: readonly string[]): Promise<number>;
  /** Starts this program again, detached, its output appended to a file. */
  detach(words: readonly string[], log: string): Promise<void>;
  loadRehearsal(): Promise<Rehearsal>;
}

/** Options every subcommand takes. */
export interface GlobalOptions {
  file?: string | undefined;
  name?: string | undefined;
  home?: string | undefined;
}
