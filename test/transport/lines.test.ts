import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitLines } from '../../controller/transport/lines.ts';
import { LINE_BYTES_MAX } from '../../controller/transport/transport.ts';

function split(chunks: readonly (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const take = splitLines((line) => void lines.push(line));
  for (const chunk of chunks) take(Buffer.from(chunk as string));
  return lines;
}

describe('the lines of a stream', () => {
  test('are the same wherever it was cut, also in the middle of a character', () => {
    const text = fc.array(
      fc.string({ unit: 'grapheme', maxLength: 20 }).map((line) => line.replaceAll('\n', '')),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(text, fc.array(fc.nat(500), { maxLength: 10 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        expect(split(chunks)).toEqual(lines);
      }),
    );
  });

  test('keep a last one without its end back: it may be torn', () => {
    expect(split(['whole\nto', 'rn'])).toEqual(['whole']);
  });

  test('are cut when too long: the beginning is given once, the rest is dropped, the next is whole', () => {
    const long = 'x'.repeat(LINE_BYTES_MAX + 1);
    expect(split([long, long, 'tail\nnext\n'])).toEqual(['x'.repeat(LINE_BYTES_MAX), 'next']);
  });

  test('never throw on bytes that are no text', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
        const bytes = Buffer.concat(chunks);
        expect(split(chunks.map((chunk) => Buffer.from(chunk)))).toHaveLength(
          bytes.filter((byte) => byte === 10).length,
        );
      }),
    );
  });
});
