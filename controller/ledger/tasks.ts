import { createHash } from 'node:crypto';
import { FleetError } from '../errors.ts';
import type { TaskSpec, TaskState } from '../task/task.ts';
import type { FleetEvent } from './event.ts';
import { laneOf } from './lane.ts';
import { type Ledger, record, type Writing } from './ledger.ts';
import { explainBlocked, isBadEnd, needsReason, parkDependents, unparkDependents } from './needs.ts';
import { buryOpen, refuseOpen } from './parking.ts';

/** Tasks: taken in, cancelled, tried again. Every function is one part of a transaction. */

export type AcceptedTask = TaskSpec & { id: string };

const VARIABLES_MAX = 400;

function* batches<T>(items: readonly T[], size = VARIABLES_MAX): Generator<readonly T[]> {
  for (let index = 0; index < items.length; index += size) yield items.slice(index, index + size);
}

function specHash(spec: AcceptedTask): string {
  const { id: _, ...rest } = spec;
  const sorted = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 32);
}

/** Takes tasks in, all or none. The same id with the same content is the same task; with another it is refused. */
export async function acceptTasks(
  tx: Writing,
  specs: readonly AcceptedTask[],
  now: number,
): Promise<{ accepted: string[]; known: string[] }> {
  const states = await statesOf(tx, [...specs.map((spec) => spec.id), ...specs.flatMap((spec) => spec.needs ?? [])]);
  refuseUnknownNeeds(specs, states);
  const clashes = specs
    .filter((spec) => states.get(spec.id) && states.get(spec.id)?.hash !== specHash(spec))
    .map((spec) => spec.id);
  if (clashes.length > 0) {
    const list = clashes.slice(0, 20).join(', ');
    throw new FleetError('plan-invalid', `tasks are known already with another content: ${list}`, {
      hint: 'Give the changed task another id; fleet show TASK tells of the one that is known.',
    });
  }
  const fresh = specs.filter((spec) => !states.has(spec.id));
  const events: FleetEvent[] = [];
  for (const batch of batches(fresh, 40)) {
    await tx
      .insertInto('task')
      .values(batch.map((spec) => taskRow(spec, states, now)))
      .execute();
    const needs = batch.flatMap((spec) =>
      [...new Set(spec.needs ?? [])].map((need) => ({ task: spec.id, needs: need })),
    );
    for (const part of batches(needs))
      await tx
        .insertInto('need')
        .values([...part])
        .execute();
    events.push(...batch.map((spec) => ({ at: now, kind: 'task_accepted' as const, task: spec.id })));
  }
  await record(tx, events);
  for (const need of new Set(fresh.flatMap((spec) => spec.needs ?? []))) {
    const state = states.get(need)?.state ?? '';
    if (isBadEnd(state)) await parkDependents(tx, need, state, now); // it will not be completed by waiting
  }
  return {
    accepted: fresh.map((spec) => spec.id),
    known: specs.filter((spec) => states.has(spec.id)).map((spec) => spec.id),
  };
}

function taskRow(spec: AcceptedTask, states: ReadonlyMap<string, { state: string }>, now: number) {
  const kind = spec.kind ?? (spec.run === undefined ? null : 'command'); // a shell command is never given to a model
  const waiting = [...new Set(spec.needs ?? [])].filter((need) => states.get(need)?.state !== 'completed');
  return {
    id: spec.id,
    hash: specHash(spec),
    title: spec.title ?? spec.id,
    prompt: spec.prompt ?? null,
    run: spec.run ?? null,
    category: spec.category ?? null,
    kind,
    priority: spec.priority ?? 2,
    agents: spec.agents ? JSON.stringify(spec.agents) : null,
    cwd: spec.cwd ?? null,
    timeout: spec.timeout ?? null,
    retries: spec.retries ?? null,
    env: JSON.stringify(spec.env ?? {}),
    labels: JSON.stringify(spec.labels ?? []),
    state: waiting.length > 0 ? 'blocked' : 'queued',
    reason: waiting.length > 0 ? needsReason(waiting) : null,
    parked_by: null,
    not_before: 0,
    deps_left: waiting.length,
    lane: laneOf(spec.category ?? null, kind, spec.agents ?? null, null),
    conversation: null,
    resumes_on: null,
    resumes_node: null,
    is_restart: 0,
    faults: 0,
    platform_faults: 0,
    waits: 0,
    created_at: now,
    ended_at: null,
  };
}

async function statesOf(tx: Ledger, ids: readonly string[]): Promise<Map<string, { state: string; hash: string }>> {
  const found = new Map<string, { state: string; hash: string }>();
  for (const batch of batches([...new Set(ids)])) {
    const rows = await tx
      .selectFrom('task')
      .select(['id', 'state', 'hash'])
      .where('id', 'in', [...batch])
      .execute();
    for (const row of rows) found.set(row.id, row);
  }
  return found;
}

function refuseUnknownNeeds(specs: readonly AcceptedTask[], states: ReadonlyMap<string, unknown>): void {
  const known = new Set(specs.map((spec) => spec.id));
  const unknown = specs.flatMap((spec) =>
    (spec.needs ?? [])
      .filter((need) => !known.has(need) && !states.has(need))
      .map((need) => `${spec.id} needs ${need}`),
  );
  if (unknown.length > 0) {
    throw new FleetError('plan-invalid', `tasks need others that nobody knows: ${unknown.slice(0, 20).join('; ')}`, {
      hint: 'Hand in what they need first, or together with them.',
    });
  }
}

/** A task that cannot begin until a person does something; only while it is queued. */
export async function parkTask(tx: Writing, task: string, reason: string, now: number): Promise<void> {
  const row = await tx
    .updateTable('task')
    .set({ state: 'parked', reason })
    .where('id', '=', task)
    .where('state', '=', 'queued')
    .returning('id')
    .executeTakeFirst();
  if (!row) return;
  await record(tx, [{ at: now, kind: 'task_parked', task, data: { reason: reason.slice(0, 300) } }]);
  await parkDependents(tx, task, 'parked', now);
}

const CANCELLABLE: readonly TaskState[] = ['queued', 'blocked', 'parked'];

/** Cancels what does not run at once; asks the attempts of what runs to end. Gives the ids in each pile. */
export async function cancelTasks(
  tx: Writing,
  ids: readonly string[],
  now: number,
): Promise<{ cancelled: string[]; stopping: string[]; ended: string[] }> {
  const states = await statesOf(tx, ids);
  refuseUnknown(ids, states);
  const of = (wanted: (state: string) => boolean) => ids.filter((id) => wanted(states.get(id)?.state ?? ''));
  const cancelled = of((state) => (CANCELLABLE as readonly string[]).includes(state));
  const stopping = of((state) => state === 'running');
  for (const id of cancelled) {
    await tx
      .updateTable('task')
      .set({ state: 'cancelled', reason: 'cancelled by a person', parked_by: null, ended_at: now })
      .where('id', '=', id)
      .execute();
    await parkDependents(tx, id, 'cancelled', now);
  }
  // Also of what is parked because its node is not heard: it may run there.
  for (const id of [...stopping, ...cancelled]) {
    await tx
      .updateTable('attempt')
      .set({ stopping: 'cancelled' })
      .where('task', '=', id)
      .where('state', 'in', ['intended', 'started'])
      .execute();
  }
  await record(
    tx,
    cancelled.map((id) => ({ at: now, kind: 'task_cancelled' as const, task: id })),
  );
  return { cancelled, stopping, ended: ids.filter((id) => !cancelled.includes(id) && !stopping.includes(id)) };
}

function refuseUnknown(ids: readonly string[], states: ReadonlyMap<string, unknown>): void {
  const unknown = ids.filter((id) => !states.has(id));
  if (unknown.length > 0)
    throw new FleetError('not-found', `no such task: ${unknown.slice(0, 20).join(', ')}`, {
      hint: 'fleet list tasks shows what there is.',
    });
}

const RETRYABLE: readonly string[] = ['failed', 'cancelled', 'parked'];

/** Throws unless all of these may be tried again: they have ended badly, and nothing of them may still run. */
export async function refuseRetry(ledger: Ledger, ids: readonly string[], isDead: boolean): Promise<void> {
  const states = await statesOf(ledger, ids);
  refuseUnknown(ids, states);
  const wrong = ids.filter((id) => !RETRYABLE.includes(states.get(id)?.state ?? ''));
  if (wrong.length > 0) {
    const list = wrong
      .slice(0, 20)
      .map((id) => `${id} is ${states.get(id)?.state}`)
      .join(', ');
    throw new FleetError('unlawful', `only failed, cancelled and parked tasks can be tried again: ${list}`, {
      hint: 'Name only those; fleet list tasks shows the state of each.',
    });
  }
  if (!isDead) await refuseOpen(ledger, ids);
}

/**
 * Queues what failed, was cancelled or is parked once more, with fresh counters. What may still run on a node that is
 * not heard is refused, unless a person says `isDead`.
 */
export async function retryTasks(tx: Writing, ids: readonly string[], now: number, isDead = false): Promise<string[]> {
  await refuseRetry(tx, ids, isDead);
  if (isDead) await buryOpen(tx, ids, now);
  const waiting: string[] = [];
  for (const id of ids) {
    await tx
      .updateTable('task')
      .set((row) => ({
        state: row.case().when('deps_left', '>', 0).then('blocked').else('queued').end(),
        reason: null,
        parked_by: null,
        not_before: 0,
        faults: 0,
        platform_faults: 0,
        waits: 0,
        ended_at: null,
      }))
      .where('id', '=', id)
      .execute();
    waiting.push(id, ...(await unparkDependents(tx, id)));
  }
  await explainBlocked(tx, waiting, now);
  await record(
    tx,
    ids.map((id) => ({ at: now, kind: 'task_retried' as const, task: id, data: { by: 'person' } })),
  );
  return [...ids];
}
