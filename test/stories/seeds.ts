import { expect, it } from 'vitest';
import { simulate, type WorldOutcome } from './worlds.ts';

const PARTS = 5;

/** Tests that hold the sentences over `count` seeds from `first` on, in a few parts; a file of its own is a core of its own. */
export function holdSentences(first: number, count: number): void {
  it.each(Array.from({ length: PARTS }, (_, part) => part))(
    'nothing is lost, nothing runs twice, and what is said is true (worlds, part %i)',
    async (part) => {
      const outcomes: WorldOutcome[] = [];
      for (let index = part; index < count; index += PARTS) outcomes.push(await simulate(first + index));
      const broken = outcomes.filter(({ wrong }) => wrong.length > 0);
      expect(broken.map(({ seed, wrong, troubles }) => ({ seed, wrong, troubles }))).toEqual([]);
      expect(outcomes.reduce((sum, { executions }) => sum + executions, 0)).toBeGreaterThan(outcomes.length);
    },
  );
}
