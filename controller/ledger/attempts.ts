import { sql } from 'kysely';
import type { Reading } from '../agent/tools/tool.ts';
import { type AttemptState, FAULT_OF, type StopReason } from '../task/attempt.ts';
import type { AfterAttempt } from '../task/retry.ts';
import type { FleetEvent } from './event.ts';
import { laneOf } from './lane.ts';
import { numbersIn, record, type Writing } from './ledger.ts';
import { fireDependents, parkDependents } from './needs.ts';
import { unparkAttempts } from './parking.ts';
import { isDue } from './read.ts';

/** Attempts: intended, started, ended. Every function is one part of a transaction. */

export interface Beginning {
  attempt: string;
  task: string;
  agent: number;
  node: string;
  kind: string;
  boot: string;
  hash: string;
  resumes: string | null;
  isRestart: boolean;
}

/**
 * Commits the intention to run; only what comes back may be sent. A task that is no longer queued, or an agent that is
 * paused or has an open attempt, is left out: the plan was made on an older look.
 */
export async function beginAttempts(tx: Writing, beginnings: readonly Beginning[], now: number): Promise<Beginning[]> {
  const begun: Beginning[] = [];
  for (const beginning of beginnings) {
    const paused = await tx
      .selectFrom('agent')
      .select('number')
      .where('number', '=', beginning.agent)
      .where('paused', '=', 1)
      .executeTakeFirst();
    const busy = await tx
      .selectFrom('attempt')
      .select('id')
      .where('agent', '=', beginning.agent)
      .where('state', 'in', ['intended', 'started'])
      .executeTakeFirst();
    if (paused || busy) continue;
    const taken = await tx
      .updateTable('task')
      .set({ state: 'running', reason: null })
      .where('id', '=', beginning.task)
      .where('state', '=', 'queued')
      .where((task) => isDue(task, now))
      .executeTakeFirst();
    if (Number(taken.numUpdatedRows) === 0) continue;
    await tx
      .insertInto('attempt')
      .values(attemptRow(beginning, await nextOrdinal(tx, beginning.task), now))
      .execute();
    begun.push(beginning);
  }
  await record(
    tx,
    begun.map(({ attempt, task, agent, node }) => ({
      at: now,
      kind: 'attempt_intended' as const,
      task,
      attempt,
      agent,
      node,
    })),
  );
  return begun;
}

async function nextOrdinal(tx: Writing, task: string): Promise<number> {
  const row = await tx
    .selectFrom('attempt')
    .select((of) => of.fn.max('ordinal').as('last'))
    .where('task', '=', task)
    .executeTakeFirst();
  return Number(row?.last ?? 0) + 1;
}

function attemptRow(beginning: Beginning, ordinal: number, now: number) {
  return {
    id: beginning.attempt,
    task: beginning.task,
    agent: beginning.agent,
    node: beginning.node,
    ordinal,
    kind: beginning.kind,
    state: 'intended',
    boot: beginning.boot,
    hash: beginning.hash,
    conversation: beginning.resumes,
    resumes: beginning.resumes,
    is_restart: beginning.isRestart ? 1 : 0,
    intended_at: now,
    started_at: null,
    ended_at: null,
    verdict: null,
    message: null,
    answer: null,
    exit: null,
    stopping: null,
  };
}

/** The node said so. Ids it never heard of, or that are past this, change nothing. */
export async function startAttempts(tx: Writing, node: string, ids: readonly string[], now: number): Promise<void> {
  const events: FleetEvent[] = [];
  for (const id of ids) {
    const rows = await tx
      .updateTable('attempt')
      .set({ state: 'started', started_at: now })
      .where('id', '=', id)
      .where('node', '=', node)
      .where('state', '=', 'intended')
      .returning(['task', 'agent', 'node'])
      .execute();
    events.push(...rows.map((row) => ({ at: now, kind: 'attempt_started' as const, attempt: id, ...row })));
  }
  await record(tx, events);
}

export interface Settlement {
  attempt: string;
  state: Extract<AttemptState, 'ended' | 'lost' | 'cancelled'>;
  reading: Reading;
  exit: number | null;
  /** How long its node saw it run; null where nobody did. */
  seconds: number | null;
  after: AfterAttempt;
  /** Whether a new attempt should go on with the conversation, on the same agent. */
  resume: boolean;
}

/** Ends an attempt and moves its task, once: an attempt that is not open any more changes nothing. */
export async function settleAttempt(tx: Writing, settlement: Settlement, now: number): Promise<boolean> {
  const { attempt, state, reading, exit, seconds } = settlement;
  await unparkAttempts(tx, [attempt], now); // its node is heard again
  const row = await tx
    .updateTable('attempt')
    .set({
      state,
      exit,
      // Told late, after an outage: its node knows how long it ran.
      ended_at:
        seconds === null
          ? now
          : sql<number>`min(${now}, coalesce(started_at, ${now}) + ${Math.round(seconds * 1000) + 999})`,
      verdict: reading.verdict,
      message: reading.message,
      answer: reading.answer,
      conversation: reading.conversation,
    })
    .where('id', '=', attempt)
    .where('state', 'in', ['intended', 'started'])
    .returning(['task', 'agent', 'node', 'stopping'])
    .executeTakeFirst();
  if (!row) return false;
  const { stopping, ...at } = row;
  await saveUsage(tx, attempt, reading);
  await moveTask(tx, at, { ...settlement, after: heedCancel(settlement.after, stopping) }, now);
  const data = { verdict: reading.verdict, ...(reading.message ? { message: reading.message.slice(0, 300) } : {}) };
  await record(tx, [{ at: now, kind: 'attempt_ended', attempt, ...at, data }]);
  return true;
}

/** What a person cancelled is not begun again, however its attempt came to its end before the node was told. */
function heedCancel(after: AfterAttempt, stopping: string | null): AfterAttempt {
  if (stopping !== 'cancelled' || (after.next !== 'queued' && after.next !== 'parked')) return after;
  return { ...after, next: 'cancelled', reason: 'cancelled by a person', notBefore: 0 };
}

/** A response is counted once in the whole ledger, however often its record is read. */
async function saveUsage(tx: Writing, attempt: string, reading: Reading): Promise<void> {
  for (const usage of reading.usage) {
    await tx
      .insertInto('usage')
      .values({
        response: usage.response,
        attempt,
        model: usage.model,
        input: usage.inputTokens,
        cached: usage.cachedTokens,
        output: usage.outputTokens,
      })
      .onConflict((conflict) => conflict.column('response').doNothing())
      .execute();
  }
}

async function moveTask(
  tx: Writing,
  at: { task: string; agent: number; node: string },
  settlement: Settlement,
  now: number,
): Promise<void> {
  const { after, reading, resume } = settlement;
  const task = await tx
    .selectFrom('task')
    .select(['category', 'kind', 'agents'])
    .where('id', '=', at.task)
    .executeTakeFirstOrThrow();
  const goesOn = after.next === 'queued' && resume && reading.conversation !== null;
  const resumesOn = goesOn ? at.agent : null;
  const settled = after.next !== 'queued' && after.next !== 'parked';
  const moved = await tx
    .updateTable('task')
    .set({
      state: after.next,
      reason: after.reason,
      not_before: after.notBefore,
      faults: after.counters.faults,
      platform_faults: after.counters.platformFaults,
      waits: after.counters.waits,
      conversation: goesOn ? reading.conversation : null,
      resumes_on: resumesOn,
      resumes_node: goesOn ? at.node : null,
      is_restart: after.next === 'queued' && FAULT_OF[reading.verdict] === 'platform' ? 1 : 0,
      lane: laneOf(task.category, task.kind, numbersIn(task.agents), resumesOn),
      ended_at: settled ? now : null,
    })
    .where('id', '=', at.task)
    .where('state', '=', 'running')
    .executeTakeFirst();
  if (Number(moved.numUpdatedRows) === 0) return; // cancelled while its node was not heard: nothing follows from this end
  const kind = after.next === 'queued' ? 'task_retried' : (`task_${after.next}` as const);
  await record(tx, [
    { at: now, kind, ...at, ...(after.reason ? { data: { reason: after.reason.slice(0, 300) } } : {}) },
  ]);
  if (after.next === 'completed') await fireDependents(tx, at.task, now);
  else if (after.next !== 'queued') await parkDependents(tx, at.task, after.next, now);
}

/** Records that attempts are to end; the plan tells the node, again and again until the end is seen. */
export async function stopAttempts(
  tx: Writing,
  where: { agents?: readonly number[]; all?: true },
  reason: StopReason,
  now: number,
): Promise<string[]> {
  let query = tx
    .updateTable('attempt')
    .set({ stopping: reason })
    .where('state', 'in', ['intended', 'started'])
    .where('stopping', 'is', null);
  if (where.agents) query = query.where('agent', 'in', [...where.agents]);
  const rows = await query.returning(['id', 'task', 'agent', 'node']).execute();
  await record(
    tx,
    rows.map(({ id, ...at }) => ({ at: now, kind: 'attempt_stopping' as const, attempt: id, ...at, data: { reason } })),
  );
  return rows.map(({ id }) => id);
}
