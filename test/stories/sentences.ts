import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { Fleet } from '../../controller/config/fleet.ts';
import { endedWell, type Ground } from './ground.ts';
import { type Heard, newHeard } from './heard.ts';
import { judgePatience, type Patience } from './patience.ts';

/** The promises of DESIGN 1, looked at from outside: one ledger's tables, what nodes really ran, what it was told. */

interface TaskRow {
  id: string;
  state: string;
  reason: string | null;
  deps_left: number;
  parked_by: string | null;
}
interface AttemptRow {
  id: string;
  task: string;
  agent: number;
  node: string;
  state: string;
  boot: string;
  verdict: string | null;
  exit: number | null;
  ended_at: number | null;
  message: string | null;
  stopping: string | null;
  is_parked: number;
}
interface EventRow {
  seq: number;
  kind: string;
  task: string | null;
  attempt: string | null;
  data: string;
}

/** One ledger and what its controller was told. */
export interface Watch {
  ground: Ground;
  ledger: DatabaseSync;
  /** The name of its controller's ways to nodes. */
  from: string;
  heard: Map<string, Heard>;
  /** A controller runs: without one readers know by its missing beat that all is old. */
  isHeld: boolean;
  /** Monotonic ms since when. */
  heldSince: number;
  /** How long it may begin nothing: after a take-over it waits for every node, as long as for one that is silent. */
  doubtMs: number;
  /** As its controller knows it. */
  fleet: Fleet;
  accepted: Set<string>;
  /** Tasks that a person cancelled and did not ask for again, with the last event before. */
  cancelled: Map<string, number>;
  eventsSeen: number;
  completed: Map<string, number>;
  patience: Patience;
}

const SAYS: Readonly<Record<string, string>> = { failed: 'failed', cancelled: 'was cancelled', parked: 'is parked' };
const BAD = Object.keys(SAYS);

const statements = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/** Rows of the ledger as it stands between two transactions. */
export function rowsOf<Row>({ ledger }: Pick<Watch, 'ledger'>, sql: string, ...values: SQLInputValue[]): Row[] {
  const known = statements.get(ledger) ?? new Map<string, StatementSync>();
  statements.set(ledger, known);
  const statement = known.get(sql) ?? ledger.prepare(sql);
  known.set(sql, statement);
  return statement.all(...values) as Row[];
}

/** Every sentence that does not hold now in this ledger. Cheap when nothing happened since the last look. */
export function judge(watch: Watch): string[] {
  const wrong = [...judgeNodes(watch), ...judgePatience(watch)];
  const news = 'SELECT seq, kind, task, attempt, data FROM event WHERE seq > ? ORDER BY seq';
  const events = rowsOf<EventRow>(watch, news, watch.eventsSeen);
  if (events.length === 0) return wrong;
  watch.eventsSeen = events.at(-1)?.seq ?? 0;
  const tasks = rowsOf<TaskRow>(watch, 'SELECT id, state, reason, deps_left, parked_by FROM task');
  const attempts = rowsOf<AttemptRow>(watch, 'SELECT * FROM attempt');
  wrong.push(...judgeEvents(watch, events));
  wrong.push(...judgeTasks(watch, tasks, attempts), ...attempts.flatMap((attempt) => judgeAttempt(watch, attempt)));
  return wrong;
}

function judgeEvents(watch: Watch, events: readonly EventRow[]): string[] {
  const { executions } = watch.ground;
  const wrong: string[] = [];
  for (const { seq, kind, task, data } of events) {
    if (task === null) continue;
    if (kind === 'task_completed') {
      const times = (watch.completed.get(task) ?? 0) + 1;
      watch.completed.set(task, times);
      if (times > 1) wrong.push(`(d) ${task} was completed ${times} times`);
      if (!executions.some((execution) => execution.task === task && endedWell(execution)))
        wrong.push(`(d) ${task} was completed though nothing of it ended well`);
      const [row] = rowsOf<TaskRow>(watch, 'SELECT * FROM task WHERE id = ?', task);
      if (row?.state !== 'completed') wrong.push(`(d) ${task} is told as completed and is ${row?.state}`);
    }
    if (kind === 'task_retried' && data.includes('"by":"person"')) watch.cancelled.delete(task);
    if (kind === 'attempt_intended' && seq > (watch.cancelled.get(task) ?? seq))
      wrong.push(`(a) ${task} was begun again after a person cancelled it`);
  }
  return wrong;
}

function judgeTasks(watch: Watch, tasks: readonly TaskRow[], attempts: readonly AttemptRow[]): string[] {
  const wrong: string[] = [];
  const byId = new Map(tasks.map((task) => [task.id, task]));
  for (const id of watch.accepted) if (!byId.has(id)) wrong.push(`(a) ${id} vanished`);
  for (const task of tasks) {
    wrong.push(
      ...judgeOpen(
        task,
        attempts.filter((attempt) => attempt.task === task.id && attempt.ended_at === null),
      ),
    );
    if (['blocked', 'parked', 'failed', 'cancelled'].includes(task.state) && !task.reason)
      wrong.push(`(a) ${task.id} is ${task.state} and does not say why`);
    wrong.push(...judgeNeeds(watch, task, byId));
    if (
      task.state === 'completed' &&
      !attempts.some((attempt) => attempt.task === task.id && attempt.verdict === 'done')
    )
      wrong.push(`(d) ${task.id} is completed without an attempt that is done`);
  }
  return wrong;
}

/** What runs has one attempt; what is parked has one whose node is not heard, or none; what is cancelled may wait for its end. */
function judgeOpen(task: TaskRow, open: readonly AttemptRow[]): string[] {
  const told = `(a) ${task.id} is ${task.state} with ${open.length} open attempts`;
  const [attempt, ...more] = open;
  if (more.length > 0) return [told];
  if (!attempt) return task.state === 'running' ? [told] : [];
  if (task.state === 'running') return attempt.is_parked === 0 ? [] : [`${told}, parked`];
  if (task.state === 'cancelled') return attempt.stopping === 'cancelled' ? [] : [`${told}, not told to end`];
  if (task.state !== 'parked' || attempt.is_parked === 0) return [told];
  return task.reason?.startsWith(attempt.node)
    ? []
    : [`(h) ${task.id} is parked on ${attempt.node} and says: ${task.reason}`];
}

function judgeNeeds({ ground }: Watch, task: TaskRow, byId: ReadonlyMap<string, TaskRow>): string[] {
  const wrong: string[] = [];
  const needs = (ground.needs.get(task.id) ?? []).map((need) => byId.get(need)!);
  const left = needs.filter(({ state }) => state !== 'completed');
  if (task.deps_left !== left.length) wrong.push(`(f) ${task.id} counts ${task.deps_left} needs, has ${left.length}`);
  const bad = left.find(({ state }) => BAD.includes(state));
  if (task.state === 'blocked' && left.length === 0) wrong.push(`(a) ${task.id} is blocked by nothing`);
  if (task.state === 'blocked' && bad)
    wrong.push(`(a) ${task.id} waits for ${bad.id}, which is ${bad.state}, and does not say so`);
  if (task.state === 'blocked' && !left.some(({ id }) => task.reason?.includes(id)))
    wrong.push(`(a) ${task.id} is blocked and gives another reason: ${task.reason}`);
  const cause = task.parked_by === null ? undefined : byId.get(task.parked_by);
  if (task.state === 'parked' && cause && !BAD.includes(cause.state))
    wrong.push(`(a) ${task.id} is parked by ${cause.id}, which is ${cause.state}`);
  if (cause && !task.reason?.startsWith(`needs ${cause.id}, which ${SAYS[cause.state] ?? ''}`))
    wrong.push(`(h) ${task.id} is parked by ${cause.id}, which is ${cause.state}, and says: ${task.reason}`);
  return wrong;
}

const PERSON = 'a person said that it is dead';

/** Statuses never claim more than the node was heard to say. */
function judgeAttempt({ heard, ground }: Watch, attempt: AttemptRow): string[] {
  const wrong: string[] = [];
  const said = heard.get(attempt.node) ?? newHeard();
  if (attempt.state === 'started' && !said.held.has(attempt.id))
    wrong.push(`(h) ${attempt.id} is started and its node never said so`);
  if (attempt.verdict === 'done') {
    if (!said.ended.has(attempt.id)) wrong.push(`(h) ${attempt.id} is done and its node never said so`);
    if (!ground.executions.some((execution) => execution.attempt === attempt.id && endedWell(execution)))
      wrong.push(`(d) ${attempt.id} is done and did not end well`);
  }
  const hasRebooted = [...said.boots].some((boot) => boot !== attempt.boot);
  const isTold = said.lost.has(attempt.id) || hasRebooted || attempt.message === PERSON;
  if (attempt.verdict === 'lost' && !isTold) wrong.push(`(h) ${attempt.id} is lost and its node never said so`);
  if (attempt.message === PERSON && !ground.assumed.has(attempt.id))
    wrong.push(`(h) ${attempt.id} is dead by the word of a person who never said so`);
  if (attempt.message?.includes('not in the fleet file'))
    wrong.push(`(h) ${attempt.id} says what is not so: ${attempt.message}`);
  return wrong;
}

/** 15 s, and what a heartbeat and a tick take. */
const HEARD_MS_MAX = 21_000;

function judgeNodes(watch: Watch): string[] {
  const { heard, ground } = watch;
  const up = "SELECT name, boot, epoch FROM node WHERE state = 'up'";
  return rowsOf<{ name: string; boot: string; epoch: number }>(watch, up).flatMap(({ name, boot, epoch }) => {
    const said = heard.get(name);
    if (!said?.greetings.has(`${epoch} ${boot}`)) return [`(h) ${name} is up under a greeting nobody heard`];
    const silent = ground.clock.monotonic() - Math.max(said.at, watch.heldSince);
    return watch.isHeld && silent > HEARD_MS_MAX ? [`(h) ${name} is up, and silent for ${silent} ms`] : [];
  });
}
