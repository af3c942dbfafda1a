import { describe, expect, test } from 'vitest';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import {
  countTasks,
  readAgents,
  readFleetState,
  readNodes,
  readSnapshot,
  readTasks,
} from '../../controller/ledger/read.ts';
import { moveFleet, readIntentResult, saveIntent, saveSights } from '../../controller/ledger/sights.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { accept, aLedger, begin, beginning, eventsOf, NOW, runTask, spec } from './scratch.ts';

const node = (name: string) => ({
  name,
  state: 'up' as const,
  via: 'local',
  vcpu: 4,
  memoryGiB: 7.5,
  boot: 'b',
  epoch: 3,
  evidence: 'greeted',
  seenAt: NOW,
});
const agent = (number: number) => ({
  number,
  node: 'a',
  category: null,
  kind: 'command',
  state: 'idle' as const,
  task: null,
  since: NOW,
  evidence: 'seen',
});

describe('the look of one tick', () => {
  test('takes the first few of every lane, best first over all of them', async () => {
    const { ledger } = await aLedger();
    const lane = (name: string, different: object) =>
      Array.from({ length: 5 }, (_, index) => spec(`${name}${index}`, different));
    await accept(
      ledger,
      ...lane('plain', { priority: 2 }),
      ...lane('coding', { category: 'coding', priority: 1 }),
      ...lane('aimed', { agents: [3], priority: 3 }),
      spec('urgent', { priority: 0 }),
      spec('codex', { kind: 'codex', priority: 1 }),
    );
    const { ready } = await readSnapshot(ledger, NOW, 2);
    expect(ready.map(({ id }) => id)).toEqual(['urgent', 'coding0', 'coding1', 'codex', 'plain0', 'aimed0', 'aimed1']);
    expect(ready.at(-1)).toMatchObject({ agents: [3], category: null });
  });

  test('goes by the order of acceptance where priorities are equal', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('z'), spec('a'));
    await accept(ledger, spec('m'));
    expect((await readSnapshot(ledger, NOW, 10)).ready.map(({ id }) => id)).toEqual(['z', 'a', 'm']);
  });

  test('leaves out what runs, waits, or has ended', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('runs'), spec('waits', { needs: ['runs'] }), spec('done'), spec('queued'));
    await runTask(ledger, 'done', 1);
    await begin(ledger, beginning('runs', 1));
    const { ready, open, nextReadyAt, state } = await readSnapshot(ledger, NOW, 10);
    expect(ready.map(({ id }) => id)).toEqual(['queued']);
    expect(open).toMatchObject([{ task: 'runs', agent: 1, state: 'intended', ordinal: 1, stopping: null }]);
    expect({ nextReadyAt, state }).toEqual({ nextReadyAt: null, state: 'UNINITIALIZED' });
  });

  test('may leave out the ready tasks altogether', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'));
    expect((await readSnapshot(ledger, NOW, 0)).ready).toEqual([]);
  });
});

describe('readers', () => {
  test('see what is committed, cannot write, and do not hold the writer up', async () => {
    const { ledger, path } = await aLedger();
    await accept(ledger, spec('a'));
    const reader = openSqlite({ path, readOnly: true });
    expect(await countTasks(reader)).toMatchObject({ queued: 1, completed: 0 });
    await inTransaction(ledger, async (tx) => {
      await tx.insertInto('meta').values({ key: 'half', value: 'done' }).execute();
      expect(await countTasks(reader)).toMatchObject({ queued: 1 });
      expect(await reader.selectFrom('meta').selectAll().execute()).toEqual([]);
    });
    expect(await reader.selectFrom('meta').selectAll().execute()).toHaveLength(1);
    await expect(inTransaction(reader, (tx) => moveFleet(tx, 'READY', NOW))).rejects.toThrow(/readonly/);
    await reader.destroy();
  });

  test('get at most as many tasks as they ask for, in the order of acceptance', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('c'), spec('a'), spec('b'));
    expect((await readTasks(ledger, { limit: 2 })).map(({ id }) => id)).toEqual(['c', 'a']);
    expect((await readTasks(ledger, { limit: 9, ids: ['b', 'ghost'] })).map(({ id }) => id)).toEqual(['b']);
    expect(await readTasks(ledger, { limit: 9, states: ['failed'] })).toEqual([]);
  });

  test('see nodes and agents as they were last seen', async () => {
    const { ledger } = await aLedger();
    await inTransaction(ledger, (tx) => saveSights(tx, [node('b'), node('a')], [agent(2), agent(1)]));
    const busy = { ...agent(2), state: 'busy' as const, task: 't' };
    await inTransaction(ledger, (tx) => saveSights(tx, [{ ...node('a'), evidence: 'silent', seenAt: null }], [busy]));
    expect(await readNodes(ledger)).toEqual([{ ...node('a'), evidence: 'silent', seenAt: null }, node('b')]);
    expect(await readAgents(ledger)).toEqual([agent(1), busy]);
  });
});

describe('what else is kept', () => {
  test('the state of the fleet, and an event for each change of it', async () => {
    const { ledger } = await aLedger();
    for (const state of ['INITIALIZING', 'INITIALIZING', 'READY'] as const)
      await inTransaction(ledger, (tx) => moveFleet(tx, state, NOW));
    expect(await readFleetState(ledger)).toBe('READY');
    expect(await eventsOf(ledger)).toHaveLength(2);
  });

  test('what became of an intent, and not the megabytes that came with it', async () => {
    const { ledger } = await aLedger();
    const intent = { id: 'intent-1', operation: 'submit', input: { prompt: 'x'.repeat(100_000) }, by: 'me', at: NOW };
    expect(await readIntentResult(ledger, 'intent-1')).toBeUndefined();
    await inTransaction(ledger, (tx) => saveIntent(tx, intent, { ok: true, output: { n: 1 } }, NOW));
    expect(await readIntentResult(ledger, 'intent-1')).toEqual({ ok: true, output: { n: 1 } });
    const row = await ledger.selectFrom('intent').selectAll().executeTakeFirstOrThrow();
    expect(row.input.length).toBeLessThan(10_000);
    await expect(
      inTransaction(ledger, (tx) => saveIntent(tx, intent, { ok: true, output: null }, NOW)),
    ).rejects.toThrow(/UNIQUE/);
  });

  test('nothing of a transaction that failed', async () => {
    const { ledger } = await aLedger();
    const failing = inTransaction(ledger, async (tx) => {
      await moveFleet(tx, 'READY', NOW);
      throw new Error('half-way');
    });
    await expect(failing).rejects.toThrow('half-way');
    expect(await readFleetState(ledger)).toBe('UNINITIALIZED');
    await accept(ledger, spec('a'));
  });

  test('transactions one after the other, however many are begun at once', async () => {
    const { ledger } = await aLedger();
    await Promise.all(Array.from({ length: 50 }, (_, index) => accept(ledger, spec(`t${index}`))));
    expect((await countTasks(ledger)).queued).toBe(50);
  });
});
