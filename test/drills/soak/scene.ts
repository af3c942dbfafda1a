import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { openReader } from '../../../controller/ledger/sqlite.ts';
import type { Served } from '../../../controller/rehearsal/book.ts';
import { type Begun, begin } from '../../bench/process.ts';
import { until } from '../../bootstrap/ground.ts';
import { aPerson, type Person } from '../../doors/person.ts';
import { type Chance, createChance } from '../../support/chance.ts';
import { ROOT } from '../../support/sources.ts';
import { FOREVER_MS, type Keeper, openKeeper } from './keeper.ts';

/** A fleet of this machine at work for a long time, with the real Codex CLI against stand-ins for its model. */
export interface Soak {
  person: Person;
  chance: Chance;
  keeper: Keeper;
  model: Begun;
  /** What the models served so far. */
  served(): Served[];
  /** Attempts that a fault of ours may have cost, by their ids. */
  struck: Set<string>;
  /** When `serve` was killed, in ms since 1970: a start it had in hand is cut short. */
  serveKills: number[];
  /** What went otherwise than it should, in words. */
  troubles: string[];
  say(line: string): void;
}

export const AGENTS = 40;
/** How the command exits where its wish is kept and nobody can answer it now: no trouble. */
export const WAITS = 3;
/** Kinds of tasks, by the weather at their model; one of eight tasks each is not for the calm one. */
export const KINDS = ['codex', 'limited', 'flaky'] as const;
const MODEL = join(import.meta.dirname, 'model.ts');

export async function aSoak(context: TestContext, { seed, program }: { seed: number; program: string }): Promise<Soak> {
  const env = { FLEET_AGENTS: undefined, FLEET_KIND: undefined, FLEET_PER_VCPU: undefined };
  const alone = await aPerson(context, { env: { ...env, FLEET_MEMORY_GIB_EACH: undefined } });
  const person = { ...alone, state: join(alone.desk, '.fleet') };
  person.env.TMPDIR = join(person.desk, 'tmp'); // of its own, to see what is left there
  mkdirSync(person.env.TMPDIR);
  const model = begin([process.execPath, '--disable-warning=ExperimentalWarning', MODEL], {
    env: { PATH: process.env.PATH },
    cwd: ROOT,
    msMax: FOREVER_MS,
  });
  context.onTestFinished(() => model.signal('SIGKILL'));
  const urls = await until(
    'the models',
    () => JSON.parse(model.said().out.split('\n')[0] || 'false') as string[] | false,
  );
  writeFile(person, urls, program, 0);
  const startedAt = performance.now();
  const say = (line: string) =>
    void process.stdout.write(`${((performance.now() - startedAt) / 60_000).toFixed(1).padStart(6)} min  ${line}\n`);
  const troubles: string[] = [];
  const keeper = await openKeeper(person, (trouble) => {
    troubles.push(trouble);
    say(`trouble: ${trouble}`);
  });
  return {
    ...{ person, chance: createChance(seed), keeper, model, struck: new Set(), serveKills: [], troubles, say },
    served: () => servedOf(model.said().out),
  };
}

function servedOf(out: string): Served[] {
  const lines = out.split('\n').slice(1, -1);
  return lines.map((line) => JSON.parse(line) as Served);
}

/** The fleet file; `turn` changes something that a reload takes up. */
function writeFile(person: Person, urls: readonly string[], program: string, turn: number): void {
  const kindAt = (url: string | undefined) => ({
    ...{ tool: 'codex', program, sandbox: 'danger-full-access', endpoint: `${url}/t/{task}/{ordinal}` },
  });
  const file = {
    agents: { count: AGENTS, kind: KINDS[0], perVcpu: 100, memoryGiBEach: 0.01 },
    kinds: Object.fromEntries(KINDS.map((kind, index) => [kind, kindAt(urls[index])])),
    tasks: { timeout: `${10 + turn}m` },
  };
  person.write('fleet.yaml', JSON.stringify(file, null, 2));
}

/** Changes the fleet file, harmlessly. */
export function touchFile({ person, model, chance }: Soak, program: string): void {
  writeFile(person, JSON.parse(model.said().out.split('\n')[0] ?? '[]') as string[], program, chance.whole(0, 9));
}

type Reader = NonNullable<ReturnType<typeof openReader>>;

/** Reads from the ledger beside whoever writes it; undefined where there is none yet. */
export async function withLedger<T>({ state }: Person, read: (ledger: Reader) => Promise<T>): Promise<T | undefined> {
  const ledger = openReader(join(state, 'ledger.db'));
  if (!ledger) return undefined;
  try {
    return await read(ledger);
  } finally {
    await ledger.destroy();
  }
}

/** How many tasks the ledger holds, and how many of them have come to an end. */
export async function countTasks(person: Person): Promise<{ all: number; ended: number }> {
  const rows = await withLedger(person, (ledger) =>
    ledger
      .selectFrom('task')
      .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
      .groupBy('state')
      .execute(),
  );
  const sum = (states: (state: string) => boolean) =>
    (rows ?? []).filter(({ state }) => states(state)).reduce((total, { count }) => total + count, 0);
  return { all: sum(() => true), ended: sum((state) => ['completed', 'failed', 'cancelled'].includes(state)) };
}
