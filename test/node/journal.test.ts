import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRecord } from '../../controller/node/journal.ts';

const ID = '0199a5f0-0000-7000-8000-00000000002a';

describe('a line of a node’s journal', () => {
  test.each<[string, object]>([
    [`start ${ID} 007`, { is: 'start', attempt: ID, agent: 7 }],
    [`open ${ID} 10000`, { is: 'open', attempt: ID, agent: 10_000 }],
    [`open ${ID} 007 90`, { is: 'open', attempt: ID, agent: 7, seconds: 90 }],
    [
      `end ${ID} 001 exited 1 12 disk`,
      { is: 'end', attempt: ID, agent: 1, how: 'exited', exit: 1, seconds: 12, stop: 'disk', left: true },
    ],
    [
      `end ${ID} 001 exited 0 12 -`,
      { is: 'end', attempt: ID, agent: 1, how: 'exited', exit: 0, seconds: 12, stop: null, left: true },
    ],
    [
      `end ${ID} 001 exited 143 12 timeout`,
      { is: 'end', attempt: ID, agent: 1, how: 'exited', exit: 143, seconds: 12, stop: 'timeout', left: true },
    ],
    [
      `end ${ID} 001 lost - 0 - some`,
      { is: 'end', attempt: ID, agent: 1, how: 'lost', exit: null, seconds: 0, stop: null, left: true },
    ],
    [
      `end ${ID} 001 exited 0 0 - none        `,
      { is: 'end', attempt: ID, agent: 1, how: 'exited', exit: 0, seconds: 0, stop: null, left: false },
    ],
    [
      `end ${ID} 001 never - 0 cancelled`,
      { is: 'end', attempt: ID, agent: 1, how: 'never', exit: null, seconds: 0, stop: 'cancelled', left: true },
    ],
  ])('%s is understood', (line, record) => {
    expect(parseRecord(line)).toEqual(record);
  });

  test.each([
    '',
    ' ',
    'journal',
    'end',
    `end ${ID}`,
    `end ${ID} 001`,
    `end ${ID} 001 exited`,
    `end ${ID} 001 exited 0`,
    `end ${ID} 001 exited 143 3 cancel`,
    `end ${ID} 001 gone 0 1 -`,
    `end ${ID} 001 exited 1000 1 -`,
    `end ${ID} 001 exited -1 1 -`,
    `end ${ID} 001 exited 0 1e9 -`,
    `end ${ID} 001 exited 0 -1 -`,
    `start ${ID} 0`,
    `start ${ID} -1`,
    `start ${ID} 1.5`,
    `start ${ID} 1e3`,
    `start ${ID} 100000`,
    `start ${ID} 0x1`,
    `start ${ID}  1`,
    `start ${ID.toUpperCase()} 1`,
    `start ../../../etc/passwd 1`,
    `start ${ID}x 1`,
    `START ${ID} 1`,
    ` start ${ID} 1`,
    `__proto__ ${ID} 1`,
    `end ${ID} 001 exited 0 12`.slice(0, 45),
    `\0start ${ID} 1`,
    `start\t${ID}\t1`,
  ])('%j is not', (line) => {
    expect(parseRecord(line)).toBeUndefined();
  });

  test('never makes the reader throw, and never gives what could be a path or a strange number', () => {
    const token = fc.oneof(
      fc.constantFrom('start', 'open', 'end', ID, '001', 'exited', 'lost', 'never', '-', '0', 'timeout'),
      fc.string({ unit: 'binary', maxLength: 12 }),
    );
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(token, { maxLength: 9 }).map((tokens) => tokens.join(' ')),
    );
    fc.assert(
      fc.property(line, (text) => {
        const record = parseRecord(text);
        if (!record) return;
        expect(record.attempt).toMatch(/^[0-9a-f-]{36}$/);
        expect(Number.isInteger(record.agent) && record.agent > 0).toBe(true);
        if (record.is === 'end') expect(Number.isInteger(record.seconds) && record.seconds >= 0).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
