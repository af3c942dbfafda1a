import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import type { AttemptState } from '../task/attempt.ts';
import { WAIT_SECONDS_MAX } from '../task/retry.ts';
import { TASK_STATES, type Task, type TaskState } from '../task/task.ts';
import { type Ledger, numbersIn, readMeta } from './ledger.ts';
import type { Tables, TaskTable } from './tables.ts';
import type {
  AgentView,
  AttemptView,
  FleetState,
  IntentResult,
  NodeView,
  OpenAttempt,
  ReadyTask,
  Snapshot,
  TaskCounts,
  UsageTotal,
} from './view.ts';

/** Bounded looks into the ledger. */

const WAIT_MS_MAX = WAIT_SECONDS_MAX * 1000;

/** Spelled out, not bound: only then does the planner know that the indexes of open attempts hold them all. */
export const OPEN_STATES = [sql.lit('intended' as const), sql.lit('started' as const)];

/** Its wait is over. One longer than any wait can be was noted by a clock that was ahead: nobody waits for that. */
function isDue(task: ExpressionBuilder<Tables, 'task'>, now: number): Expression<SqlBool> {
  return task.or([task('not_before', '<=', now), task('not_before', '>', now + WAIT_MS_MAX)]);
}

/** The same of a row that was read. */
export function isDueAt(notBefore: number, now: number): boolean {
  return notBefore <= now || notBefore > now + WAIT_MS_MAX;
}

/** What one tick decides on. `perLaneMax`: how many ready tasks of each lane are worth looking at. */
export async function readSnapshot(ledger: Ledger, now: number, perLaneMax: number): Promise<Snapshot> {
  const open = await ledger
    .selectFrom('attempt')
    .select([
      'id',
      'task',
      'agent',
      'node',
      'ordinal',
      'kind',
      'state',
      'boot',
      'stopping',
      'intended_at as intendedAt',
      'started_at as startedAt',
      'is_parked as isParked',
    ])
    .where('state', 'in', OPEN_STATES)
    .execute();
  const later = await ledger
    .selectFrom('task')
    .select((of) => of.fn.min('not_before').as('at'))
    .where('state', '=', 'queued')
    .where('not_before', '>', sql.lit(0))
    .where('not_before', '>', now)
    .where('not_before', '<=', now + WAIT_MS_MAX)
    .executeTakeFirst();
  const paused = await ledger.selectFrom('agent').select('number').where('paused', '=', 1).execute();
  const restarts = await ledger
    .selectFrom('attempt')
    .select((of) => of.fn.countAll().as('count'))
    .where('is_restart', '=', sql.lit(1)) // as the index of restarts spells it
    .where('intended_at', '>', now - 60_000)
    .where('intended_at', '<=', now) // what a clock that was ahead wrote counts for nobody
    .executeTakeFirst();
  return {
    state: await readFleetState(ledger),
    ready: perLaneMax > 0 ? await readReady(ledger, now, perLaneMax) : [],
    nextReadyAt: later?.at === null || later?.at === undefined ? null : Number(later.at),
    open: open.map(asOpen),
    paused: new Set(paused.map(({ number }) => number)),
    restartsLastMinute: Number(restarts?.count ?? 0),
  };
}

/** In place: a copy of each of 10,000 would cost more than the query. */
function asOpen(row: { isParked: unknown }): OpenAttempt {
  row.isParked = row.isParked === 1;
  return row as unknown as OpenAttempt;
}

/** Lane by lane along the index: the cost grows with the lanes and what is taken, not with what is queued. */
async function readReady(ledger: Ledger, now: number, perLaneMax: number): Promise<ReadyTask[]> {
  const lanes = await sql<{ lane: string }>`
    WITH RECURSIVE next (lane) AS (
      SELECT min(lane) FROM task WHERE state = 'queued'
      UNION ALL
      SELECT (SELECT min(lane) FROM task WHERE state = 'queued' AND lane > next.lane) FROM next WHERE next.lane IS NOT NULL
    ) SELECT lane FROM next WHERE lane IS NOT NULL`.execute(ledger);
  const ready: ReadyTask[] = [];
  for (const { lane } of lanes.rows) {
    const rows = await ledger
      .selectFrom('task')
      .select(['id', 'seq', 'category', 'kind', 'priority', 'agents', 'resumes_on', 'resumes_node', 'is_restart'])
      .where('state', '=', 'queued')
      .where('lane', '=', lane)
      .where((task) => isDue(task, now))
      .orderBy('priority')
      .orderBy('seq')
      .limit(perLaneMax)
      .execute();
    for (const row of rows) {
      const { resumes_on: agent, resumes_node: node, is_restart: isRestart, agents, ...rest } = row;
      ready.push({
        ...rest,
        agents: numbersIn(agents),
        resumesOn: agent === null || node === null ? null : { agent, node },
        isRestart: isRestart === 1,
      });
    }
  }
  return ready.sort((a, b) => a.priority - b.priority || a.seq - b.seq);
}

export async function readFleetState(ledger: Ledger): Promise<FleetState> {
  return ((await readMeta(ledger, 'state')) ?? 'UNINITIALIZED') as FleetState;
}

export async function countTasks(ledger: Ledger): Promise<TaskCounts> {
  const rows = await ledger
    .selectFrom('task')
    .select(['state', (of) => of.fn.countAll().as('count')])
    .groupBy('state')
    .execute();
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as TaskCounts;
  for (const { state, count } of rows) counts[state as TaskState] = Number(count);
  return counts;
}

export interface TaskFilter {
  ids?: readonly string[];
  states?: readonly TaskState[];
  /** Most rows given, newest last. */
  limit: number;
}

export async function readTasks(ledger: Ledger, filter: TaskFilter): Promise<Task[]> {
  let query = ledger.selectFrom('task').selectAll().orderBy('seq').limit(filter.limit);
  if (filter.ids) query = query.where('id', 'in', filter.ids.slice(0, 30_000));
  if (filter.states) query = query.where('state', 'in', [...filter.states]);
  const rows = await query.execute();
  return rows.map((row) => taskOf(row as unknown as TaskTable & { seq: number }, []));
}

export async function readTask(ledger: Ledger, id: string): Promise<Task | undefined> {
  const row = await ledger.selectFrom('task').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) return undefined;
  const needs = await ledger.selectFrom('need').select('needs').where('task', '=', id).orderBy('needs').execute();
  return taskOf(
    row,
    needs.map((need) => need.needs),
  );
}

function taskOf(row: Omit<TaskTable, 'seq'> & { seq: number }, needs: readonly string[]): Task {
  return {
    id: row.id,
    seq: row.seq,
    title: row.title,
    prompt: row.prompt,
    run: row.run,
    category: row.category,
    kind: row.kind,
    priority: row.priority,
    needs,
    agents: numbersIn(row.agents),
    cwd: row.cwd,
    timeoutSeconds: row.timeout,
    retries: row.retries,
    env: JSON.parse(row.env) as Record<string, string>,
    labels: JSON.parse(row.labels) as string[],
    state: row.state as TaskState,
    reason: row.reason,
    notBefore: row.not_before,
    depsLeft: row.deps_left,
    faults: row.faults,
    platformFaults: row.platform_faults,
    waits: row.waits,
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}

/** Which number each task's last attempt has; tasks without one are left out. */
export async function readOrdinals(ledger: Ledger, tasks: readonly string[]): Promise<Map<string, number>> {
  if (tasks.length === 0) return new Map();
  const rows = await ledger
    .selectFrom('attempt')
    .select(['task', (of) => of.fn.max('ordinal').as('last')])
    .where('task', 'in', [...tasks])
    .groupBy('task')
    .execute();
  return new Map(rows.map(({ task, last }) => [task, Number(last)]));
}

/** The conversation a queued task goes on with; undefined when it begins a new one. */
export async function readConversation(ledger: Ledger, task: string): Promise<string | null> {
  return (
    (await ledger.selectFrom('task').select('conversation').where('id', '=', task).executeTakeFirst())?.conversation ??
    null
  );
}

export async function readAttempts(
  ledger: Ledger,
  where: { task?: string; ids?: readonly string[]; agent?: number; limit: number },
): Promise<AttemptView[]> {
  let query = ledger.selectFrom('attempt').selectAll().limit(where.limit);
  // Of one task by its tries: the wall clock may have jumped between them.
  query =
    where.task === undefined
      ? query.orderBy('intended_at', 'desc')
      : query.where('task', '=', where.task).orderBy('ordinal', 'desc');
  if (where.ids !== undefined) query = query.where('id', 'in', [...where.ids]);
  if (where.agent !== undefined) query = query.where('agent', '=', where.agent);
  const rows = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    task: row.task,
    agent: row.agent,
    node: row.node,
    ordinal: row.ordinal,
    kind: row.kind,
    state: row.state as AttemptState,
    conversation: row.conversation,
    intendedAt: row.intended_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    verdict: row.verdict as AttemptView['verdict'],
    message: row.message,
    answer: row.answer,
    exit: row.exit,
  }));
}

export async function readUsage(ledger: Ledger, task?: string): Promise<UsageTotal> {
  let query = ledger
    .selectFrom('usage')
    .select((of) => [
      of.fn.countAll().as('responses'),
      of.fn.sum('input').as('input'),
      of.fn.sum('cached').as('cached'),
      of.fn.sum('output').as('output'),
    ]);
  if (task !== undefined)
    query = query.where('attempt', 'in', ledger.selectFrom('attempt').select('id').where('task', '=', task));
  const row = await query.executeTakeFirst();
  return {
    responses: Number(row?.responses ?? 0),
    inputTokens: Number(row?.input ?? 0),
    cachedTokens: Number(row?.cached ?? 0),
    outputTokens: Number(row?.output ?? 0),
  };
}

/** What was wished since then and refused, newest first: whoever handed it in may never have heard. */
export async function readRefusals(
  ledger: Ledger,
  since: number,
): Promise<{ at: number; operation: string; by: string; message: string }[]> {
  const rows = await ledger
    .selectFrom('intent')
    .select(['at', 'operation', 'by', 'result'])
    .where('at', '>', since)
    .orderBy('at', 'desc')
    .limit(1000)
    .execute();
  return rows.flatMap(({ result, ...row }) => {
    const told = JSON.parse(result) as IntentResult;
    return told.ok ? [] : [{ ...row, message: told.error.message }];
  });
}

export async function readNodes(ledger: Ledger): Promise<NodeView[]> {
  const rows = await ledger.selectFrom('node').selectAll().orderBy('name').execute();
  return rows.map(({ memory_gib: memoryGiB, seen_at: seenAt, ...row }) => ({
    ...row,
    memoryGiB,
    seenAt,
    state: row.state as NodeView['state'],
  }));
}

export async function readAgents(ledger: Ledger): Promise<AgentView[]> {
  const rows = await ledger.selectFrom('agent').selectAll().orderBy('number').execute();
  return rows.map(({ paused, ...row }) => ({ ...row, state: row.state as AgentView['state'] }));
}
