import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { Execution, PretendNode } from '../../controller/transport/pretend.ts';
import type { SimulatedClock } from '../support/clock.ts';

/** The promises of DESIGN 1, looked at from outside: the ledger's tables, what nodes really ran, what they were heard to say. */

/** What one node was heard to say. */
export interface Heard {
  greetings: Set<string>;
  held: Set<string>;
  ended: Set<string>;
  lost: Set<string>;
  boots: Set<string>;
  /** Monotonic ms of its last line. */
  at: number;
  journal: string[];
}

export function newHeard(): Heard {
  return {
    greetings: new Set(),
    held: new Set(),
    ended: new Set(),
    lost: new Set(),
    boots: new Set(),
    at: 0,
    journal: [],
  };
}

export function hear(heard: Heard, line: string, now: number): void {
  heard.at = now;
  const [mark, verb = '', attempt = '', , how] = line.split(' ');
  if (mark === 'J') heard.journal.push(line.slice(2));
  if (mark === 'J' || mark === 'F') {
    if (verb === 'start' || verb === 'open') heard.held.add(attempt);
    if (verb === 'end') heard.ended.add(attempt);
    if (verb === 'end' && how !== 'exited') heard.lost.add(attempt);
  }
  const greeting = /"epoch":(\d+),"boot":"([^"]+)"/.exec(line);
  if (mark === 'A' && greeting) {
    heard.greetings.add(`${greeting[1]} ${greeting[2]}`);
    heard.boots.add(greeting[2] ?? '');
  }
}

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
}
interface EventRow {
  seq: number;
  kind: string;
  task: string | null;
  attempt: string | null;
  data: string;
}

export interface Watch {
  ledger: DatabaseSync;
  clock: SimulatedClock;
  nodes: ReadonlyMap<string, PretendNode>;
  heard: ReadonlyMap<string, Heard>;
  /** A controller lives: without one readers know by its missing beat that all is old. */
  isHeld: boolean;
  accepted: Set<string>;
  needs: Map<string, readonly string[]>;
  /** Tasks that a person cancelled and did not ask for again, with the last event before. */
  cancelled: Map<string, number>;
  eventsSeen: number;
  executionsSeen: number;
  completed: Map<string, number>;
  executions: Execution[];
}

const SAYS: Readonly<Record<string, string>> = { failed: 'failed', cancelled: 'was cancelled', parked: 'is parked' };
const BAD = Object.keys(SAYS);

const statements = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/** Rows of the ledger as it stands between two transactions. */
export function rowsOf<Row>({ ledger }: Watch, sql: string, ...values: SQLInputValue[]): Row[] {
  const known = statements.get(ledger) ?? new Map<string, StatementSync>();
  statements.set(ledger, known);
  const statement = known.get(sql) ?? ledger.prepare(sql);
  known.set(sql, statement);
  return statement.all(...values) as Row[];
}

/** Every sentence that does not hold now. Cheap when nothing happened since the last look. */
export function judge(watch: Watch): string[] {
  const wrong = [...judgeExecutions(watch), ...judgeNodes(watch)];
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

/** No attempt starts twice; no two of one task, and no two of one agent, overlap; what is needed ended well before. */
function judgeExecutions(watch: Watch): string[] {
  const wrong: string[] = [];
  const all = [...watch.nodes.values()].flatMap(({ machine }) => machine.executions);
  if (all.length === watch.executionsSeen) return wrong;
  const fresh = all.filter((execution) => !watch.executions.includes(execution));
  for (const execution of fresh) {
    const { attempt, task, agent } = execution;
    for (const other of watch.executions) {
      if (other.attempt === attempt) wrong.push(`(b) attempt ${attempt} of ${task} was started twice`);
      const isOver = other.endedAt !== null && other.endedAt <= execution.beganAt;
      if (!isOver && other.task === task)
        wrong.push(`(c) two attempts of ${task} overlap: ${other.attempt} and ${attempt}`);
      if (!isOver && other.agent === agent) wrong.push(`(e) agent ${agent} does ${other.task} and ${task} at once`);
    }
    for (const need of watch.needs.get(task) ?? []) {
      const isMet = watch.executions.some((other) => other.task === need && endedWell(other));
      if (!isMet) wrong.push(`(f) ${task} was started before ${need} ended well`);
    }
    watch.executions.push(execution);
  }
  watch.executionsSeen = all.length;
  return wrong;
}

function endedWell(execution: Execution): boolean {
  return execution.end === 'itself' && execution.exit === 0;
}

function judgeEvents(watch: Watch, events: readonly EventRow[]): string[] {
  const wrong: string[] = [];
  for (const { seq, kind, task, data } of events) {
    if (task === null) continue;
    if (kind === 'task_completed') {
      const times = (watch.completed.get(task) ?? 0) + 1;
      watch.completed.set(task, times);
      if (times > 1) wrong.push(`(d) ${task} was completed ${times} times`);
      if (!watch.executions.some((execution) => execution.task === task && endedWell(execution)))
        wrong.push(`(d) ${task} was completed though nothing of it ended well`);
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
    const open = attempts.filter((attempt) => attempt.task === task.id && attempt.ended_at === null).length;
    if (open !== (task.state === 'running' ? 1 : 0))
      wrong.push(`(a) ${task.id} is ${task.state} with ${open} open attempts`);
    if (['blocked', 'parked', 'failed', 'cancelled'].includes(task.state) && !task.reason)
      wrong.push(`(a) ${task.id} is ${task.state} and does not say why`);
    const needs = (watch.needs.get(task.id) ?? []).map((need) => byId.get(need)!);
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
    if (
      task.state === 'completed' &&
      !attempts.some((attempt) => attempt.task === task.id && attempt.verdict === 'done')
    )
      wrong.push(`(d) ${task.id} is completed without an attempt that is done`);
  }
  return wrong;
}

/** Statuses never claim more than the node was heard to say. */
function judgeAttempt({ heard, executions }: Watch, attempt: AttemptRow): string[] {
  const wrong: string[] = [];
  const said = heard.get(attempt.node) ?? newHeard();
  if (attempt.state === 'started' && !said.held.has(attempt.id))
    wrong.push(`(h) ${attempt.id} is started and its node never said so`);
  if (attempt.verdict === 'done') {
    if (!said.ended.has(attempt.id)) wrong.push(`(h) ${attempt.id} is done and its node never said so`);
    if (!executions.some((execution) => execution.attempt === attempt.id && endedWell(execution)))
      wrong.push(`(d) ${attempt.id} is done and did not end well`);
  }
  const hasRebooted = [...said.boots].some((boot) => boot !== attempt.boot);
  if (attempt.verdict === 'lost' && !said.lost.has(attempt.id) && !hasRebooted)
    wrong.push(`(h) ${attempt.id} is lost and its node never said so`);
  if (attempt.message?.includes('not in the fleet file'))
    wrong.push(`(h) ${attempt.id} says what is not so: ${attempt.message}`);
  return wrong;
}

const HEARD_MS_MAX = 21_000;

function judgeNodes(watch: Watch): string[] {
  const { heard, clock } = watch;
  const up = "SELECT name, boot, epoch FROM node WHERE state = 'up'";
  return rowsOf<{ name: string; boot: string; epoch: number }>(watch, up).flatMap(({ name, boot, epoch }) => {
    const said = heard.get(name);
    if (!said?.greetings.has(`${epoch} ${boot}`)) return [`(h) ${name} is up under a greeting nobody heard`];
    const silent = clock.monotonic() - said.at;
    return watch.isHeld && silent > HEARD_MS_MAX ? [`(h) ${name} is up, and silent for ${silent} ms`] : [];
  });
}
