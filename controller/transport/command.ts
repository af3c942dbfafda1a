import type { Secret } from '../secret.ts';

/** Words to run on a node, as a value: built by pure functions, run by a transport, compared by tests. */
export interface Command {
  words: readonly string[];
  /** Given on standard input, then closed. Secrets travel here, never in the words. */
  input?: string | Secret;
  /** Longest time; then it is ended and the outcome says so. */
  secondsMax: number;
  /** Most bytes of output kept; then it is ended and the outcome says so. */
  bytesMax: number;
}

const PLAIN_WORD = /^[A-Za-z0-9_\-./:=@%+,]+$/;

/** One POSIX shell word that means exactly `word`. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new RangeError('a shell word cannot hold a NUL byte');
  if (PLAIN_WORD.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A shell line that runs exactly these words. */
export function shellLine(words: readonly string[]): string {
  return words.map(quote).join(' ');
}
