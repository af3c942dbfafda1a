import { describe, expect, test } from 'vitest';
import { inTransaction, type Ledger } from '../../controller/ledger/ledger.ts';
import { parkAttempts, unparkAttempts } from '../../controller/ledger/parking.ts';
import { readAttempts, readSnapshot, readTask } from '../../controller/ledger/read.ts';
import { cancelTasks, retryTasks } from '../../controller/ledger/tasks.ts';
import { accept, aLedger, begin, beginning, NOW, refusal, settle, spec, statesOf } from './scratch.ts';

const WHY = 'mugen is not heard';

/** A task that runs on a node that is not heard any more, and one that needs it. */
async function aParkedTask(): Promise<Ledger> {
  const { ledger } = await aLedger();
  await accept(ledger, spec('a'), spec('b', { needs: ['a'] }));
  await begin(ledger, beginning('a', 1));
  await inTransaction(ledger, (tx) => parkAttempts(tx, [{ attempt: 'attempt-of-a', why: WHY }], NOW));
  return ledger;
}

const retry = (ledger: Ledger, isDead: boolean) => inTransaction(ledger, (tx) => retryTasks(tx, ['a'], NOW, isDead));

describe('a task whose node is not heard', () => {
  test('is parked with the reason, and so is what needs it; its attempt stays open', async () => {
    const ledger = await aParkedTask();
    expect(await statesOf(ledger)).toEqual({ a: 'parked', b: 'parked' });
    expect((await readTask(ledger, 'a'))?.reason).toBe(WHY);
    expect((await readSnapshot(ledger, NOW, 10)).open).toMatchObject([{ id: 'attempt-of-a', isParked: true }]);
  });

  test('runs as before when the node is back, and what needs it waits again', async () => {
    const ledger = await aParkedTask();
    await inTransaction(ledger, (tx) => unparkAttempts(tx, ['attempt-of-a'], NOW));
    expect(await statesOf(ledger)).toEqual({ a: 'running', b: 'blocked' });
    await settle(ledger, 'a');
    expect(await statesOf(ledger)).toEqual({ a: 'completed', b: 'queued' });
  });

  test('completes at once when the node comes back with its end', async () => {
    const ledger = await aParkedTask();
    await settle(ledger, 'a');
    expect(await statesOf(ledger)).toEqual({ a: 'completed', b: 'queued' });
  });

  test('is not tried again before somebody says that its attempt is dead', async () => {
    const ledger = await aParkedTask();
    const error = await refusal(retry(ledger, false));
    expect(error).toMatchObject({ code: 'unlawful', message: 'a may still run on here' });
    expect(error.hint).toContain('--assume-dead');
    expect(await retry(ledger, true)).toEqual(['a']);
    expect(await statesOf(ledger)).toEqual({ a: 'queued', b: 'blocked' });
    expect(await readAttempts(ledger, { task: 'a', limit: 5 })).toMatchObject([{ state: 'lost', verdict: 'lost' }]);
  });

  test('stays with its second attempt when the first, said to be dead, turns up with an end', async () => {
    const ledger = await aParkedTask();
    await retry(ledger, true);
    await begin(ledger, beginning('a', 2, { attempt: 'second' }));
    expect(await settle(ledger, 'a')).toBe(false);
    expect(await statesOf(ledger)).toMatchObject({ a: 'running' });
  });

  test('that a person cancels stays cancelled when the node is back, and its attempt is to be ended', async () => {
    const ledger = await aParkedTask();
    await inTransaction(ledger, (tx) => cancelTasks(tx, ['a'], NOW));
    await inTransaction(ledger, (tx) => unparkAttempts(tx, ['attempt-of-a'], NOW));
    expect(await statesOf(ledger)).toMatchObject({ a: 'cancelled' });
    expect((await readSnapshot(ledger, NOW, 10)).open).toMatchObject([{ stopping: 'cancelled', isParked: false }]);
    await settle(ledger, 'a');
    expect(await statesOf(ledger)).toEqual({ a: 'cancelled', b: 'parked' });
    const told = await ledger.selectFrom('event').select('kind').where('task', '=', 'a').execute();
    expect(told.map(({ kind }) => kind)).not.toContain('task_completed');
  });
});
