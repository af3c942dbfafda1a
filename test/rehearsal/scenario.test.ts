import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Action, decide, draw, SCENARIOS, type Scenario } from '../../controller/rehearsal/scenario.ts';

const rows: [Scenario, number, number, number, Action['do']][] = [
  ['calm', 0, 1, 1, 'answer'],
  ['rate-limits', 5, 1, 1, 'rate-limit'],
  ['rate-limits', 5, 1, 2, 'answer'],
  ['rate-limits', 5, 2, 1, 'rate-limit'],
  ['rate-limits', 5, 2, 2, 'answer'],
  ['flaky', 0, 1, 1, 'overload'],
  ['flaky', 0, 1, 7, 'overload'],
  ['flaky', 0, 2, 1, 'answer'],
  ['flaky', 1, 1, 1, 'cut'],
  ['flaky', 1, 1, 2, 'answer'],
  ['flaky', 1, 2, 1, 'answer'],
  ['flaky', 2, 1, 1, 'answer'],
  ['hangs', 0, 1, 1, 'hold'],
  ['hangs', 0, 1, 2, 'answer'],
  ['hangs', 0, 2, 1, 'answer'],
  ['hangs', 1, 1, 1, 'answer'],
  ['crash', 0, 1, 1, 'crash'],
  ['crash', 0, 2, 1, 'answer'],
  ['crash', 1, 1, 1, 'answer'],
];

describe('the weather of a rehearsal', () => {
  test.each(rows)('%s: task %i, attempt %i, request %i meets %s', (scenario, rank, ordinal, request, expected) => {
    expect(decide(scenario, { rank, ordinal, request }).do).toBe(expected);
  });

  test('a first attempt is rate limited without advice, a later one with one second', () => {
    expect(decide('rate-limits', { rank: 3, ordinal: 1, request: 1 })).toMatchObject({ retryAfterSeconds: null });
    expect(decide('rate-limits', { rank: 3, ordinal: 2, request: 1 })).toMatchObject({ retryAfterSeconds: 1 });
  });

  test('one of any four tasks in a row hangs, one of any two crashes, two of any three meet a flaky model', () => {
    const hit = (scenario: Scenario, from: number, tasks: number) =>
      Array.from({ length: tasks }, (_, at) => decide(scenario, { rank: from + at, ordinal: 1, request: 1 })).filter(
        (action) => action.do !== 'answer',
      ).length;
    fc.assert(
      fc.property(fc.nat(10_000), (from) => {
        expect([hit('hangs', from, 4), hit('crash', from, 2), hit('flaky', from, 3)]).toEqual([1, 1, 2]);
      }),
    );
  });

  test('every weather lets the third attempt of a task through by its second request', () => {
    const names = fc.constantFrom(...(Object.keys(SCENARIOS) as Scenario[]));
    fc.assert(
      fc.property(names, fc.nat(100), fc.integer({ min: 3, max: 9 }), (scenario, rank, ordinal) => {
        expect(decide(scenario, { rank, ordinal, request: 2 })).toEqual({ do: 'answer' });
      }),
    );
  });

  test('a draw is repeatable, between 0 and 1, and spreads', () => {
    const draws = Array.from({ length: 1000 }, (_, at) => draw(`7 task-${at} 1 1`));
    expect(draw('7 task-3 1 1')).toBe(draws[3]);
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...draws)).toBeLessThan(1);
    const tenths = Array.from({ length: 10 }, (_, at) => draws.filter((one) => Math.floor(one * 10) === at).length);
    expect(Math.min(...tenths)).toBeGreaterThan(60);
  });
});
