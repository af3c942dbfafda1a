import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shellLine } from '../../controller/transport/command.ts';
import { anyText } from './text.ts';

/** What a POSIX shell makes of quoted words, many in one process. */
function throughShell(words: readonly string[]): string[] {
  const script = `LC_ALL=C; printf '%s\\0' ${shellLine(words)}`;
  const out = execFileSync('sh', ['-s'], { input: script, maxBuffer: 64 * 1024 * 1024 });
  return out.toString('utf8').split('\0').slice(0, -1);
}

const NASTY = [
  '',
  ' ',
  "'",
  "''",
  "'\\''",
  '"',
  '`id`',
  '$(id)',
  '$HOME',
  '\\',
  '\\\n',
  '\n',
  '\r\n',
  '\t',
  '*',
  '?',
  '[a]',
  '~',
  '~root',
  '!',
  '!!',
  '#',
  '# no comment',
  '-n',
  '--',
  '-',
  ';',
  '&&',
  '|',
  '>',
  '<(x)',
  '{a,b}',
  '%s',
  '\\0',
  '\x01\x7f\x1b[31m',
  '日本語',
  '👍🏽',
  'a=b',
  '=ls',
  '\u2028',
  'ﬀ',
  '\u{10ffff}',
  'it\'s "all" $HERE `now` \\ \n end ',
];

describe('a shell word, in a shell', () => {
  test('means exactly itself, for every word that ever hurt anybody', () => {
    expect(throughShell(NASTY)).toEqual(NASTY);
  });

  test('means exactly itself, for any text without NUL', () => {
    fc.assert(
      fc.property(fc.array(anyText(40), { minLength: 200, maxLength: 300 }), (words) => {
        expect(throughShell(words)).toEqual(words);
      }),
      { numRuns: 5 },
    );
  });
});
