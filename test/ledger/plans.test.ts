import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test, vi } from 'vitest';
import { startAttempts } from '../../controller/ledger/attempts.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { readAttempts, readOrdinals, readSnapshot, readTasks } from '../../controller/ledger/read.ts';
import { accept, aLedger, begin, beginning, NOW, settle, spec } from './scratch.ts';

/** Everything asked for, and how the database goes about it. */
function watchPlans(): { text: string; plan: string[] }[] {
  const seen: { text: string; plan: string[] }[] = [];
  const prepare = DatabaseSync.prototype.prepare;
  vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (this: DatabaseSync, text: string) {
    if (/^(select|with|update|delete)/i.test(text.trim())) {
      const rows = prepare.call(this, `EXPLAIN QUERY PLAN ${text}`).all();
      seen.push({ text, plan: rows.map(({ detail }) => String(detail)) });
    }
    return prepare.call(this, text);
  });
  return seen;
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** Walks a table, or all that is queued: what then costs a tick grows with the history, or with the queue. */
const WALKS = [
  /^SCAN (task|attempt|event|need|usage)\b(?!.* attempt_open)/,
  /^SEARCH (task|\w+) USING (COVERING )?INDEX task_ready \(state=\?\)$/,
];

test('nothing that a tick asks of the ledger walks through all that ended, or all that waits', async () => {
  const { ledger } = await aLedger();
  const plans = watchPlans();
  await accept(ledger, spec('a'), spec('b', { needs: ['a'] }), spec('c'), spec('d'));
  await readSnapshot(ledger, NOW, 200);
  await readTasks(ledger, { ids: ['a', 'c', 'd'], limit: 3 });
  await readOrdinals(ledger, ['a', 'c', 'd']);
  await begin(ledger, beginning('a', 1), beginning('c', 2), beginning('d', 3));
  await inTransaction(ledger, (tx) => startAttempts(tx, 'here', ['attempt-of-a', 'attempt-of-c'], NOW));
  await readAttempts(ledger, { ids: ['attempt-of-a', 'attempt-of-c'], limit: 2 });
  await settle(ledger, 'a');
  await settle(ledger, 'c', { after: { next: 'queued' }, reading: { verdict: 'failed' } });
  await settle(ledger, 'd', { after: { next: 'failed', reason: 'no' }, reading: { verdict: 'failed' } });
  expect(plans.length).toBeGreaterThan(20);
  // The least lane is the index's first entry, whatever the plan calls it.
  const walks = plans.filter(
    ({ text, plan }) => !/min\(lane\)/.test(text) && plan.some((detail) => WALKS.some((walk) => walk.test(detail))),
  );
  expect(walks).toEqual([]);
});
