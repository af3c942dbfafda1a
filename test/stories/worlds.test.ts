import { describe, expect, it } from 'vitest';
import { simulate, type WorldOutcome } from './worlds.ts';

/** `npm run worlds -- --from SEED --seeds 1 --verbose` replays one that fails. */

const SEEDS = 300;
const PARTS = 10;

function seedsOf(part: number): number[] {
  return Array.from({ length: SEEDS / PARTS }, (_, index) => part * (SEEDS / PARTS) + index + 1);
}

async function simulateAll(seeds: readonly number[]): Promise<WorldOutcome[]> {
  const outcomes: WorldOutcome[] = [];
  for (const seed of seeds) outcomes.push(await simulate(seed));
  return outcomes;
}

describe('whatever is killed, cut, full or late', () => {
  it.each(Array.from({ length: PARTS }, (_, part) => part))(
    'nothing is lost, nothing runs twice, and what is said is true (worlds, tenth %i)',
    async (part) => {
      const outcomes = await simulateAll(seedsOf(part));
      const broken = outcomes.filter(({ wrong }) => wrong.length > 0);
      expect(broken.map(({ seed, wrong, troubles }) => ({ seed, wrong, troubles }))).toEqual([]);
      expect(outcomes.reduce((sum, { executions }) => sum + executions, 0)).toBeGreaterThan(outcomes.length);
    },
    60_000,
  );

  it('a seed makes the same world again, to the last event', async () => {
    for (const seed of [3, 59, 111, 240, 291]) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      expect(first.hash).toBe(second.hash);
      expect(first.ticks).toBe(second.ticks);
    }
  });

  it('another seed makes another world', async () => {
    expect((await simulate(1)).hash).not.toBe((await simulate(2)).hash);
  });
});
