import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { killWords, markedLine, openMark, type RemoteProcess, remoteLine } from '../../controller/transport/remote.ts';

const STAT = `4321 (sh) S 1 4321 4321 0 -1 4194560 ${Array.from({ length: 12 }, (_, index) => index).join(' ')} 987654 rest`;
const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString('utf8');

function take(chunks: readonly Buffer[]) {
  const out: Buffer[] = [];
  const seen: (RemoteProcess | undefined)[] = [];
  const mark = openMark(
    (chunk) => void out.push(chunk),
    (process) => void seen.push(process),
  );
  for (const chunk of chunks) mark.take(chunk);
  return { mark, out, seen };
}

/** Cuts a text into chunks at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe('a line for the login shell', () => {
  it('holds nothing that means anything to any shell but inside single quotes', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }).filter((word) => !word.includes('\0'))), (words) => {
        expect(remoteLine(['x', ...words])).toMatch(/^exec sh -c 'eval "\$\(echo [A-Za-z0-9+/=]+ \| base64 -d\)"'$/);
      }),
    );
  });

  it('is refused when no process could get it', () => {
    expect(() => remoteLine(['x'.repeat(200_000)])).toThrow(RangeError);
    expect(() => markedLine(['a\0b'])).toThrow(RangeError);
  });

  it('names the process to kill as words, never in its script', () => {
    expect(killWords({ pid: '1', start: '2' }).slice(-2)).toEqual(['1', '2']);
  });
});

describe('the mark before a command', () => {
  it('parts its output from what the login shell printed, wherever the chunks are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400)), (places) => {
        const { mark, out, seen } = take(
          cut(Buffer.from(`welcome\nno newline\nmiyabi-fleet:begin ${STAT}\nout miyabi-fleet:begin x\n`), places),
        );
        expect(text(out)).toBe('out miyabi-fleet:begin x\n');
        expect(seen).toEqual([{ pid: '4321', start: '987654' }]);
        expect([mark.isSeen, mark.noise]).toEqual([true, 'welcome\nno newline']);
      }),
    );
  });

  it('keeps noise bounded, and shows it when the mark never comes', () => {
    const { mark, out } = take(Array.from({ length: 1000 }, () => Buffer.alloc(10_000, 'n')));
    expect([out.length, mark.isSeen, mark.noise.length]).toEqual([0, false, 2000]);
  });

  it('tells no process where the system has none to tell', () => {
    expect(take([Buffer.from('\nmiyabi-fleet:begin \nout')]).seen).toEqual([undefined]);
    expect(take([Buffer.from('\nmiyabi-fleet:begin 12 (sh) S 1\n')]).seen).toEqual([undefined]);
  });
});
