import { describe, expect, test } from 'vitest';
import { sessionName } from '../../controller/agent/agent.ts';

describe('the window of an agent', () => {
  test.each<[number, string]>([
    [1, 'miyabi-001'],
    [42, 'miyabi-042'],
    [200, 'miyabi-200'],
    [10_000, 'miyabi-10000'],
  ])('of number %d is called %s', (number, name) => {
    expect(sessionName('miyabi', number)).toBe(name);
  });

  test('sorts like its number as long as there are fewer than 1,000', () => {
    const names = Array.from({ length: 999 }, (_, index) => sessionName('m', index + 1));
    expect(names.toSorted()).toEqual(names);
  });
});
