import { describe, expect, test } from 'vitest';
import { eachOf, resultOf } from '../../controller/cli/commands/exec.ts';
import { FleetError } from '../../controller/errors.ts';

describe('work on many nodes', () => {
  test('is done on at most so many at once, and told in the order of the nodes', async () => {
    let [running, most] = [0, 0];
    const waiting: (() => void)[] = [];
    const work = async (number: number) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => waiting.push(resolve));
      running -= 1;
      return number * 2;
    };
    const items = Array.from({ length: 20 }, (_, index) => index);
    const all = eachOf(items, 4, work);
    for (let done = 0; done < items.length; done += 1) {
      await expect.poll(() => waiting.length).toBeGreaterThan(0);
      waiting.pop()?.(); // the last begun ends first
    }
    expect(await all).toEqual(items.map((number) => number * 2));
    expect(most).toBe(4);
  });

  test('is nothing where there are none', async () => {
    expect(await eachOf([], 4, async () => 1)).toEqual([]);
  });
});

describe('what became of a command on a node', () => {
  test('is its exit and its output', () => {
    const outcome = { is: 'exited', code: 7, signal: null, stdout: 'a', stderr: 'b' } as const;
    expect(resultOf('n', outcome)).toEqual({ node: 'n', is: 'exited', code: 7, stdout: 'a', stderr: 'b', error: null });
  });

  test('is the failure in words, and never an exit code, when there was none', () => {
    const failure = new FleetError('login-refused', 'no key is accepted', { hint: 'ssh-add' });
    const error = { code: 'login-refused', message: 'no key is accepted', hint: 'ssh-add' };
    expect(resultOf('n', { is: 'unreachable', failure })).toMatchObject({ code: null, error });
    const late = resultOf('n', { is: 'timed-out', seconds: 3, stdout: 'half', stderr: '' });
    expect(late).toMatchObject({ code: null, stdout: 'half', error: { code: 'time-limit' } });
    expect(resultOf('n', { is: 'too-long', bytes: 1e9 })).toMatchObject({ code: null, error: { code: 'protocol' } });
    expect(resultOf('n', { is: 'cancelled' })).toMatchObject({
      code: null,
      error: { message: expect.stringContaining('cancelled') },
    });
  });
});
