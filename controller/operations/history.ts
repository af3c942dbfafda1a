import type { Ledger } from '../ledger/ledger.ts';
import type { AttemptView, UsageTotal } from '../ledger/view.ts';
import type { Task } from '../task/task.ts';

/** What became of many tasks, read in few queries. */

/** A task without its prompt and settings: a thousand prompts need not fit into memory. */
export type PastTask = Pick<
  Task,
  'id' | 'seq' | 'title' | 'state' | 'reason' | 'category' | 'kind' | 'createdAt' | 'endedAt'
>;

const IDS_AT_ONCE = 500;
const TASK_COLUMNS = [
  'id',
  'seq',
  'title',
  'state',
  'reason',
  'category',
  'kind',
  'created_at as createdAt',
  'ended_at as endedAt',
] as const;
const ATTEMPT_COLUMNS = [
  'id',
  'task',
  'agent',
  'node',
  'ordinal',
  'kind',
  'state',
  'conversation',
  'intended_at as intendedAt',
  'started_at as startedAt',
  'ended_at as endedAt',
  'verdict',
  'message',
  'answer',
  'exit',
] as const;

function* batchesOf<T>(items: readonly T[]): Generator<T[]> {
  for (let index = 0; index < items.length; index += IDS_AT_ONCE) yield items.slice(index, index + IDS_AT_ONCE);
}

/** Those of these ids that the ledger knows, in the order of their acceptance. */
export async function readTasksNamed(ledger: Ledger, ids: readonly string[]): Promise<PastTask[]> {
  const tasks: PastTask[] = [];
  for (const batch of batchesOf([...new Set(ids)])) {
    const rows = await ledger.selectFrom('task').select(TASK_COLUMNS).where('id', 'in', batch).execute();
    tasks.push(...(rows as PastTask[]));
  }
  return tasks.sort((a, b) => a.seq - b.seq);
}

/**
 * The newest tasks, in the order of their acceptance, and how many there are in all. With a time (wall, ms): those that
 * were handed in, tried or ended since, and those that are not over.
 */
export async function readNewestTasks(
  ledger: Ledger,
  since: number | null,
  limit: number,
): Promise<{ tasks: PastTask[]; total: number }> {
  let query = ledger.selectFrom('task');
  if (since !== null)
    query = query.where((task) =>
      task.or([
        task('state', 'in', ['queued', 'blocked', 'running', 'parked']),
        task('created_at', '>=', since),
        task('ended_at', '>=', since),
        task('id', 'in', ledger.selectFrom('attempt').select('task').where('ended_at', '>=', since)),
      ]),
    );
  const rows = await query.select(TASK_COLUMNS).orderBy('seq', 'desc').limit(limit).execute();
  const count = await query.select((of) => of.fn.countAll().as('count')).executeTakeFirst();
  return { tasks: (rows as PastTask[]).reverse(), total: Number(count?.count ?? 0) };
}

/** The newest attempts at these tasks, in the order of their beginning, and how many there are in all. */
export async function readAttemptsAt(
  ledger: Ledger,
  tasks: readonly string[],
  { since, limit }: { since: number | null; limit: number },
): Promise<{ attempts: AttemptView[]; total: number }> {
  const attempts: AttemptView[] = [];
  let total = 0;
  for (const batch of batchesOf(tasks)) {
    let query = ledger.selectFrom('attempt').where('task', 'in', batch);
    if (since !== null)
      query = query.where((attempt) => attempt.or([attempt('ended_at', '>=', since), attempt('ended_at', 'is', null)]));
    const rows = await query
      .select(ATTEMPT_COLUMNS)
      .orderBy('intended_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    const count = await query.select((of) => of.fn.countAll().as('count')).executeTakeFirst();
    total += Number(count?.count ?? 0);
    attempts.push(...(rows as AttemptView[]));
  }
  attempts.sort((a, b) => a.intendedAt - b.intendedAt || a.ordinal - b.ordinal || (a.id < b.id ? -1 : 1));
  return { attempts: attempts.slice(-limit), total };
}

/** Tokens of each of these attempts that has any. */
export async function readUsageOf(ledger: Ledger, attempts: readonly string[]): Promise<Map<string, UsageTotal>> {
  const usage = new Map<string, UsageTotal>();
  for (const batch of batchesOf(attempts)) {
    const rows = await ledger
      .selectFrom('usage')
      .select((of) => [
        'attempt',
        of.fn.countAll().as('responses'),
        of.fn.sum('input').as('input'),
        of.fn.sum('cached').as('cached'),
        of.fn.sum('output').as('output'),
      ])
      .where('attempt', 'in', batch)
      .groupBy('attempt')
      .execute();
    for (const { attempt, responses, input, cached, output } of rows)
      usage.set(attempt, {
        responses: Number(responses),
        inputTokens: Number(input),
        cachedTokens: Number(cached),
        outputTokens: Number(output),
      });
  }
  return usage;
}

/** When the last need of each of these tasks was completed, wall time in ms; nothing for those without needs. */
export async function readNeedsMet(ledger: Ledger, tasks: readonly string[]): Promise<Map<string, number>> {
  const met = new Map<string, number>();
  for (const batch of batchesOf(tasks)) {
    const rows = await ledger
      .selectFrom('need')
      .innerJoin('task as needed', 'needed.id', 'need.needs')
      .select((of) => ['need.task as task', of.fn.max('needed.ended_at').as('at')])
      .where('need.task', 'in', batch)
      .where('needed.state', '=', 'completed')
      .groupBy('need.task')
      .execute();
    for (const { task, at } of rows) if (at !== null) met.set(task, Number(at));
  }
  return met;
}

/** What each task's attempts are, first try first. */
export function attemptsByTask(attempts: readonly AttemptView[]): Map<string, AttemptView[]> {
  const tasks = new Map<string, AttemptView[]>();
  for (const attempt of attempts) {
    const own = tasks.get(attempt.task);
    if (own) own.push(attempt);
    else tasks.set(attempt.task, [attempt]);
  }
  // By their number: the wall clock may have jumped between them.
  for (const own of tasks.values()) own.sort((a, b) => a.ordinal - b.ordinal);
  return tasks;
}

export function addUsage(totals: Iterable<UsageTotal | undefined>): UsageTotal {
  const sum = { responses: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  for (const each of totals) {
    sum.responses += each?.responses ?? 0;
    sum.inputTokens += each?.inputTokens ?? 0;
    sum.cachedTokens += each?.cachedTokens ?? 0;
    sum.outputTokens += each?.outputTokens ?? 0;
  }
  return sum;
}
