import { record, type Writing } from './ledger.ts';

/** What tasks need of each other: counted down, parked when hopeless, told in words. Parts of a transaction. */

/** Completed tasks fire their dependents in the same transaction. */
export async function fireDependents(tx: Writing, tasks: readonly string[], now: number): Promise<void> {
  if (tasks.length === 0) return;
  const rows = await tx
    .selectFrom('need')
    .select(['task', (of) => of.fn.countAll().as('fired')])
    .where('needs', 'in', [...tasks])
    .groupBy('task')
    .execute();
  if (rows.length === 0) return;
  for (const { task, fired } of rows)
    await tx
      .updateTable('task')
      .set((row) => ({
        deps_left: row
          .case()
          .when('deps_left', '>', Number(fired))
          .then(row('deps_left', '-', Number(fired)))
          .else(0)
          .end(),
      }))
      .where('id', '=', task)
      .execute();
  const dependents = rows.map(({ task }) => task);
  const ready = await tx
    .updateTable('task')
    .set({ state: 'queued', reason: null, parked_by: null })
    .where('id', 'in', dependents)
    .where('deps_left', '=', 0)
    .where((row) => row.or([row('state', '=', 'blocked'), row('parked_by', 'is not', null)]))
    .returning('id')
    .execute();
  await record(
    tx,
    ready.map(({ id }) => ({ at: now, kind: 'task_unblocked' as const, task: id })),
  );
}

const BAD_END = { failed: 'failed', cancelled: 'was cancelled', parked: 'is parked' } as const;
type BadEnd = keyof typeof BAD_END;

export function isBadEnd(state: string): state is BadEnd {
  return Object.hasOwn(BAD_END, state);
}

/** What needs a task that ended badly waits with the reason, and so does what needs that. */
export async function parkDependents(tx: Writing, task: string, end: BadEnd, now: number): Promise<void> {
  let causes: readonly string[] = [task];
  for (let depth = 0; causes.length > 0 && depth < 10_000; depth += 1) {
    const parked: string[] = [];
    for (const cause of causes) {
      const reason = `needs ${cause}, which ${BAD_END[cause === task ? end : 'parked']}`;
      const rows = await tx
        .selectFrom('need')
        .innerJoin('task', 'task.id', 'need.task')
        .select(['task.id as id', 'task.state as state', 'task.parked_by as parkedBy', 'task.reason as reason'])
        .where('need.needs', '=', cause)
        .execute();
      // Chosen here: a planner that is given the choice may walk all that is blocked.
      const ids = rows
        .filter((row) => row.state === 'blocked' || (row.parkedBy === cause && row.reason !== reason))
        .map(({ id }) => id);
      if (ids.length > 0)
        await tx
          .updateTable('task')
          .set({ state: 'parked', reason, parked_by: cause })
          .where('id', 'in', ids)
          .execute();
      parked.push(...ids);
    }
    await record(
      tx,
      parked.map((id) => ({ at: now, kind: 'task_parked' as const, task: id })),
    );
    causes = parked;
  }
}

/** The opposite: the cause is tried again, so what it parked waits for it again. Gives what was parked, near and far. */
export async function unparkDependents(tx: Writing, task: string): Promise<string[]> {
  const unparked: string[] = [];
  let causes: readonly string[] = [task];
  while (causes.length > 0) {
    const rows = await tx
      .updateTable('task')
      .set({ state: 'blocked', parked_by: null })
      .where('parked_by', 'in', [...causes])
      .where('state', '=', 'parked')
      .returning('id')
      .execute();
    causes = rows.map(({ id }) => id);
    unparked.push(...causes);
  }
  return unparked;
}

/** Blocked tasks say what they wait for; one of them whose need has ended badly, whenever that was, is parked. */
export async function explainBlocked(tx: Writing, ids: readonly string[], now: number): Promise<void> {
  for (const id of ids) {
    const needs = await tx
      .selectFrom('need')
      .innerJoin('task', 'task.id', 'need.needs')
      .select(['task.id as id', 'task.state as state'])
      .where('need.task', '=', id)
      .where('task.state', '<>', 'completed')
      .orderBy('task.seq')
      .execute();
    await tx
      .updateTable('task')
      .set({ reason: needsReason(needs.map((need) => need.id)) })
      .where('id', '=', id)
      .where('state', '=', 'blocked')
      .execute();
    for (const need of needs) if (isBadEnd(need.state)) await parkDependents(tx, need.id, need.state, now);
  }
}

export function needsReason(needs: readonly string[]): string {
  return `needs ${needs.slice(0, 5).join(', ')}`;
}
