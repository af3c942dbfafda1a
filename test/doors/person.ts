import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'vitest';
import type { z } from 'zod';
import { loadProgram } from '../../controller/node/program.ts';
import { removeFleet } from '../../controller/node/shell.ts';
import { Shown } from '../../controller/operations/show.ts';
import { Status } from '../../controller/operations/status.ts';
import { openLocal } from '../../controller/transport/local.ts';
import { processesWith, until } from '../bootstrap/ground.ts';
import { ROOT } from '../support/sources.ts';

/** The command as people call it. */
const FLEET = join(ROOT, 'bin/fleet');
const END_MS_MAX = 120_000;

export interface Said {
  /** 128 and the signal's number where one ended it. */
  exit: number;
  out: string;
  err: string;
}

export interface Running {
  pid: number;
  said(): Said;
  signal(name: NodeJS.Signals): void;
  ended: Promise<Said>;
}

export interface PersonDifference {
  /** Added to the environment, or taken from it. */
  env?: Readonly<Record<string, string | undefined>>;
  agents?: number;
}

export type Person = Awaited<ReturnType<typeof aPerson>>;

/**
 * A person with a home of their own and a fleet of a name of its own on this machine: command agents, no fleet file.
 * Home, processes, windows and control groups go with the test.
 */
export async function aPerson(context: TestContext, { env: difference = {}, agents = 4 }: PersonDifference = {}) {
  const home = await mkdtemp(join(homedir(), '.ft-'));
  const name = `t${randomBytes(4).toString('hex')}`;
  const desk = join(home, 'desk');
  mkdirSync(desk);
  const env: Record<string, string | undefined> = {
    HOME: home,
    PATH: process.env.PATH,
    TZ: 'UTC',
    // The real tools are kept where rehearsals keep them; nothing is fetched again.
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
    FLEET_NAME: name,
    FLEET_AGENTS: String(agents),
    FLEET_KIND: 'command',
    FLEET_PER_VCPU: '100',
    FLEET_MEMORY_GIB_EACH: '0.01',
    ...difference,
  };
  context.onTestFinished(() => sweep(home));
  const run = (words: readonly string[], more: CallDifference = {}) =>
    call([FLEET, ...words], { env, cwd: desk }, more);
  const fleet = (...words: string[]) => run(words).ended;
  return {
    home,
    name,
    desk,
    env,
    /** Where the ledger is. */
    state: join(home, '.local/state/miyabi-fleet', name),
    /** Where the node keeps this fleet. */
    root: join(home, '.miyabi', name),
    /** Calls `fleet` and waits for its end. */
    fleet,
    /** Calls `fleet` and lets it run. */
    begin: run,
    /** Writes a file on the desk; gives its path. */
    write: (file: string, text: string | Uint8Array) => {
      const path = join(desk, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      return path;
    },
    /** What a reading command answers as JSON, checked by its schema; fails when it says anything else. */
    ask: async <T>(schema: z.ZodType<T>, ...words: string[]): Promise<T> => {
      const said = await fleet(...words, '--json');
      if (said.exit !== 0) throw new Error(`fleet ${words.join(' ')}: exit ${said.exit}: ${said.err}${said.out}`);
      return schema.parse(JSON.parse(said.out));
    },
    /** Begins a controller and waits until it says that it is one. */
    start: async (...words: string[]): Promise<Running> => {
      const running = run(['start', ...words]);
      await until('the controller', () => running.said().err.includes('controller ready'), 60_000);
      return running;
    },
  };
}

export const statusOf = (person: Person) => person.ask(Status, 'status');
export const showOf = (person: Person, what: string) => person.ask(Shown, 'show', what);
export const taskOf = async (person: Person, id: string) => (await showOf(person, id)).task;

/** Waits until the status is as wished. */
export function untilStatus(person: Person, what: string, condition: (status: Status) => boolean, msMax = 60_000) {
  return until(
    what,
    async () => {
      const status = await statusOf(person);
      return condition(status) && status;
    },
    msMax,
  );
}

export interface CallDifference {
  input?: string | Uint8Array;
  cwd?: string;
  env?: Readonly<Record<string, string | undefined>>;
}

/** Begins words as a process of this test; limited in time. */
export function call(
  words: readonly string[],
  around: { env: Readonly<Record<string, string | undefined>>; cwd: string },
  { input, cwd, env }: CallDifference = {},
): Running {
  const child = spawn(words[0] ?? 'false', words.slice(1), {
    cwd: cwd ?? around.cwd,
    env: { ...around.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const texts = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.err += text;
  });
  child.stdin.on('error', () => {}); // it may not want to read
  child.stdin.end(input ?? '');
  return {
    pid: child.pid ?? -1,
    said: () => ({ exit: child.exitCode ?? -1, ...texts }),
    signal: (signal) => void child.kill(signal),
    ended: endOf(child, texts, words),
  };
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

function endOf(child: ChildProcess, texts: { out: string; err: string }, words: readonly string[]): Promise<Said> {
  const ended = new Promise<Said>((resolve, reject) => {
    const limit = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${words.join(' ')}: not ended within ${END_MS_MAX} ms; it said: ${texts.err}`));
    }, END_MS_MAX);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      resolve({ exit: code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0), ...texts });
    });
  });
  ended.catch(() => {}); // told to whoever waits for it; a controller that nobody waits for goes with the test
  return ended;
}

/** Processes that have this folder in their words or their environment. */
export function processesOf(home: string): number[] {
  return processesWith(home);
}

/** Names of the fleets that this home's node side holds. */
export function fleetsOf(home: string): string[] {
  return existsSync(join(home, '.miyabi')) ? readdirSync(join(home, '.miyabi')) : [];
}

export function killIfThere(pid: number, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // it ended by itself
  }
}

/** The windows of this person's fleet; none where no tmux server answers. */
export function windowsOf({ root }: { root: string }): { name: string; server: number }[] {
  const words = ['-S', join(root, 'tmux.sock'), 'list-sessions', '-F', '#{session_name} #{pid}'];
  const said = spawnSync('tmux', words, { encoding: 'utf8' });
  if (said.status !== 0) return [];
  return said.stdout
    .trim()
    .split('\n')
    .map((line) => ({ name: line.split(' ')[0] ?? '', server: Number(line.split(' ')[1]) }));
}

/**
 * A terminal with `fleet attach` in it, as a person has it open; gives what it shows, with its history. `words` are
 * further words of the call.
 */
export function screenOf(context: TestContext, person: Person, agent: number, words = ''): () => string {
  const socket = join(person.home, `screen-${agent}.sock`);
  const tmux = (...rest: string[]) =>
    spawnSync('tmux', ['-S', socket, ...rest], { env: { ...person.env, TERM: 'xterm' }, encoding: 'utf8' }).stdout;
  const line = `cd ${person.desk}; ${FLEET} attach ${agent} ${words}; cat`;
  tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'screen', '-x', '150', '-y', '45', line);
  context.onTestFinished(() => void tmux('kill-server'));
  return () => tmux('capture-pane', '-p', '-t', 'screen', '-S', '-2000');
}

/** Presses keys in the terminal of `screenOf`. */
export function press(person: Person, agent: number, ...keys: string[]): void {
  spawnSync('tmux', ['-S', join(person.home, `screen-${agent}.sock`), 'send-keys', '-t', 'screen', ...keys]);
}

/** The words of a process, empty when it is gone. */
export function wordsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** Ends everything that this home began, controllers first, then removes it. */
async function sweep(home: string): Promise<void> {
  for (const pid of processesOf(home)) if (wordsOf(pid).includes('controller/cli/main.ts')) killIfThere(pid);
  const { hash, text } = await loadProgram();
  const node = openLocal({ HOME: home, PATH: process.env.PATH });
  for (const name of fleetsOf(home)) await node.run(removeFleet(name, hash, text));
  await until('the end of what this home began', () => {
    const left = processesOf(home);
    for (const pid of left) killIfThere(pid);
    return left.length === 0;
  });
  await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** A YAML task file of these tasks, as JSON, which is YAML too. */
export function tasksText(tasks: readonly Readonly<Record<string, unknown>>[]): string {
  return JSON.stringify({ tasks });
}

/** A command that says what it is, then waits until the desk has a file of this name. */
export function untilThere(file: string, { desk }: Person): string {
  return `echo "$FLEET_TASK by $FLEET_AGENT"; while [ ! -e ${desk}/${file} ]; do sleep 0.05; done; echo over`;
}

/** Hands tasks in; they must be taken. */
export async function submit(person: Person, tasks: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const said = await person.begin(['submit', '-'], { input: tasksText(tasks) }).ended;
  if (said.exit !== 0) throw new Error(`submit: exit ${said.exit}: ${said.err}`);
}

/** How many tasks are in each state, without those of which there are none. */
export function countOf({ tasks }: Status): Partial<Status['tasks']> {
  return Object.fromEntries(Object.entries(tasks).filter(([, count]) => count > 0));
}

/** Numbers of the agents in a state. */
export function agentsIn({ agents }: Status, state: string): number[] {
  return agents.filter((agent) => agent.state === state).map(({ number }) => number);
}
