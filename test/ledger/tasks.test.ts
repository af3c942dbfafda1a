import { describe, expect, test } from 'vitest';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { readTask, readTasks } from '../../controller/ledger/read.ts';
import { cancelTasks, retryTasks } from '../../controller/ledger/tasks.ts';
import {
  accept,
  aLedger,
  begin,
  beginning,
  eventsOf,
  NOW,
  refusal,
  runTask,
  settle,
  spec,
  statesOf,
} from './scratch.ts';

const FAILED = { reading: { verdict: 'failed' as const }, after: { next: 'failed' as const, reason: 'it broke' } };

describe('tasks that are handed in', () => {
  test('are the same task when handed in again with the same content', async () => {
    const { ledger } = await aLedger();
    expect(await accept(ledger, spec('a'), spec('b', { needs: ['a'] }))).toEqual({ accepted: ['a', 'b'], known: [] });
    expect(await accept(ledger, spec('b', { needs: ['a'] }), spec('c'), spec('a'))).toEqual({
      accepted: ['c'],
      known: ['b', 'a'],
    });
    expect((await readTasks(ledger, { limit: 10 })).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  test('are refused, all of them, when one is known with another content', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    const error = await refusal(accept(ledger, spec('new'), spec('a', { prompt: 'something else' })));
    expect(error).toMatchObject({ code: 'plan-invalid' });
    expect(error.message).toContain('a');
    expect(await statesOf(ledger)).toEqual({ a: 'queued' });
  });

  test('are refused, all of them, when one needs what nobody knows', async () => {
    const { ledger } = await aLedger();
    const error = await refusal(accept(ledger, spec('a'), spec('b', { needs: ['a', 'ghost'] })));
    expect(error.message).toContain('b needs ghost');
    expect(await statesOf(ledger)).toEqual({});
    expect(await eventsOf(ledger)).toEqual([]);
  });

  test('wait for their needs, and say for which; completed ones are not waited for', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('done'));
    await runTask(ledger, 'done', 1);
    await accept(ledger, spec('a', { needs: ['done'] }), spec('b', { needs: ['done', 'a', 'a'] }));
    expect(await readTask(ledger, 'a')).toMatchObject({ state: 'queued', depsLeft: 0, reason: null });
    expect(await readTask(ledger, 'b')).toMatchObject({
      state: 'blocked',
      depsLeft: 1,
      reason: 'needs a',
      needs: ['a', 'done'],
    });
  });

  test('come back as they were said', async () => {
    const { ledger } = await aLedger();
    const full = spec('a', {
      prompt: "'日本'\n$(x)",
      title: 'T',
      category: 'coding',
      kind: 'codex',
      priority: 0,
      agents: [3, 1],
      cwd: '/x y',
      timeout: 90,
      retries: 0,
      env: { A: '1' },
      labels: ['l'],
    });
    await accept(ledger, full);
    const { id, prompt, title, category, kind, priority, agents, cwd, env, labels } = full;
    expect(await readTask(ledger, 'a')).toMatchObject({
      id,
      prompt,
      title,
      category,
      kind,
      priority,
      agents,
      cwd,
      env,
      labels,
      timeoutSeconds: 90,
      retries: 0,
    });
  });

  test('with a shell command of their own are never given to a model', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, { id: 'a', run: 'make' });
    expect(await readTask(ledger, 'a')).toMatchObject({ kind: 'command', run: 'make', prompt: null });
  });

  test('may be hundreds at once, each needing the one before', async () => {
    const { ledger } = await aLedger();
    const specs = Array.from({ length: 900 }, (_, index) =>
      spec(`t${index}`, index === 0 ? {} : { needs: [`t${index - 1}`] }),
    );
    expect((await accept(ledger, ...specs)).accepted).toHaveLength(900);
    expect(await readTasks(ledger, { limit: 1000, states: ['blocked'] })).toHaveLength(899);
  });
});

describe('dependents', () => {
  test('are fired in the moment their last need completes, each exactly once', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'), spec('both', { needs: ['a', 'b'] }), spec('one', { needs: ['a'] }));
    await runTask(ledger, 'a', 1);
    expect(await statesOf(ledger)).toMatchObject({ a: 'completed', both: 'blocked', one: 'queued' });
    expect(await settle(ledger, 'a')).toBe(false);
    expect(await readTask(ledger, 'both')).toMatchObject({ depsLeft: 1 });
    await runTask(ledger, 'b', 1);
    expect(await readTask(ledger, 'both')).toMatchObject({ state: 'queued', depsLeft: 0, reason: null });
    const fired = (await eventsOf(ledger)).filter(({ kind }) => kind === 'task_unblocked').map(({ task }) => task);
    expect(fired).toEqual(['one', 'both']);
  });

  test('of what failed wait with the reason, and so does what needs them', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b', { needs: ['a'] }), spec('c', { needs: ['b'] }), spec('free'));
    await runTask(ledger, 'a', 1, FAILED);
    expect(await statesOf(ledger)).toEqual({ a: 'failed', b: 'parked', c: 'parked', free: 'queued' });
    expect((await readTask(ledger, 'b'))?.reason).toBe('needs a, which failed');
    expect((await readTask(ledger, 'c'))?.reason).toBe('needs b, which is parked');
  });

  test('that were parked wait again when the cause is tried again, and run when it completes', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b', { needs: ['a'] }), spec('c', { needs: ['b'] }));
    await runTask(ledger, 'a', 1, FAILED);
    await inTransaction(ledger, (tx) => retryTasks(tx, ['a'], NOW));
    expect(await statesOf(ledger)).toEqual({ a: 'queued', b: 'blocked', c: 'blocked' });
    await begin(ledger, beginning('a', 1, { attempt: 'second' }));
    await settle(ledger, 'a', { attempt: 'second' });
    expect(await statesOf(ledger)).toEqual({ a: 'completed', b: 'queued', c: 'blocked' });
  });

  test('handed in after their need failed are parked at once, and stay so until the need is tried again', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    await runTask(ledger, 'a', 1, FAILED);
    await accept(ledger, spec('b', { needs: ['a'] }));
    expect(await readTask(ledger, 'b')).toMatchObject({ state: 'parked', reason: 'needs a, which failed' });
    await inTransaction(ledger, (tx) => retryTasks(tx, ['b'], NOW));
    expect(await readTask(ledger, 'b')).toMatchObject({ state: 'parked', reason: 'needs a, which failed' });
    await inTransaction(ledger, (tx) => retryTasks(tx, ['a'], NOW));
    expect(await readTask(ledger, 'b')).toMatchObject({ state: 'blocked', reason: 'needs a' });
  });

  test('are parked by what is parked or cancelled, too', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b', { needs: ['a'] }), spec('x'), spec('y', { needs: ['x'] }));
    await runTask(ledger, 'a', 1, { reading: { verdict: 'quota' }, after: { next: 'parked', reason: 'no money' } });
    await inTransaction(ledger, (tx) => cancelTasks(tx, ['x'], NOW));
    expect((await readTask(ledger, 'b'))?.reason).toBe('needs a, which is parked');
    expect((await readTask(ledger, 'y'))?.reason).toBe('needs x, which was cancelled');
  });
});

describe('cancelling', () => {
  test('takes what does not run at once, asks what runs to end, and leaves what has ended', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('done'), spec('runs'), spec('waits', { needs: ['runs'] }), spec('queued'));
    await runTask(ledger, 'done', 1);
    await begin(ledger, beginning('runs', 1));
    const ids = ['done', 'runs', 'waits', 'queued'];
    const piles = await inTransaction(ledger, (tx) => cancelTasks(tx, ids, NOW));
    expect(piles).toEqual({ cancelled: ['waits', 'queued'], stopping: ['runs'], ended: ['done'] });
    expect(await statesOf(ledger)).toEqual({
      done: 'completed',
      runs: 'running',
      waits: 'cancelled',
      queued: 'cancelled',
    });
    expect(await begin(ledger, beginning('queued', 2))).toEqual([]);
  });

  test('of what nobody knows changes nothing and says so', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    const error = await refusal(inTransaction(ledger, (tx) => cancelTasks(tx, ['a', 'ghost'], NOW)));
    expect(error).toMatchObject({ code: 'not-found', message: expect.stringContaining('ghost') });
    expect(await statesOf(ledger)).toEqual({ a: 'queued' });
  });
});

describe('trying again', () => {
  test('is possible for what failed, was cancelled or is parked, with fresh counters', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('f'), spec('c'), spec('p'));
    await runTask(ledger, 'f', 1, {
      ...FAILED,
      after: { ...FAILED.after, counters: { faults: 3, platformFaults: 2, waits: 1 } },
    });
    await runTask(ledger, 'p', 1, { reading: { verdict: 'quota' }, after: { next: 'parked', reason: 'no money' } });
    await inTransaction(ledger, (tx) => cancelTasks(tx, ['c'], NOW));
    expect(await inTransaction(ledger, (tx) => retryTasks(tx, ['f', 'c', 'p'], NOW))).toEqual(['f', 'c', 'p']);
    expect(await readTask(ledger, 'f')).toMatchObject({
      state: 'queued',
      faults: 0,
      platformFaults: 0,
      waits: 0,
      endedAt: null,
    });
    expect(await statesOf(ledger)).toEqual({ f: 'queued', c: 'queued', p: 'queued' });
  });

  test('is refused, all of it, for what is queued, runs or is completed', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('f'), spec('done'), spec('q'));
    await runTask(ledger, 'f', 1, FAILED);
    await runTask(ledger, 'done', 1);
    const error = await refusal(inTransaction(ledger, (tx) => retryTasks(tx, ['f', 'done', 'q'], NOW)));
    expect(error).toMatchObject({
      code: 'unlawful',
      message: expect.stringContaining('done is completed, q is queued'),
    });
    expect(await statesOf(ledger)).toMatchObject({ f: 'failed' });
  });
});
