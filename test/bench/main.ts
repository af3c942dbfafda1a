/** `npm run bench -- [NAME…] [--runs N] [--quick]`: measures the fleet beside what people use today, in the same run. */
import { parseArgs } from 'node:util';
import { rigLack } from '../rig/rig.ts';
import type { Bench, Options } from './bench.ts';
import { claim } from './claim.ts';
import { feed } from './feed.ts';
import { type Ground, openGround } from './ground.ts';
import { pace } from './pace.ts';
import { endAllBegun } from './process.ts';
import { react } from './react.ts';
import { real } from './real.ts';
import { record, verdictTable } from './record.ts';
import { rest } from './rest.ts';
import { see } from './see.ts';
import { start } from './start.ts';
import { startFar } from './start-far.ts';
import { tick } from './tick.ts';

const BENCHES: readonly Bench[] = [start, startFar, feed, pace, see, react, rest, claim, tick, real];
const RUNS = 5;

async function main(words: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: { runs: { type: 'string' }, quick: { type: 'boolean' } },
  });
  const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0)
    return refuse(`no bench ${unknown.join(', ')}; there are ${BENCHES.map(({ name }) => name).join(', ')}`);
  const isQuick = values.quick ?? false;
  const runs = Number(values.runs ?? (isQuick ? 1 : RUNS));
  if (!Number.isInteger(runs) || runs < 1) return refuse(`--runs ${values.runs}: expected a number from 1 on`);
  const lack = rigLack();
  if (lack !== undefined) return refuse(`machines cannot boot here: ${lack}`);
  const chosen = positionals.length === 0 ? BENCHES : BENCHES.filter(({ name }) => positionals.includes(name));
  return runAll(chosen, { runs, isQuick }, words);
}

function refuse(why: string): number {
  process.stderr.write(`bench: ${why}\n`);
  return 2;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function runAll(
  chosen: readonly Bench[],
  how: Pick<Options, 'runs' | 'isQuick'>,
  words: readonly string[],
): Promise<number> {
  const opened: { ground?: Promise<Ground> } = {};
  const ground = () => (opened.ground ??= openGround());
  const close = async () => (await opened.ground)?.[Symbol.asyncDispose]();
  const interrupt = (exit: number) => {
    endAllBegun();
    void close().finally(() => process.exit(exit));
  };
  process
    .once('SIGINT', () => interrupt(130))
    .once('SIGTERM', () => interrupt(143))
    .once('SIGHUP', () => interrupt(129));
  let missed = 0;
  try {
    for (const bench of chosen) missed += await runOne(bench, { ...how, say, ground }, words);
  } finally {
    await close();
  }
  return missed === 0 ? 0 : 1;
}

/** Gives how many promises were not kept. What broke one bench does not keep the next from being measured. */
async function runOne(bench: Bench, options: Options, words: readonly string[]): Promise<number> {
  say(`${bench.name}: ${bench.title}`);
  try {
    const outcome = await bench.run(options);
    if (outcome.verdicts.length > 0) say(verdictTable(outcome.verdicts));
    // What was measured only to see that it runs says nothing to a reader.
    if (!options.isQuick) record(bench, outcome, words);
    return outcome.verdicts.filter(({ isMet }) => isMet !== true).length;
  } catch (error) {
    say(`${bench.name} broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
