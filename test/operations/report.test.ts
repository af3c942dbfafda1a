import { describe, expect, test } from 'vitest';
import { inTransaction, type Ledger } from '../../controller/ledger/ledger.ts';
import { saveSights } from '../../controller/ledger/sights.ts';
import type { AttemptTable } from '../../controller/ledger/tables.ts';
import { Report } from '../../controller/operations/account.ts';
import type { Context } from '../../controller/operations/operation.ts';
import { report } from '../../controller/operations/report.ts';
import { results } from '../../controller/operations/results.ts';
import { accept, aLedger, NOW, refusal, spec } from '../ledger/scratch.ts';

const SECOND = 1000;
const at = (seconds: number) => NOW + seconds * SECOND;
const when = (seconds: number) => new Date(at(seconds)).toISOString();
const contextOf = (ledger: Ledger | null, now = at(3600)) => ({ ledger, now, fleet: { name: 'test' } }) as Context;
const reportOf = async (ledger: Ledger | null, input: { tasks?: string[]; since?: string } = {}, now?: number) =>
  Report.parse(await report.run(contextOf(ledger, now), report.input.parse(input)));

type AttemptRow = Omit<AttemptTable, 'is_parked'>;
type Try = { from: number; to: number | null; verdict?: string | null } & Partial<AttemptRow>;

/** An attempt at a task, in seconds from the moment in which tasks are handed in. */
function rowOf(task: string, { from, to, verdict = to === null ? null : 'done', ...different }: Try): AttemptRow {
  return {
    id: `${task}-${different.ordinal ?? 1}`,
    task,
    agent: 1,
    node: 'here',
    ordinal: 1,
    kind: 'command',
    state: to === null ? 'started' : 'ended',
    boot: 'boot',
    hash: 'hash',
    conversation: null,
    resumes: null,
    is_restart: 0,
    intended_at: at(from),
    started_at: at(from),
    ended_at: to === null ? null : at(to),
    verdict,
    message: null,
    answer: null,
    exit: null,
    stopping: null,
    ...different,
  };
}

const insert = (ledger: Ledger, ...rows: AttemptRow[]) => ledger.insertInto('attempt').values(rows).execute();
const settle = (ledger: Ledger, id: string, state: string, seconds: number | null, reason: string | null = null) =>
  ledger
    .updateTable('task')
    .set({ state, reason, ended_at: seconds === null ? null : at(seconds) })
    .where('id', '=', id)
    .execute();

/** Two agents: one task done at once, one at the third try, one failed, one parked behind it, one cancelled, one waiting. */
async function aDay(): Promise<Ledger> {
  const { ledger } = await aLedger();
  await accept(
    ledger,
    spec('quick', { title: 'Quick one', category: 'coding' }),
    spec('stubborn', { needs: ['quick'] }),
    spec('broken'),
    spec('behind', { needs: ['broken'] }),
    spec('unwanted'),
    spec('waiting'),
  );
  await insert(
    ledger,
    rowOf('quick', { from: 2, to: 12, answer: 'ok', exit: 0, kind: 'codex' }),
    rowOf('stubborn', { from: 15, to: 20, verdict: 'rate-limit', message: 'status 429' }),
    rowOf('stubborn', { ordinal: 2, from: 24, to: 30, verdict: 'lost', state: 'lost', message: 'nobody saw its end' }),
    rowOf('stubborn', { ordinal: 3, from: 31, to: 42, answer: 'at last', agent: 2, node: 'there' }),
    rowOf('broken', {
      agent: 2,
      from: 2,
      to: 9,
      verdict: 'failed',
      message: 'exit 7: no',
      answer: 'one\ntwo',
      exit: 7,
    }),
  );
  await settle(ledger, 'quick', 'completed', 12);
  await settle(ledger, 'stubborn', 'completed', 42);
  await settle(ledger, 'broken', 'failed', 9, 'failed: exit 7: no');
  await settle(ledger, 'behind', 'parked', null, 'it needs broken, which failed');
  await settle(ledger, 'unwanted', 'cancelled', 5, 'cancelled by a person');
  const usage = { model: 'm', input: 100, cached: 40, output: 10 };
  await ledger
    .insertInto('usage')
    .values([
      { ...usage, response: 'r1', attempt: 'quick-1' },
      { ...usage, response: 'r2', attempt: 'quick-1' },
      { ...usage, response: 'r3', attempt: 'stubborn-3' },
    ])
    .execute();
  return ledger;
}

describe('a report', () => {
  test('counts tasks, attempts, tokens and time', async () => {
    const made = await reportOf(await aDay());
    expect(made).toMatchObject({
      version: 1,
      fleet: 'test',
      at: when(3600),
      since: null,
      omitted: { tasks: 0, attempts: 0 },
      tasks: { total: 6, completed: 2, failed: 1, cancelled: 1, parked: 1, open: 1 },
      beganAt: when(2),
      endedAt: when(42),
      seconds: 40,
      agents: 2,
      efficiency: 39 / 80,
      usage: { responses: 3, inputTokens: 300, cachedTokens: 120, outputTokens: 30 },
      nodes: [
        { node: 'here', agents: 2, attempts: 4, seconds: 28 },
        { node: 'there', agents: 1, attempts: 1, seconds: 11 },
      ],
      kinds: [
        { kind: 'codex', attempts: 1, seconds: 10, usage: { responses: 2, inputTokens: 200 } },
        { kind: 'command', attempts: 4, seconds: 29, usage: { responses: 1, inputTokens: 100 } },
      ],
    });
  });

  test('has the same times, efficiency and answers as the results of a run', async () => {
    const ledger = await aDay();
    const ids = ['quick', 'stubborn', 'broken'];
    const run = await results.run(contextOf(ledger), { tasks: ids, agents: 2 });
    const made = await reportOf(ledger, { tasks: ids });
    expect(made).toMatchObject(run);
    expect(run).toMatchObject({ seconds: 40, efficiency: 39 / 80, tasks: { total: 3, completed: 2, failed: 1 } });
  });

  test('tells of each attempt when it ran and how long it had waited: for its turn, its needs, its next try', async () => {
    const { attempts } = await reportOf(await aDay());
    expect(attempts.map(({ id, fault, seconds, waitedSeconds }) => [id, fault, seconds, waitedSeconds])).toEqual([
      ['broken-1', 'task', 7, 2],
      ['quick-1', 'none', 10, 2],
      ['stubborn-1', 'wait', 5, 3], // ready when quick was completed
      ['stubborn-2', 'platform', 6, 4],
      ['stubborn-3', 'none', 11, 1],
    ]);
    expect(attempts[1]).toMatchObject({ beganAt: when(2), endedAt: when(12), agent: 1, node: 'here', tokens: 220 });
  });

  test('tells the reasons of retries apart: the provider’s limit, the platform, the task', async () => {
    const { retries } = await reportOf(await aDay());
    expect(retries).toEqual([
      {
        task: 'stubborn',
        ordinal: 2,
        at: when(24),
        verdict: 'rate-limit',
        fault: 'wait',
        message: 'status 429',
        waitedSeconds: 4,
      },
      {
        task: 'stubborn',
        ordinal: 3,
        at: when(31),
        verdict: 'lost',
        fault: 'platform',
        message: 'nobody saw its end',
        waitedSeconds: 1,
      },
    ]);
  });

  test('tells failures with their last lines, and what is parked, cancelled or open with the reason', async () => {
    const ledger = await aDay();
    const { failures, undone } = await reportOf(ledger);
    expect(failures).toMatchObject([
      { task: 'broken', verdict: 'failed', exit: 7, message: 'failed: exit 7: no', lastLines: 'one\ntwo', attempts: 1 },
    ]);
    expect(undone.map(({ task, state, reason }) => [task, state, reason])).toEqual([
      ['behind', 'parked', 'it needs broken, which failed'],
      ['unwanted', 'cancelled', 'cancelled by a person'],
      ['waiting', 'queued', null],
    ]);
  });

  test('has at most 20 lines and 2,000 characters of what a failure said last', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('a'), spec('b'));
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n');
    await insert(ledger, rowOf('a', { from: 0, to: 1, verdict: 'failed', answer: lines }));
    await insert(ledger, rowOf('b', { from: 2, to: 3, verdict: 'failed', answer: 'y'.repeat(4000) }));
    for (const task of ['a', 'b']) await settle(ledger, task, 'failed', 1);
    const [many, long] = (await reportOf(ledger)).failures.map(({ lastLines }) => lastLines);
    expect(many?.split('\n')).toHaveLength(20);
    expect(many?.endsWith('line 99')).toBe(true);
    expect(long).toHaveLength(2000);
  });
});

describe('a report since a time', () => {
  test('has what was handed in, tried or ended since, and what is not over; older attempts are left out', async () => {
    const made = await reportOf(await aDay(), { since: when(25) });
    expect(made.results.map(({ task }) => task)).toEqual(['stubborn', 'behind', 'waiting']);
    expect(made.attempts.map(({ id }) => id)).toEqual(['stubborn-2', 'stubborn-3']);
    expect(made.retries[0]).toMatchObject({ ordinal: 2, verdict: null, fault: null });
    expect(made.since).toBe(when(25));
    const all = await reportOf(await aDay(), { since: when(-1) });
    expect(all.results).toHaveLength(6);
  });

  test('goes on to now for what still runs', async () => {
    const { ledger } = await aLedger();
    await accept(ledger, spec('long'));
    await settle(ledger, 'long', 'running', null);
    await insert(ledger, rowOf('long', { from: 1, to: null }));
    const made = await reportOf(ledger, { since: when(1000) });
    expect(made.attempts).toMatchObject([{ endedAt: null, seconds: null, verdict: null, fault: null }]);
    expect(made).toMatchObject({ seconds: 0, efficiency: 0, beganAt: when(1), endedAt: null, tasks: { open: 1 } });
  });

  test('takes times with a zone, and nothing that is no time', () => {
    expect(report.input.safeParse({ since: '2026-11-20T09:30:00+09:00' }).success).toBe(true);
    expect(report.input.safeParse({ since: 'yesterday' }).success).toBe(false);
  });
});

describe('a report of named tasks', () => {
  test('refuses a task that is not there, by name, also where nothing was ever started', async () => {
    const missing = (ledger: Ledger | null) => refusal(reportOf(ledger, { tasks: ['quick', 'ghost'] }));
    expect(await missing(await aDay())).toMatchObject({ code: 'not-found', message: 'no such task: ghost' });
    expect(await missing(null)).toMatchObject({ code: 'not-found', message: 'no such task: quick, ghost' });
  });

  test('is empty where nothing was ever started and none is named', async () => {
    expect(await reportOf(null)).toMatchObject({ tasks: { total: 0 }, attempts: [], beganAt: null, efficiency: 0 });
  });

  test('counts the agents of the fleet, not only those that worked', async () => {
    const ledger = await aDay();
    const agent = { node: 'here', category: null, kind: 'command', state: 'idle' as const, task: null, since: NOW };
    const agents = [1, 2, 3, 4].map((number) => ({ ...agent, number, evidence: '' }));
    await inTransaction(ledger, (tx) => saveSights(tx, [], agents));
    expect(await reportOf(ledger)).toMatchObject({ agents: 4, efficiency: 39 / 160 });
  });
});

describe('a large report', () => {
  async function aLedgerOf(tasks: number, tries: number) {
    const { ledger } = await aLedger();
    const ids = Array.from({ length: tasks }, (_, index) => `t${index}`);
    await accept(ledger, ...ids.map((id, index) => spec(id, index > 0 && index % 3 === 0 ? { needs: ['t0'] } : {})));
    const rows = ids.flatMap((task, index) =>
      Array.from({ length: tries }, (_, number) =>
        rowOf(task, {
          ordinal: number + 1,
          from: index + number,
          to: index + number + 1,
          verdict: number + 1 === tries ? 'done' : 'failed',
          answer: 'y'.repeat(500),
          agent: (index % 200) + 1,
        }),
      ),
    );
    await inTransaction(ledger, async (tx) => {
      for (let index = 0; index < rows.length; index += 500) {
        const some = rows.slice(index, index + 500);
        const usage = some.map(({ id }) => ({ attempt: id, model: 'm', input: 10, cached: 4, output: 1 }));
        await tx.insertInto('attempt').values(some).execute();
        for (const name of ['a', 'b', 'c'])
          await tx
            .insertInto('usage')
            .values(usage.map((each) => ({ ...each, response: `${each.attempt}-${name}` })))
            .execute();
      }
    });
    return { ledger, ids };
  }

  test('of 2,000 tasks is there in less than 2 s, named or not', async () => {
    const { ledger, ids } = await aLedgerOf(2000, 2);
    for (const input of [{}, { tasks: ids }, { since: when(0) }]) {
      const begun = performance.now();
      const made = await reportOf(ledger, input);
      expect(performance.now() - begun).toBeLessThan(2000);
      expect(made).toMatchObject({ tasks: { total: 2000 }, usage: { responses: 12_000, inputTokens: 120_000 } });
      expect([made.attempts.length, made.retries.length]).toEqual([4000, 2000]);
    }
  });

  test('has the newest 10,000 attempts and says how many are left out', async () => {
    const { ledger } = await aLedgerOf(1100, 10);
    const made = await reportOf(ledger);
    expect(made.attempts).toHaveLength(10_000);
    expect(made.omitted).toEqual({ tasks: 0, attempts: 1000 });
    expect(made.attempts.at(-1)).toMatchObject({ task: 't1099', ordinal: 10 });
    expect(made.attempts.some(({ task }) => task === 't0')).toBe(false);
    expect(made.retries.some(({ verdict }) => verdict === null)).toBe(true); // the try before is left out
  });
});
