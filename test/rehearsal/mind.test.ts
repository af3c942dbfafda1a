import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Result, Turn } from '../../controller/rehearsal/dialect.ts';
import { CRASH_SCRIPT, countTokens, lastScript, think } from '../../controller/rehearsal/mind.ts';

const user = (text: string): Turn => ({ by: 'user', text });
const block = (script: string) => `\`\`\`sh\n${script}\n\`\`\``;
const run = (script: string, id = 'c1'): Turn => ({ by: 'call', id, act: { do: 'run', script } });
const wait = (session: number): Turn => ({ by: 'call', id: 'c2', act: { do: 'wait', session } });
const gave = (result: Result, call = 'c1'): Turn => ({ by: 'result', call, result });
const ended = (exit: number, output: string): Result => ({ is: 'ended', exit, output });
const lost: Result = { is: 'lost', output: 'aborted' };
const running: Result = { is: 'running', session: 9 };

const prompt = user(`Do this.\n\n${block('make all')}\n`);
const resume = user('Go on where you were.');
const runs = (script: string) => ({ is: 'act', act: { do: 'run', script } });
const says = (text: string) => ({ is: 'text', text });

describe('the mind of the stand-in', () => {
  const rows: [string, Turn[], boolean, unknown][] = [
    ['a prompt with a script is run', [prompt], false, runs('make all')],
    [
      'a good end is told with its last line',
      [prompt, run('make all'), gave(ended(0, 'a\nb\n\n'))],
      false,
      says('Done. b'),
    ],
    ['a silent good end is told', [prompt, run('make all'), gave(ended(0, ''))], false, says('Done.')],
    [
      'a bad end is told with its exit code',
      [prompt, run('make all'), gave(ended(3, 'x\nno rule\n'))],
      false,
      says('The command failed with exit code 3. no rule'),
    ],
    ['a prompt without a script is answered at once', [user('Hello there.\nmore')], false, says('Noted: Hello there.')],
    [
      'a command that goes on is waited for',
      [prompt, run('make all'), gave(running)],
      false,
      { is: 'act', act: { do: 'wait', session: 9 } },
    ],
    [
      'the end of a wait is the end',
      [prompt, run('make all'), gave(running), wait(9), gave(ended(0, 'late'), 'c2')],
      false,
      says('Done. late'),
    ],
    [
      'a refused command is not tried again',
      [prompt, run('make all'), gave(lost)],
      false,
      says('The command could not be run. aborted'),
    ],
    ['a run lost in a crash is done again', [prompt, run('make all'), gave(lost), resume], false, runs('make all')],
    ['a run whose result is not even noted is done again', [prompt, run('make all'), resume], false, runs('make all')],
    [
      'a command that went on in a dead CLI is done again',
      [prompt, run('make all'), gave(running), resume],
      false,
      runs('make all'),
    ],
    [
      'a run that ended is not done again after a resume',
      [prompt, run('make all'), gave(ended(0, 'ok')), resume],
      false,
      says('Done. ok'),
    ],
    [
      'a run that ended is not done again when the resume repeats the prompt',
      [prompt, run('make all'), gave(ended(0, 'ok')), prompt],
      false,
      says('Done. ok'),
    ],
    [
      'a new script in a later message is run',
      [prompt, run('make all'), gave(ended(0, 'ok')), user(block('make test'))],
      false,
      runs('make test'),
    ],
    ['a crashing attempt kills its CLI first', [prompt], true, runs(CRASH_SCRIPT)],
    ['after the crash the script is run', [prompt, run(CRASH_SCRIPT), gave(lost), resume], false, runs('make all')],
    ['a CLI that survives the crash goes on', [prompt, run(CRASH_SCRIPT), gave(ended(0, ''))], true, runs('make all')],
  ];
  test.each(rows)('%s', (_, turns, crashing, expected) => {
    expect(think(turns, crashing)).toEqual(expected);
  });

  test('a script that is lost again and again is given up', () => {
    const again = Array.from({ length: 10 }, () => [run('make all'), gave(lost), resume]).flat();
    expect(think([prompt, ...again], false)).toMatchObject({ is: 'text' });
    expect(think([prompt, ...again.slice(3)], false)).toEqual(runs('make all'));
  });

  test('the last block of the last message that has one is the script', () => {
    const text = `${block('one')}\nthen\n${block('two\nthree')}\nbye`;
    expect(lastScript([user(text), resume])).toBe('two\nthree');
    expect(lastScript([user('```bash\nno\n```'), user('```sh\n\n```')])).toBeUndefined();
    expect(lastScript([user('```sh\r\necho hi\r\n```\r\n')])).toBe('echo hi');
  });

  test('tokens grow with the request, and the cached ones are a part of them', () => {
    fc.assert(
      fc.property(fc.nat(5_000_000), fc.boolean(), (bytes, begun) => {
        const turns = begun ? [prompt, run('make all')] : [prompt];
        const count = countTokens(bytes, turns, { is: 'text', text: 'Done.' });
        expect(count.cachedTokens).toBeLessThanOrEqual(count.inputTokens);
        expect(count.inputTokens).toBe(Math.ceil(bytes / 4));
        expect(count.outputTokens).toBeGreaterThan(0);
      }),
    );
  });
});
