import { describe, expect, test } from 'vitest';
import { FleetError } from '../../controller/errors.ts';
import { selectAgents, selectNodes } from '../../controller/operations/selector.ts';

const AGENTS = [
  { number: 1, node: 'mugen', category: 'coding', state: 'idle' },
  { number: 2, node: 'mugen', category: 'coding', state: 'busy' },
  { number: 3, node: 'majin', category: 'research', state: 'idle' },
  { number: 10, node: 'majin', category: null, state: 'unknown' },
];
const numbers = (...words: string[]) => selectAgents(AGENTS, words).map(({ number }) => number);

describe('agents are chosen', () => {
  test.each([
    [['1'], [1]],
    [['2-10'], [2, 3, 10]],
    [['node:majin'], [3, 10]],
    [['category:coding'], [1, 2]],
    [['state:idle'], [1, 3]],
    [['all'], [1, 2, 3, 10]],
    [
      ['10', '1'],
      [1, 10],
    ],
    [
      ['1,3', 'node:majin'],
      [1, 3, 10],
    ],
    [
      ['1', '1-2', 'all'],
      [1, 2, 3, 10],
    ],
  ])('by %s', (words, expected) => {
    expect(numbers(...words)).toEqual(expected);
  });

  test.each([['7'], ['node:nowhere'], ['category:none'], ['9-4']])(
    'and %s, which matches none, is refused by name',
    (word) => {
      expect(() => numbers(word)).toThrow(
        expect.objectContaining({ code: 'not-found', message: expect.stringContaining(word) as string }),
      );
    },
  );

  test.each([[''], ['everyone'], ['1 - 2'], ['-1'], ['name:x'], [',']])('but not by %j, which says nothing', (word) => {
    expect(() => numbers(word)).toThrow(FleetError);
  });
});

const NODES = [
  { name: 'mugen', labels: ['large', 'tokyo'] },
  { name: 'majin', labels: ['tokyo'] },
  { name: 'here', labels: [] },
];
const names = (...words: string[]) => selectNodes(NODES, words).map(({ name }) => name);

describe('nodes are chosen', () => {
  test.each([
    [['majin'], ['majin']],
    [['label:tokyo'], ['mugen', 'majin']],
    [['all'], ['mugen', 'majin', 'here']],
    [
      ['here,label:large', 'here'],
      ['mugen', 'here'],
    ],
  ])('by %s', (words, expected) => {
    expect(names(...words)).toEqual(expected);
  });

  test.each([['mugem'], ['label:osaka'], ['label:'], ['MUGEN'], ['node:mugen']])(
    'and %s, which matches none, is refused by name, with the names there are',
    (word) => {
      const hint = expect.stringContaining('mugen, majin, here') as string;
      const message = expect.stringContaining(word) as string;
      expect(() => names(word)).toThrow(expect.objectContaining({ code: 'not-found', message, hint }));
    },
  );

  test.each([[''], [' , ']])('but not by %j, which says nothing', (word) => {
    expect(() => names(word)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
