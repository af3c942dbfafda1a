import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { startAttempts, stopAttempts } from '../../controller/ledger/attempts.ts';
import { isHeard, readLastConversation } from '../../controller/ledger/conversation.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { readAttempts, readConversation, readSnapshot, readTask, readUsage } from '../../controller/ledger/read.ts';
import { pauseAgents, saveSights } from '../../controller/ledger/sights.ts';
import { accept, aLedger, begin, beginning, eventsOf, NOW, runTask, settle, spec, statesOf } from './scratch.ts';

const usage = (response: string) => ({ response, model: 'm', inputTokens: 10, cachedTokens: 4, outputTokens: 2 });
const LATER = { next: 'queued' as const, reason: 'again', notBefore: NOW + 5000 };

describe('an attempt is begun', () => {
  test('only for a task that is queued, and the task runs from then on', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b', { needs: ['a'] }));
    const begun = await begin(ledger, beginning('a', 1), beginning('b', 2), beginning('ghost', 3));
    expect(begun.map(({ task }) => task)).toEqual(['a']);
    expect(await statesOf(ledger)).toEqual({ a: 'running', b: 'blocked' });
    expect(await begin(ledger, beginning('a', 4, { attempt: 'other' }))).toEqual([]);
  });

  test('never on an agent that is paused or has one open, also within one plan', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'), spec('c'));
    const agent = {
      number: 2,
      node: 'here',
      category: null,
      kind: 'command',
      state: 'idle' as const,
      task: null,
      since: NOW,
      evidence: '',
    };
    await inTransaction(ledger, async (tx) => {
      await saveSights(tx, [], [agent]);
      await pauseAgents(tx, [2], true, NOW);
    });
    const begun = await begin(ledger, beginning('a', 1), beginning('b', 1), beginning('c', 2));
    expect(begun.map(({ task }) => task)).toEqual(['a']);
    expect((await readSnapshot(ledger, NOW, 10)).paused).toEqual(new Set([2]));
    await inTransaction(ledger, (tx) => pauseAgents(tx, [2], false, NOW));
    expect(await begin(ledger, beginning('c', 2))).toHaveLength(1);
  });

  test('never before its task has waited long enough', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    await runTask(ledger, 'a', 1, { reading: { verdict: 'failed' }, after: LATER });
    expect(await begin(ledger, beginning('a', 1, { attempt: 'early' }))).toEqual([]);
    expect((await readSnapshot(ledger, NOW, 10)).nextReadyAt).toBe(NOW + 5000);
    expect((await readSnapshot(ledger, NOW + 5000, 10)).ready).toHaveLength(1);
  });

  test('with the number of tries so far', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    for (const attempt of ['one', 'two', 'three']) {
      await begin(ledger, beginning('a', 1, { attempt }));
      await settle(ledger, 'a', { attempt, reading: { verdict: 'failed' }, after: { ...LATER, notBefore: 0 } });
    }
    expect(
      (await readAttempts(ledger, { task: 'a', limit: 10 }))
        .map(({ ordinal }) => ordinal)
        .toSorted((one, other) => one - other),
    ).toEqual([1, 2, 3]);
  });

  test('and the file itself cannot hold two that are open, of one task or on one agent', async () => {
    const { ledger, path } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    await begin(ledger, beginning('a', 1));
    const database = new DatabaseSync(path);
    const insert = (id: string, task: string, agent: number, state: string) =>
      database.exec(
        `INSERT INTO attempt (id, task, agent, node, ordinal, kind, state, boot, hash, is_restart, intended_at)
          VALUES ('${id}', '${task}', ${agent}, 'n', 9, 'k', '${state}', 'b', 'h', 0, 0)`,
      );
    expect(() => insert('x', 'a', 2, 'intended')).toThrow(/UNIQUE/);
    expect(() => insert('x', 'b', 1, 'started')).toThrow(/UNIQUE/);
    expect(() => insert('x', 'b', 1, 'dancing')).toThrow(/CHECK/);
    expect(() => insert('x', 'b', 1, 'ended')).not.toThrow();
    database.close();
  });
});

describe('an attempt is settled', () => {
  test('once: what is told again, or of an id nobody knows, changes nothing', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    await begin(ledger, beginning('a', 1));
    expect(await settle(ledger, 'a')).toBe(true);
    const events = await eventsOf(ledger);
    expect(await settle(ledger, 'a', { reading: { verdict: 'failed' }, after: { next: 'failed' } })).toBe(false);
    expect(await settle(ledger, 'ghost')).toBe(false);
    expect(await statesOf(ledger)).toEqual({ a: 'completed' });
    expect(await eventsOf(ledger)).toEqual(events);
  });

  test('began when its node says so, but never before it was intended', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    await begin(ledger, beginning('a', 1), beginning('b', 2));
    await inTransaction(ledger, async (tx) => {
      await startAttempts(tx, 'here', ['attempt-of-a'], NOW + 9000, NOW + 4000);
      await startAttempts(tx, 'here', ['attempt-of-b'], NOW + 9000, NOW - 1e12);
    });
    const startOf = async (task: string) => (await readAttempts(ledger, { task, limit: 1 }))[0]?.startedAt;
    expect([await startOf('a'), await startOf('b')]).toEqual([NOW + 4000, NOW]);
  });

  test('also when nobody told of its start', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    await begin(ledger, beginning('a', 1), beginning('b', 2));
    await inTransaction(ledger, (tx) => startAttempts(tx, 'here', ['attempt-of-a', 'ghost'], NOW));
    await settle(ledger, 'a');
    await settle(ledger, 'b');
    await inTransaction(ledger, (tx) => startAttempts(tx, 'here', ['attempt-of-b'], NOW));
    const [attempt] = await readAttempts(ledger, { task: 'b', limit: 1 });
    expect(attempt).toMatchObject({ state: 'ended', startedAt: null });
    expect((await eventsOf(ledger)).filter(({ kind }) => kind === 'attempt_started').map(({ task }) => task)).toEqual([
      'a',
    ]);
  });

  test('and frees its agent in the same moment', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    await runTask(ledger, 'a', 1);
    expect((await readSnapshot(ledger, NOW, 10)).open).toEqual([]);
    expect(await begin(ledger, beginning('b', 1))).toHaveLength(1);
  });

  test('and each response of a model is counted once in the whole ledger, however often it is read', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    await runTask(ledger, 'a', 1, { reading: { usage: [usage('r1'), usage('r2'), usage('r1')] } });
    await runTask(ledger, 'b', 1, { reading: { usage: [usage('r2'), usage('r3')] } });
    expect(await readUsage(ledger)).toEqual({ responses: 3, inputTokens: 30, cachedTokens: 12, outputTokens: 6 });
    expect(await readUsage(ledger, 'b')).toMatchObject({ responses: 1 });
    expect(await readUsage(ledger, 'ghost')).toEqual({
      responses: 0,
      inputTokens: 0,
      cachedTokens: 0,
      outputTokens: 0,
    });
  });

  test('and its conversation goes on at the same agent, in a lane of its own, only where that is wished', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    const again = {
      reading: { verdict: 'lost' as const, conversation: 'talk', usage: [usage('r1')] },
      after: { next: 'queued' as const, reason: 'lost' },
    };
    await runTask(ledger, 'a', 3, { ...again, resume: true });
    await runTask(ledger, 'b', 4, { ...again, resume: false });
    const { ready } = await readSnapshot(ledger, NOW, 10);
    expect(ready).toMatchObject([
      { id: 'a', resumesOn: { agent: 3, node: 'here' }, isRestart: true },
      { id: 'b', resumesOn: null, isRestart: true },
    ]);
    expect(await readConversation(ledger, 'a')).toBe('talk');
    expect(await readConversation(ledger, 'b')).toBeNull();
  });

  test('and one in which the model never answered is begun anew, unless it was gone on with before', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'), spec('c'));
    const reading = { verdict: 'lost' as const, conversation: 'talk', usage: [], answer: null };
    const again = { reading, resume: true, after: { next: 'queued' as const, reason: 'lost' } };
    await runTask(ledger, 'a', 1, again);
    expect(await readConversation(ledger, 'a')).toBeNull();
    expect(await isHeard(ledger, 'a')).toBe(false);
    await runTask(ledger, 'b', 2, { ...again, reading: { ...reading, answer: 'I begin.' } });
    expect(await readConversation(ledger, 'b')).toBe('talk');
    expect(await isHeard(ledger, 'b')).toBe(true);
    await begin(ledger, beginning('c', 3, { resumes: 'talk' }));
    await settle(ledger, 'c', again);
    expect(await readConversation(ledger, 'c')).toBe('talk');
    expect(await isHeard(ledger, 'c')).toBe(false);
  });

  test('and one that was told to wait has asked: its conversation goes on; on a full disk it does, too, unproven', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    const cut = (verdict: 'rate-limit' | 'disk') => ({
      reading: { verdict, conversation: 'talk', usage: [], answer: null },
      ...{ resume: true, after: { next: 'queued' as const, reason: verdict } },
    });
    await runTask(ledger, 'a', 1, cut('rate-limit'));
    await runTask(ledger, 'b', 2, cut('disk'));
    expect([await readConversation(ledger, 'a'), await isHeard(ledger, 'a')]).toEqual(['talk', true]);
    expect([await readConversation(ledger, 'b'), await isHeard(ledger, 'b')]).toEqual(['talk', false]);
  });

  test('and what an agent last talked about is the last conversation in which it was heard', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'), spec('c'));
    const reading = (conversation: string, answer: string | null) => ({
      verdict: 'lost' as const,
      conversation,
      usage: [],
      answer,
    });
    const after = { next: 'queued' as const, reason: 'lost' };
    await runTask(ledger, 'a', 1, { reading: reading('good', 'well'), after });
    await runTask(ledger, 'b', 1, { reading: reading('unheard', null), after });
    expect(await readLastConversation(ledger, 1)).toMatchObject({ id: 'good' });
    await begin(ledger, beginning('c', 1, { resumes: 'good' }));
    expect(await readLastConversation(ledger, 1)).toMatchObject({ id: 'good' });
  });

  test('and restarts after a fault of the platform are counted for the brake', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    await begin(ledger, beginning('a', 1, { isRestart: true }), beginning('b', 2));
    expect((await readSnapshot(ledger, NOW + 59_000, 10)).restartsLastMinute).toBe(1);
    expect((await readSnapshot(ledger, NOW + 61_000, 10)).restartsLastMinute).toBe(0);
  });
});

describe('attempts are to end', () => {
  test('each with the first reason given, and only those that are open', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'), spec('c'));
    await runTask(ledger, 'c', 3);
    await begin(ledger, beginning('a', 1), beginning('b', 2));
    expect(await inTransaction(ledger, (tx) => stopAttempts(tx, { agents: [1, 3] }, 'restarted', NOW))).toEqual([
      'attempt-of-a',
    ]);
    expect(await inTransaction(ledger, (tx) => stopAttempts(tx, { all: true }, 'shutdown', NOW))).toEqual([
      'attempt-of-b',
    ]);
    const { open } = await readSnapshot(ledger, NOW, 10);
    expect(Object.fromEntries(open.map(({ task, stopping }) => [task, stopping]))).toEqual({
      a: 'restarted',
      b: 'shutdown',
    });
  });

  test('and a task that then completed anyhow stays completed', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    await begin(ledger, beginning('a', 1));
    await inTransaction(ledger, (tx) => stopAttempts(tx, { all: true }, 'cancelled', NOW));
    await settle(ledger, 'a');
    expect((await readTask(ledger, 'a'))?.state).toBe('completed');
  });
});
