import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseReportLine } from '../../controller/node/report.ts';

describe('a line of a node’s report', () => {
  test.each<[string, object]>([
    ['node 86400 1.25 8388608', { is: 'machine', uptimeSeconds: 86_400, load: 1.25, availableKiB: 8_388_608 }],
    ['attempt some-id 007 1024 3', { is: 'attempt', attempt: 'some-id', agent: 7, bytes: 1024, silentSeconds: 3 }],
    ['sessions a-001 a-002 ', { is: 'sessions', names: ['a-001', 'a-002'] }],
    ['sessions ', { is: 'sessions', names: [] }],
  ])('%s is understood', (line, report) => {
    expect(parseReportLine(line)).toEqual(report);
  });

  test.each([
    '',
    'node',
    'node 1 2',
    'node 1 2 3 4',
    'node 1 x 3',
    'node Infinity 1 1',
    'attempt id 1 2',
    'attempt id 1 2 x',
    'attempts a 1 2 3',
    'report',
  ])('%j is not', (line) => {
    expect(parseReportLine(line)).toBeUndefined();
  });

  test('never makes the reader throw, and never gives a number that is none', () => {
    const token = fc.oneof(
      fc.constantFrom('node', 'attempt', 'sessions', '1', '-1', '1e999', 'NaN', ''),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 8 }).map((tokens) => tokens.join(' ')),
        (line) => {
          const report = parseReportLine(line) ?? { is: 'nothing' };
          for (const value of Object.values(report))
            if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
