import { describe, expect, it } from 'vitest';
import { holdSentences } from './seeds.ts';
import { simulate } from './worlds.ts';

/** `npm run worlds -- --from SEED --seeds 1 --verbose` replays one that fails. */
describe('whatever is killed, cut, full or late', () => {
  holdSentences(1, 100);

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
