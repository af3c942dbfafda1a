import { type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { thisMachine } from '../machine.ts';
import { packaged } from '../package.ts';
import type { Door } from './door.ts';
import { buildProgram } from './program.ts';

/** The program itself: puts the real world together, and holds the only exit. */

const USAGE_EXIT = 2;
/** A file or a pipe has no edge to cut at. */
const PIPED_COLUMNS = 10_000;
/** As a shell tells it of a program whose reader went away. */
const PIPE_EXIT = 141;
let liveLine = '';

function writeLive(text: string): void {
  if (!process.stderr.isTTY) return;
  const cut = text.slice(0, Math.max(10, (process.stderr.columns ?? 80) - 1));
  process.stderr.write(`\r\u001b[K${cut}`);
  liveLine = cut;
}

function say(text: string): void {
  const again = liveLine;
  if (again !== '') process.stderr.write('\r\u001b[K');
  process.stderr.write(`${text}\n`);
  if (again !== '') process.stderr.write(again);
}

const ending = new AbortController();
let exitOfSignal = 130;
for (const [signal, exit] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    if (ending.signal.aborted) process.exit(exit);
    exitOfSignal = exit;
    ending.abort();
  });
}
// The reader of our output went away (a pager closed): nothing is wrong.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (stream === process.stdout) process.exit(PIPE_EXIT);
  });
}

/** Runs words with this terminal; Ctrl-C belongs to them meanwhile. */
function terminal(words: readonly string[]): Promise<number> {
  const { TMUX: _, ...env } = process.env; // a window inside a window is what is asked for
  return new Promise((resolve, reject) => {
    const child = spawn(words[0] ?? 'false', words.slice(1), { stdio: 'inherit', env });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

async function detach(words: readonly string[], log: string): Promise<void> {
  await mkdir(dirname(log), { recursive: true, mode: 0o700 });
  const file = openSync(log, 'a', 0o600);
  const options: SpawnOptions = { detached: true, stdio: ['ignore', file, file] };
  spawn(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), ...words], options).unref();
  closeSync(file);
}

async function loadRehearsal() {
  const [{ startRehearsalModel }, { ensureTool, ensureSystemPrograms, defaultCacheFolder }] = await Promise.all([
    import('../rehearsal/model.ts'),
    import('../rehearsal/machine.ts'),
  ]);
  return {
    startRehearsalModel,
    ensureTool,
    ensureSystemPrograms,
    cacheFolder: defaultCacheFolder(process.env, homedir()),
  };
}

function makeDoor(): Door {
  const env = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return {
    ...thisMachine(env),
    cwd: process.cwd(),
    stdin: process.stdin,
    out: (text) => void process.stdout.write(text),
    say,
    live: writeLive,
    isTerminal: process.stderr.isTTY === true,
    hasColor: process.stderr.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    columns: process.stdout.columns ?? PIPED_COLUMNS,
    signal: ending.signal,
    signalExit: () => exitOfSignal,
    terminal,
    detach,
    loadRehearsal,
  };
}

async function main(words: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(packaged('package.json'), 'utf8')) as {
    version: string;
  };
  let exit = 0;
  const program = buildProgram(makeDoor(), version, (code) => {
    exit = code;
  });
  try {
    if (words.length === 0) program.outputHelp();
    else await program.parseAsync(words, { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT;
    return tell(error, words);
  }
}

/** One error, in words or as JSON; a stack only for what should not happen. */
async function tell(error: unknown, words: readonly string[]): Promise<number> {
  const { printable, toFleetError } = await import('../errors.ts');
  const failure = toFleetError(error);
  writeLive('');
  if (words.includes('--json')) process.stdout.write(`${JSON.stringify(failure)}\n`);
  say(`fleet: ${printable(failure.message)}`);
  if (failure.hint) say(`  → ${printable(failure.hint)}`);
  if (failure.code === 'bug' && error instanceof Error) say(error.stack ?? '');
  return failure.exit;
}

process.exitCode = await main(process.argv.slice(2));
// Whatever still holds the event loop (a pooled socket, a watcher) is of no use any more; output is flushed first.
if (process.stdout.writableLength > 0) await new Promise((resolve) => process.stdout.once('drain', resolve));
process.exit();
