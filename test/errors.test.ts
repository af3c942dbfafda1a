import { describe, expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCode, FleetError, toFleetError } from '../controller/errors.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

describe('an error a person meets', () => {
  test('has the shape {code, message, hint} at every door, and nothing else', () => {
    const error = new FleetError('locked', 'held by another', {
      hint: 'Stop it.',
      target: 'fleet',
      cause: new Error('inner'),
    });
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'locked', message: 'held by another', hint: 'Stop it.' });
    expect(JSON.parse(JSON.stringify(new FleetError('usage', 'no')))).toEqual({
      code: 'usage',
      message: 'no',
      hint: null,
    });
  });

  test.each(CODES)('%s says what it means, and ends the program with 1 to 4', (code) => {
    const error = new FleetError(code, 'text');
    expect([1, 2, 3, 4]).toContain(error.exit);
    expect(ERROR_CODES[code].means).toMatch(/^[A-Z“].*\.$/);
    expect(error.retryable).toBe(ERROR_CODES[code].retryable);
  });

  test('ends with the code that was promised for its sort', () => {
    const exits = (exit: number) => CODES.filter((code) => ERROR_CODES[code].exit === exit).toSorted();
    expect(exits(1)).toEqual(['task-failed']);
    expect(exits(4)).toEqual(['locked', 'owned-by-another', 'unlawful']);
    expect(exits(2)).toContain('cycle');
    expect(exits(3)).toContain('unreachable');
  });

  test('keeps its cause for --debug', () => {
    const cause = new Error('inner');
    expect(new FleetError('bug', 'outer', { cause }).cause).toBe(cause);
    expect('cause' in new FleetError('bug', 'outer')).toBe(false);
  });
});

describe('what was thrown by somebody else', () => {
  test('is a bug, with its message and what to do', () => {
    expect(toFleetError(new TypeError('x is not a function'))).toMatchObject({
      code: 'bug',
      message: 'x is not a function',
      exit: 3,
    });
    expect(toFleetError('text').message).toBe('text');
    expect(toFleetError(undefined).hint).toContain('report');
  });

  test('is left as it is when it is ours', () => {
    const error = new FleetError('usage', 'no');
    expect(toFleetError(error)).toBe(error);
  });
});
