import { FleetError } from '../errors.ts';
import { laneOf } from './lane.ts';
import { type Ledger, numbersIn, record, type Writing } from './ledger.ts';
import { explainBlocked, parkDependents, unparkDependents } from './needs.ts';
import { OPEN_STATES } from './read.ts';

/**
 * Attempts on a node that is not heard: nobody knows whether they run. Their tasks are parked, never begun elsewhere,
 * until the node is back or a person says that they are dead. Every function is one part of a transaction.
 */

export interface Parking {
  attempt: string;
  why: string;
}

export async function parkAttempts(tx: Writing, parkings: readonly Parking[], now: number): Promise<void> {
  for (const { attempt, why } of parkings) {
    const row = await tx
      .updateTable('attempt')
      .set({ is_parked: 1 })
      .where('id', '=', attempt)
      .where('state', 'in', OPEN_STATES)
      .where('is_parked', '=', 0)
      .returning(['task', 'agent', 'node'])
      .executeTakeFirst();
    if (!row) continue;
    await tx
      .updateTable('task')
      .set({ state: 'parked', reason: why })
      .where('id', '=', row.task)
      .where('state', '=', 'running')
      .execute();
    await record(tx, [{ at: now, kind: 'task_parked', attempt, ...row, data: { reason: why.slice(0, 300) } }]);
    await parkDependents(tx, row.task, 'parked', now);
  }
}

/** The node is heard again: what waits for it runs as before, unless a person cancelled it meanwhile. */
export async function unparkAttempts(tx: Writing, attempts: readonly string[], now: number): Promise<void> {
  if (attempts.length === 0) return;
  const parked = await tx
    .updateTable('attempt')
    .set({ is_parked: 0 })
    .where('id', 'in', [...attempts])
    .where('is_parked', '=', 1)
    .returning(['id', 'task', 'agent', 'node'])
    .execute();
  for (const { id: attempt, ...row } of parked) {
    const task = await tx
      .updateTable('task')
      .set({ state: 'running', reason: null })
      .where('id', '=', row.task)
      .where('state', '=', 'parked')
      .returning('id')
      .executeTakeFirst();
    if (!task) continue;
    await record(tx, [{ at: now, kind: 'task_heard', attempt, ...row }]);
    await explainBlocked(tx, await unparkDependents(tx, row.task), now);
  }
}

/** Attempts of these tasks that have not ended, as far as anybody knows. */
async function openOf(tx: Ledger, tasks: readonly string[]): Promise<{ id: string; task: string; node: string }[]> {
  const rows: { id: string; task: string; node: string }[] = [];
  for (const task of tasks)
    rows.push(
      ...(await tx
        .selectFrom('attempt')
        .select(['id', 'task', 'node'])
        .where('task', '=', task)
        .where('state', 'in', OPEN_STATES)
        .execute()),
    );
  return rows;
}

/** Where something may still run, and how many attempts. */
export async function countOpen(ledger: Ledger): Promise<Map<string, number>> {
  const rows = await ledger
    .selectFrom('attempt')
    .select(['node', (of) => of.fn.countAll().as('count')])
    .where('state', 'in', OPEN_STATES)
    .groupBy('node')
    .execute();
  return new Map(rows.map(({ node, count }) => [node, Number(count)]));
}

/** Throws unless nothing of these tasks may still run. */
export async function refuseOpen(tx: Ledger, tasks: readonly string[]): Promise<void> {
  const open = await openOf(tx, tasks);
  if (open.length === 0) return;
  const list = open
    .slice(0, 20)
    .map(({ task, node }) => `${task} may still run on ${node}`)
    .join(', ');
  throw new FleetError('unlawful', list, {
    hint: 'When the node is back it goes on by itself. If you know that nothing runs there any more: --assume-dead.',
  });
}

/** A person's word that what ran of these tasks is dead. Should it turn up alive, its node is told to end it. */
export async function buryOpen(tx: Writing, tasks: readonly string[], now: number): Promise<void> {
  for (const { id, task, node } of await openOf(tx, tasks)) {
    const message = 'a person said that it is dead';
    const row = await tx
      .updateTable('attempt')
      .set({ state: 'lost', verdict: 'lost', message, ended_at: now, is_parked: 0 })
      .where('id', '=', id)
      .returning('agent')
      .executeTakeFirstOrThrow();
    const { category, kind, agents } = await tx
      .selectFrom('task')
      .select(['category', 'kind', 'agents'])
      .where('id', '=', task)
      .executeTakeFirstOrThrow();
    await tx
      .updateTable('task') // its conversation is where nobody can reach it
      .set({
        conversation: null,
        resumes_on: null,
        resumes_node: null,
        lane: laneOf(category, kind, numbersIn(agents), null),
      })
      .where('id', '=', task)
      .execute();
    const data = { verdict: 'lost', message };
    await record(tx, [{ at: now, kind: 'attempt_ended', attempt: id, task, node, agent: row.agent, data }]);
  }
}
