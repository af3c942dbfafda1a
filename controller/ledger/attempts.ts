import { sql } from 'kysely';
import type { Reading } from '../agent/tools/tool.ts';
import { type AttemptState, FAULT_OF, type StopReason } from '../task/attempt.ts';
import type { AfterAttempt } from '../task/retry.ts';
import { laneIn, mayGoOn } from './conversation.ts';
import type { FleetEvent } from './event.ts';
import { record, type Writing } from './ledger.ts';
import { fireDependents, parkDependents } from './needs.ts';
import { unparkAttempts } from './parking.ts';
import { isDueAt, OPEN_STATES, readOrdinals } from './read.ts';

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
  const free = await onFreeAgents(tx, beginnings);
  if (free.length === 0) return [];
  const tasks = await takeTasks(
    tx,
    free.map(({ task }) => task),
    now,
  );
  const begun = free.filter(({ task }) => tasks.delete(task));
  const last = await readOrdinals(
    tx,
    begun.map(({ task }) => task),
  );
  const rows = begun.map((each) => attemptRow(each, (last.get(each.task) ?? 0) + 1, now));
  if (rows.length > 0) await tx.insertInto('attempt').values(rows).execute();
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

/**
 * Those that are queued and due run from now on. Looked at by their ids alone: asked for the state as well, a planner may
 * walk all that is queued instead.
 */
async function takeTasks(tx: Writing, ids: readonly string[], now: number): Promise<Set<string>> {
  const rows = await tx
    .selectFrom('task')
    .select(['id', 'state', 'not_before'])
    .where('id', 'in', [...ids])
    .execute();
  const ready = rows.filter((row) => row.state === 'queued' && isDueAt(row.not_before, now)).map(({ id }) => id);
  if (ready.length > 0)
    await tx.updateTable('task').set({ state: 'running', reason: null }).where('id', 'in', ready).execute();
  return new Set(ready);
}

/** The first one for each agent that is neither paused nor busy. */
async function onFreeAgents(tx: Writing, beginnings: readonly Beginning[]): Promise<Beginning[]> {
  const agents = new Set(beginnings.map(({ agent }) => agent));
  if (agents.size === 0) return [];
  const paused = await tx.selectFrom('agent').select('number').where('paused', '=', 1).execute();
  const busy = await tx
    .selectFrom('attempt')
    .select('agent')
    .where('agent', 'in', [...agents])
    .where('state', 'in', OPEN_STATES)
    .execute();
  for (const { number } of paused) agents.delete(number);
  for (const { agent } of busy) agents.delete(agent);
  return beginnings.filter(({ agent }) => agents.delete(agent));
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

/** The node said so, of earlier maybe than now. Ids it never heard of, or that are past this, change nothing. */
export async function startAttempts(
  tx: Writing,
  node: string,
  ids: readonly string[],
  now: number,
  startedAt = now,
): Promise<void> {
  if (ids.length === 0) return;
  const rows = await tx
    .updateTable('attempt')
    .set({ state: 'started', started_at: sql<number>`max(intended_at, ${startedAt})` })
    .where('id', 'in', [...ids])
    .where('node', '=', node)
    .where('state', '=', 'intended')
    .returning(['id', 'task', 'agent', 'node'])
    .execute();
  await record(
    tx,
    rows.map(({ id, ...at }) => ({ at: now, kind: 'attempt_started' as const, attempt: id, ...at })),
  );
}

export interface Settlement {
  attempt: string;
  state: Extract<AttemptState, 'ended' | 'lost' | 'cancelled'>;
  reading: Reading;
  exit: number | null;
  /** How long its node saw it run; null where nobody did. */
  seconds: number | null;
  after: AfterAttempt;
  /** Whether a new attempt may go on with the conversation, on the same agent, as far as its tool is concerned. */
  resume: boolean;
}

/** Ends attempts and moves their tasks, each once: an attempt that is not open any more changes nothing. Gives how many were. */
export async function settleAttempts(tx: Writing, settlements: readonly Settlement[], now: number): Promise<number> {
  // Their nodes are heard again.
  await unparkAttempts(
    tx,
    settlements.map(({ attempt }) => attempt),
    now,
  );
  const events: FleetEvent[] = [];
  const settled: Moved[] = [];
  for (const settlement of settlements) {
    const row = await endAttempt(tx, settlement, now);
    if (!row) continue;
    const { stopping, ...at } = row;
    const { attempt, reading } = settlement;
    const data = { verdict: reading.verdict, ...(reading.message ? { message: reading.message.slice(0, 300) } : {}) };
    events.push({ at: now, kind: 'attempt_ended', attempt, ...at, data });
    await saveUsage(tx, attempt, reading);
    settled.push({ at, settlement: { ...settlement, after: heedCancel(settlement.after, stopping) } });
  }
  await record(tx, events);
  await moveTasks(tx, settled, now);
  return settled.length;
}

async function endAttempt(tx: Writing, { attempt, state, reading, exit, seconds }: Settlement, now: number) {
  return tx
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
    .where('state', 'in', OPEN_STATES)
    .returning(['task', 'agent', 'node', 'stopping'])
    .executeTakeFirst();
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

interface Moved {
  at: { task: string; agent: number; node: string };
  settlement: Settlement;
}

async function moveTasks(tx: Writing, moves: readonly Moved[], now: number): Promise<void> {
  const events: FleetEvent[] = [];
  const completed: string[] = [];
  const ended: { task: string; end: 'failed' | 'cancelled' | 'parked' }[] = [];
  for (const { at, settlement } of moves) {
    if (!(await moveTask(tx, at, settlement, now))) continue; // cancelled while its node was not heard: nothing follows from this end
    const { next, reason } = settlement.after;
    const kind = next === 'queued' ? 'task_retried' : (`task_${next}` as const);
    events.push({ at: now, kind, ...at, ...(reason ? { data: { reason: reason.slice(0, 300) } } : {}) });
    if (next === 'completed') completed.push(at.task);
    else if (next !== 'queued') ended.push({ task: at.task, end: next });
  }
  await record(tx, events);
  await fireDependents(tx, completed, now);
  for (const { task, end } of ended) await parkDependents(tx, task, end, now);
}

/** False where the task is not running any more. */
async function moveTask(tx: Writing, at: Moved['at'], settlement: Settlement, now: number): Promise<boolean> {
  const { attempt, after, reading, resume } = settlement;
  const goesOn = after.next === 'queued' && resume && (await mayGoOn(tx, attempt));
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
      ended_at: settled ? now : null,
      ...(settled ? {} : { lane: await laneIn(tx, at.task, resumesOn) }), // only what waits needs its lane
    })
    .where('id', '=', at.task)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return Number(moved.numUpdatedRows) > 0;
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
    .where('state', 'in', OPEN_STATES)
    .where('stopping', 'is', null);
  if (where.agents) query = query.where('agent', 'in', [...where.agents]);
  const rows = await query.returning(['id', 'task', 'agent', 'node']).execute();
  await record(
    tx,
    rows.map(({ id, ...at }) => ({ at: now, kind: 'attempt_stopping' as const, attempt: id, ...at, data: { reason } })),
  );
  return rows.map(({ id }) => id);
}
