import { describe, expect, test } from 'vitest';
import { Secret } from '../../controller/secret.ts';
import type { Command } from '../../controller/transport/command.ts';
import { openLocal } from '../../controller/transport/local.ts';
import { stdoutOf } from '../../controller/transport/outcome.ts';

const here = openLocal({ PATH: process.env.PATH, ONLY: 'this' });
const sh = (script: string, different: Partial<Command> = {}): Command => ({
  words: ['sh', '-c', script],
  secondsMax: 10,
  bytesMax: 100_000,
  ...different,
});

/** Resolves when no process of that group is left; rejects after some seconds. */
async function gone(group: number): Promise<void> {
  await expect
    .poll(
      () => {
        try {
          process.kill(-group, 0);
          return 'there';
        } catch {
          return 'gone';
        }
      },
      { timeout: 5000 },
    )
    .toBe('gone');
}

describe('a command on this machine', () => {
  test('gives its output, its complaint and its code', async () => {
    expect(await here.run(sh('echo out; echo err >&2; exit 3'))).toEqual({
      is: 'exited',
      code: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  test('gets its input whole, also a secret one, and none where there is none', async () => {
    const text = `a\u{1F600}\n'$(x)\n${'日本'.repeat(20_000)}`;
    expect(stdoutOf(await here.run(sh('cat', { input: text, bytesMax: 1_000_000 })))).toBe(text);
    expect(stdoutOf(await here.run(sh('cat', { input: new Secret('shh') })))).toBe('shh');
    expect(stdoutOf(await here.run(sh('cat')))).toBe('');
  });

  test('gets its words exactly, and only the environment it was given', async () => {
    const words = ['sh', '-c', 'printf "%s|" "$@"; env | grep -c ONLY', 'sh', '', "it's", '$HOME', '-n', 'a\nb'];
    expect(stdoutOf(await here.run({ words, secondsMax: 10, bytesMax: 1000 }))).toBe("|it's|$HOME|-n|a\nb|1\n");
    expect(stdoutOf(await here.run(sh('env | grep -c HOME')))).toBeUndefined();
  });

  test('that does not read its input is no failure', async () => {
    expect(await here.run(sh('exec <&-; exit 0', { input: 'x'.repeat(5_000_000) }))).toMatchObject({
      is: 'exited',
      code: 0,
    });
  });

  test('that was killed is said with its signal', async () => {
    expect(await here.run(sh('kill -9 $$'))).toMatchObject({ is: 'exited', signal: 'SIGKILL' });
  });

  test('that does not exist is unreachable, never an exception', async () => {
    expect(await here.run({ words: ['/no/such/program'], secondsMax: 5, bytesMax: 10 })).toMatchObject({
      is: 'unreachable',
    });
  });

  test('is ended with all its children at its time limit, and what it said until then is there', async () => {
    const outcome = await here.run(sh('echo $$; sleep 60 & sleep 60', { secondsMax: 0.3 }));
    if (outcome.is !== 'timed-out') throw new Error(outcome.is);
    expect(outcome.seconds).toBe(0.3);
    await gone(Number(outcome.stdout));
  });

  test('is ended when it says too much', async () => {
    const outcome = await here.run(sh('yes', { bytesMax: 10_000 }));
    expect(outcome.is).toBe('too-long');
  });

  test('is ended when nobody wants it any more, also before it began', async () => {
    const stop = new AbortController();
    const running = here.run(sh('sleep 60'), stop.signal);
    stop.abort();
    expect(await running).toEqual({ is: 'cancelled' });
    expect(await here.run(sh('sleep 60'), stop.signal)).toEqual({ is: 'cancelled' });
  });
});

describe('a conversation on this machine', () => {
  test('carries lines both ways and ends when we close it', async () => {
    const lines: string[] = [];
    const stream = await here.open(
      ['sh', '-c', 'while read -r line; do echo "got $line"; done; echo bye'],
      (line) => void lines.push(line),
    );
    stream.write('one\ntwo\n');
    await expect.poll(() => lines, { timeout: 5000 }).toEqual(['got one', 'got two']);
    stream.close();
    expect(await stream.ended).toBe('ended with code 0');
  });

  test('tells by what it ended: its complaint, its signal, or that it never began', async () => {
    expect(await (await here.open(['sh', '-c', 'echo no room >&2; exit 5'], () => {})).ended).toBe('no room');
    expect(await (await here.open(['sh', '-c', 'kill -9 $$'], () => {})).ended).toBe('ended with SIGKILL');
    expect(await (await here.open(['/no/such/program'], () => {})).ended).toContain('ENOENT');
  });

  test('ends with its program, though a child of that holds the output open', async () => {
    const lines: string[] = [];
    const stream = await here.open(['sh', '-c', 'sleep 60 & echo $!'], (line) => void lines.push(line));
    await stream.ended;
    await expect.poll(() => lines.length, { timeout: 5000 }).toBe(1);
    process.kill(Number(lines[0]), 'SIGKILL');
  });

  test('takes what is written after its end without a word', async () => {
    const stream = await here.open(['true'], () => {});
    await stream.ended;
    stream.write('too late\n');
    stream.close();
  });
});
