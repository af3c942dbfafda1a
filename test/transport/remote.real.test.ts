import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markedLine, openMark, remoteLine } from '../../controller/transport/remote.ts';
import { have } from '../support/capability.ts';

const SHELLS = ['sh', 'bash', 'zsh', 'fish', 'csh', 'tcsh'];
const isThere = (shell: string) => (shell === 'fish' ? have('fish') : spawnSync(shell, ['-c', 'true']).status === 0);

/** Runs a line as sshd has a login shell run it. */
function runBy(shell: string, line: string): string {
  const { stdout, stderr } = spawnSync(shell, ['-c', line], { encoding: 'utf8', timeout: 20_000 });
  return stdout + stderr;
}

describe.each(SHELLS)('under the login shell %s', (shell) => {
  it.skipIf(!isThere(shell))(`words arrive as they are (needs ${shell})`, () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '',
        "'",
        '"',
        '\\',
        '$HOME',
        '`',
        '!',
        '!!',
        '\n',
        'a\n',
        '~',
        '*',
        '-e',
        '%',
        '(x)',
        '日本',
        '\u{1F600}',
      ),
    );
    const words = fc.array(
      word.filter((one) => !one.includes('\0')),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(words, (given) => {
        const wanted = given.map((one) => `[${one}]`).join('');
        expect(runBy(shell, remoteLine(['printf', '[%s]', ...given]))).toBe(Buffer.from(wanted).toString('utf8'));
      }),
      { numRuns: 15 },
    );
  });

  it.skipIf(!isThere(shell))(`the command is the very process that was begun (needs ${shell})`, () => {
    const chunks: Buffer[] = [];
    let pid: string | undefined;
    const mark = openMark(
      (chunk) => void chunks.push(chunk),
      (process) => {
        pid = process?.pid;
      },
    );
    const child = spawnSync(shell, ['-c', markedLine(['sh', '-c', 'echo $$'])], { timeout: 20_000 });
    mark.take(child.stdout);
    expect(Buffer.concat(chunks).toString('utf8').trim()).toBe(pid);
    expect(pid).toBe(String(child.pid));
  });
});
