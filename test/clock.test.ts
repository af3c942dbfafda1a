import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, iso, parseDuration } from '../controller/clock.ts';

describe('a duration as people write it', () => {
  test.each<[string, number]>([
    ['90', 90],
    ['90s', 90],
    ['30m', 1800],
    ['2h', 7200],
    ['1d', 86_400],
    ['1h30m', 5400],
    ['1.5h', 5400],
    ['0', 0],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each([
    '',
    ' ',
    'm',
    '30 m',
    '-5m',
    '5x',
    '1h 30m',
    '30m!',
    '1e3',
    '0x10',
    '９0',
    '.5h',
    '5.m',
    'Infinity',
    '1'.repeat(10),
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('never makes the reader throw, and is never negative or not a number', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.smhd]{0,12}$/)), (text) => {
        const seconds = parseDuration(text);
        if (seconds !== undefined) expect(seconds).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('a duration as it is shown', () => {
  test.each<[number, string]>([
    [0, '0.0 s'],
    [-3, '0.0 s'],
    [4.25, '4.3 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 m 00 s'],
    [125, '2 m 05 s'],
    [12_000, '3 h 20 m'],
    [100_000, '27 h 46 m'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

test('a time is shown in UTC as ISO 8601', () => {
  expect(iso(1_800_000_000_123)).toBe('2027-01-15T08:00:00.123Z');
});
