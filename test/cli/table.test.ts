import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cells, table, toCells } from '../../controller/cli/table.ts';
import { TASK_STATE_WORDS } from '../../controller/cli/words.ts';
import { TASK_STATES } from '../../controller/task/task.ts';

describe('a table in a terminal', () => {
  test.each([
    ['abc', 3],
    ['世界', 4],
    ['レポート', 8],
    ['ﾊﾝｶｸ', 4],
    ['✓ done', 6],
    ['👍', 2],
    ['e\u0301', 1],
    ['', 0],
  ])('counts %s as %i cells', (text, width) => {
    expect(cells(text)).toBe(width);
  });

  test('gives every value exactly the cells it was given, whatever the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 2, max: 40 }), (text, width) => {
        expect(cells(toCells(text, width))).toBe(width);
      }),
    );
  });

  test('keeps columns in line when some values are Japanese', () => {
    const lines = table(
      ['task', 'title', 'state'],
      [
        ['a', '月次レポート', 'queued'],
        ['b', 'report', 'queued'],
      ],
      80,
    ).split('\n');
    const starts = lines.slice(1).map((line) => cells(line.slice(0, line.indexOf('queued'))));
    expect(new Set(starts).size).toBe(1);
  });

  test('shows control characters of a hostile title as spaces', () => {
    expect(toCells('a\u001b[31mb\nc', 10)).toBe('a [31mb c ');
  });

  test('cuts a long last column at the edge of the terminal', () => {
    for (const line of table(['id', 'reason'], [['x', 'y'.repeat(300)]], 40).split('\n'))
      expect(cells(line)).toBeLessThanOrEqual(40);
  });
});

test('help knows the states of tasks without loading the nouns', () => {
  expect(TASK_STATE_WORDS).toEqual([...TASK_STATES]);
});
