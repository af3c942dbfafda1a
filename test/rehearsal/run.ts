import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Clock } from '../../controller/clock.ts';
import { defaultCacheFolder, ensureTool, type PinnedTool } from '../../controller/rehearsal/machine.ts';
import { type RehearsalModel, type RehearsalOptions, startRehearsalModel } from '../../controller/rehearsal/model.ts';
import type { Scenario } from '../../controller/rehearsal/scenario.ts';
import type { Usage } from '../../controller/task/attempt.ts';
import { have, program } from '../support/capability.ts';

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    }),
};

const undo: (() => Promise<unknown>)[] = [];

/** Call once in a file that starts models or makes folders. */
export function cleanUpAfter(): void {
  afterAll(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });
}

export async function startModel(scenario: Scenario, more: Partial<RehearsalOptions> = {}): Promise<RehearsalModel> {
  const model = await startRehearsalModel({ scenario, clock, seed: 1, thinkMs: { min: 1, max: 20 }, ...more });
  undo.push(() => model.close());
  return model;
}

export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rehearsal-'));
  undo.push(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await mkdir(join(folder, 'work'));
  return folder;
}

/** The real CLI: what `npm test` found, else fetched into the cache. Undefined where it cannot be had. */
export async function findTool(name: PinnedTool): Promise<string | undefined> {
  if (process.env.FLEET_TEST_HAVE !== undefined) return have(name) ? program(name) : undefined;
  const cacheFolder = defaultCacheFolder(process.env, homedir());
  return (await ensureTool(name, { cacheFolder, env: process.env })).program;
}

export interface Ended {
  exit: number | null;
  signal: string | null;
  /** The lines of its standard output that are JSON objects. */
  events: { type: string; [field: string]: unknown }[];
  err: string;
}

/** Runs a CLI with closed standard input until it ends, the signal aborts, or 60 s are over. */
export function runTool(
  words: readonly string[],
  options: { cwd: string; env: Record<string, string>; signal?: AbortSignal },
): Promise<Ended> {
  const [file = '', ...rest] = words;
  const env = { PATH: process.env.PATH ?? '', HOME: options.cwd, ...options.env };
  const child = spawn(file, rest, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  const limit = setTimeout(kill, 60_000);
  options.signal?.addEventListener('abort', kill);
  const [out, err]: Buffer[][] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out?.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err?.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, signal) => {
      clearTimeout(limit);
      const lines = Buffer.concat(out ?? [])
        .toString()
        .split('\n');
      const events = lines
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { [field: string]: unknown; type: string });
      resolve({ exit, signal, events, err: Buffer.concat(err ?? []).toString() });
    });
  });
}

export const PROMPT = [
  'Please do this.',
  '',
  '```sh',
  'echo once >> out.txt',
  'wc -l < out.txt',
  '```',
  'Thanks.',
].join('\n');
export const RESUME = 'Go on with what you were told.';

/** What the script of `PROMPT` wrote: one line for each time it ran. */
export async function written(folder: string): Promise<string> {
  return readFile(join(folder, 'work', 'out.txt'), 'utf8').catch(() => '');
}

/** Usage without what only one side knows, in one order, for comparing. */
export function byResponse(usages: readonly Usage[]): Omit<Usage, 'model'>[] {
  return usages
    .map(({ response, inputTokens, cachedTokens, outputTokens }) => ({
      response,
      inputTokens,
      cachedTokens,
      outputTokens,
    }))
    .sort((a, b) => a.response.localeCompare(b.response));
}
