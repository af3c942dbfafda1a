import type { Command } from 'commander';
import { printable } from '../../errors.ts';
import { type Candidate, type Cursor, readCursor, type Source } from '../cursor.ts';
import type { Door } from '../door.ts';

const CANDIDATES_MAX = 200;
const MEANS_CHARACTERS_MAX = 60;
/** The shell puts a candidate into somebody's line as it is: nothing that a shell would read. */
const HARMLESS = /^[\p{L}\p{N}_.@-][\p{L}\p{M}\p{N}_.:,@=-]*$/u;

/** `fleet complete -- WORDS`: what may stand at the end of the words, for the shells. Whatever is wrong, it is silent. */
export async function printCandidates(door: Door, program: Command, words: readonly string[]): Promise<void> {
  try {
    const cursor = readCursor(program, words);
    const isLeft = (source: Source) => cursor.sources.some((each) => each.source === source);
    const lines = [
      ...(await candidatesAt(door, cursor)).map(({ value, means }) => (means === '' ? value : `${value}\t${means}`)),
      ...(isLeft('files') ? [':files'] : isLeft('folders') ? [':folders'] : []),
    ];
    door.out(lines.map((line) => `${line}\n`).join(''));
  } catch {
    return; // it is printed into the midst of what somebody types: no word is the best one
  }
}

async function candidatesAt(door: Door, cursor: Cursor): Promise<Candidate[]> {
  const { typed, before, sources } = cursor;
  const isList = sources.some(({ isSelection }) => isSelection);
  const head = isList ? typed.slice(0, typed.lastIndexOf(',') + 1) : '';
  const start = typed.slice(head.length);
  const all = [...cursor.candidates, ...(await findMore(door, cursor, start))];
  return all
    .filter(({ value }) => value.startsWith(start) && HARMLESS.test(value))
    .slice(0, CANDIDATES_MAX)
    .map(({ value, means }) => ({ value: before + head + value, means: plain(means) }));
}

function plain(text: string): string {
  const line = printable(text).replace(/[\t\n\uFFFD]+/g, ' ');
  return line.length > MEANS_CHARACTERS_MAX ? `${line.slice(0, MEANS_CHARACTERS_MAX - 1)}…` : line;
}

/** What is not declared is found by files and the ledger: loaded only when it is wanted, as every Tab waits for it. */
async function findMore(door: Door, cursor: Cursor, start: string): Promise<Candidate[]> {
  const isFound = cursor.sources.some(({ source }) => source !== 'files' && source !== 'folders');
  if (!isFound) return [];
  const { findCandidates } = await import('./complete/sources.ts');
  const found = await findCandidates(door, cursor, start, CANDIDATES_MAX);
  return found.filter(({ value }) => !value.startsWith('-')); // only what is declared is a flag
}
