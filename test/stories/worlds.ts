import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { drawTroubles, type Trouble } from './draw.ts';
import { calm, settleAll } from './ending.ts';
import type { Counts } from './ground.ts';
import { rowsOf } from './sentences.ts';
import { begin } from './story.ts';
import { goOn } from './time.ts';
import { make } from './troubles.ts';

/** One simulated world from its seed: the real loop and ledger, pretend nodes, a clock that is moved, faults drawn. */

export interface WorldOutcome {
  seed: number;
  /** Sentences that did not hold, with the simulated second; empty: all held. */
  wrong: string[];
  /** Hash of everything the ledgers recorded as having happened. */
  hash: string;
  tasks: number;
  executions: number;
  ticks: number;
  troubles: Trouble[];
  seconds: number;
  counts: Counts;
}

export async function simulate(seed: number, say: (text: string) => void = () => {}): Promise<WorldOutcome> {
  const story = await begin(seed, say);
  const { ground, chance } = story;
  const troubles = drawTroubles(chance);
  for (const { at, what } of troubles) {
    await goOn(story, at - ground.clock.monotonic());
    if (story.wrong.length > 0) break;
    say(`${(ground.clock.monotonic() / 1000).toFixed(3)} ${what}`);
    await make(story, what);
  }
  if (story.wrong.length === 0) await calm(story);
  if (story.wrong.length === 0) await settleAll(story);
  for (const { controller } of [story.reign, ...story.formers, ...story.rivals]) {
    story.ticks += controller?.ticks ?? 0;
    controller?.kill();
  }
  await ground.clock.settle();
  const happened = ground.watches.flatMap((watch) => rowsOf<object>(watch, 'SELECT * FROM event ORDER BY seq'));
  const hash = createHash('sha256').update(JSON.stringify(happened)).digest('hex').slice(0, 16);
  ground.counts.assumed = ground.assumed.size;
  ground.counts.parkings = happened.filter((event) => JSON.stringify(event).includes('is not heard')).length;
  for (const { ledger } of ground.watches) ledger.close();
  story.copy?.watch.ledger.close();
  return {
    seed,
    wrong: story.wrong,
    hash,
    tasks: story.tasks.length,
    executions: ground.executions.length,
    ticks: story.ticks,
    troubles: troubles.map(({ what }) => what),
    seconds: ground.clock.monotonic() / 1000,
    counts: ground.counts,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      verbose: { type: 'boolean' },
    },
  });
  const from = Number(values.from);
  const count = Number(values.seeds);
  const failed: number[] = [];
  const sum: Record<string, number> = { tasks: 0, executions: 0, ticks: 0, seconds: 0 };
  for (let seed = from; seed < from + count; seed += 1) {
    const outcome = await simulate(seed, values.verbose ? (text) => process.stdout.write(`${text}\n`) : undefined);
    const { tasks, executions, ticks, seconds, counts } = outcome;
    for (const [key, value] of Object.entries({ tasks, executions, ticks, seconds, ...counts }))
      sum[key] = (sum[key] ?? 0) + value;
    if (outcome.wrong.length === 0) continue;
    failed.push(seed);
    process.stdout.write(
      `seed ${seed} (${outcome.troubles.join(', ')}):\n  ${outcome.wrong.slice(0, 5).join('\n  ')}\n`,
    );
    process.stdout.write(`  replay: npm run worlds -- --from ${seed} --seeds 1 --verbose\n`);
  }
  process.stdout.write(
    `${count} worlds, ${failed.length} broken; ${sum.tasks} tasks, ${sum.executions} executions, ${sum.ticks} ticks, ${Math.round(sum.seconds ?? 0)} simulated seconds\n` +
      `lawful only by what was done to them: ${sum.untruthful} overlaps after a wrong word (of ${sum.assumed}), ${sum.acrossLedgers} across ledgers, ` +
      `${sum.afterWipe} begun again after a node lost its files, ${sum.lateTakes} late takes; ${sum.parkings} parkings, ${sum.takeOvers} take-overs\n`,
  );
  process.exitCode = failed.length > 0 ? 1 : 0;
}

if (import.meta.main) await main();
