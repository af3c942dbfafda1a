import { z } from 'zod';
import { iso } from '../clock.ts';
import type { AttemptView, UsageTotal } from '../ledger/view.ts';
import { scrub } from '../secret.ts';
import { FAULT_OF, VERDICTS } from '../task/attempt.ts';
import { TASK_STATES } from '../task/task.ts';
import { addUsage, attemptsByTask, type PastTask } from './history.ts';
import { OUTPUT_VERSION } from './operation.ts';
import { countAgents, countStates, Results, resultOf, spanOf, TaskResult } from './results.ts';
import { AttemptStatus, secondsOf, UsageStatus } from './show.ts';

/** What a report says, made from what the ledger holds. */

const LAST_LINES_MAX = 20;
const LAST_CHARS_MAX = 2_000;

const Fault = z.enum(['none', 'task', 'platform', 'wait', 'owner', 'person']);
/** As `show` tells of an attempt, and what a report says beside. */
const AttemptReport = AttemptStatus.omit({ answer: true, conversation: true, startedAt: true }).extend({
  /** Whose fault the verdict is; null while it is open. */
  fault: Fault.nullable(),
  beganAt: z.string(),
  /** Since it could begin: its task was handed in, the last need was completed, or the try before ended. */
  waitedSeconds: z.number(),
  tokens: z.int(),
});
export type AttemptReport = z.infer<typeof AttemptReport>;

const Retry = z.object({
  task: z.string(),
  /** Number of the try that was made because of it. */
  ordinal: z.int(),
  at: z.string(),
  /** How the try before ended; null where that one is older than the report. */
  verdict: z.enum(VERDICTS).nullable(),
  fault: Fault.nullable(),
  message: z.string().nullable(),
  waitedSeconds: z.number(),
});
const Failure = z.object({
  task: z.string(),
  title: z.string(),
  attempts: z.int(),
  verdict: z.enum(VERDICTS).nullable(),
  exit: z.int().nullable(),
  message: z.string().nullable(),
  /** The end of what its last attempt answered or printed. */
  lastLines: z.string(),
});

export const Report = Results.extend({
  fleet: z.string(),
  /** When the report was made. */
  at: z.string(),
  since: z.string().nullable(),
  /** Older ones that are left out because there are too many. */
  omitted: z.object({ tasks: z.int(), attempts: z.int() }),
  /** First beginning and last end of an attempt. */
  beganAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  tasks: Results.shape.tasks.extend({ open: z.int() }),
  nodes: z.array(z.object({ node: z.string(), agents: z.int(), attempts: z.int(), seconds: z.number() })),
  kinds: z.array(z.object({ kind: z.string(), attempts: z.int(), seconds: z.number(), usage: UsageStatus })),
  results: z.array(
    TaskResult.extend({
      category: z.string().nullable(),
      reason: z.string().nullable(),
      waitedSeconds: z.number(),
      tokens: z.int(),
    }),
  ),
  /** In the order of their beginning. */
  attempts: z.array(AttemptReport),
  retries: z.array(Retry),
  failures: z.array(Failure),
  /** Parked and cancelled tasks, and those that wait or run still. */
  undone: z.array(
    z.object({ task: z.string(), title: z.string(), state: z.enum(TASK_STATES), reason: z.string().nullable() }),
  ),
});
export type Report = z.infer<typeof Report>;

/** What the ledger holds of the tasks of a report. */
export interface Past {
  fleet: string;
  /** Wall time in ms. */
  now: number;
  since: number | null;
  tasks: PastTask[];
  attempts: AttemptView[];
  usage: ReadonlyMap<string, UsageTotal>;
  /** When a task's last need was completed, wall time in ms. */
  needsMet: ReadonlyMap<string, number>;
  /** How many agents the fleet has now. */
  agents: number;
  omitted: Report['omitted'];
}

export function describePast(past: Past): Report {
  const { fleet, now } = past;
  const agents = countAgents(past.attempts, past.agents);
  const { seconds, efficiency, began, ended } = spanOf(past.attempts, agents);
  const counts = countStates(past.tasks);
  const own = attemptsByTask(past.attempts);
  const waits = waitsOf(past, own);
  const tokens = (attempt: AttemptView) => tokensOf(past.usage.get(attempt.id));
  const sum = (attempts: readonly AttemptView[], of: (attempt: AttemptView) => number) =>
    attempts.reduce((total, attempt) => total + of(attempt), 0);
  return {
    version: OUTPUT_VERSION,
    fleet,
    at: iso(now),
    since: past.since === null ? null : iso(past.since),
    omitted: past.omitted,
    beganAt: began === null ? null : iso(began),
    endedAt: ended === null ? null : iso(ended),
    tasks: { ...counts, open: counts.total - counts.completed - counts.failed - counts.cancelled - counts.parked },
    seconds,
    agents,
    efficiency,
    usage: addUsage(past.usage.values()),
    nodes: nodesOf(past.attempts),
    kinds: kindsOf(past),
    results: past.tasks.map((task) => {
      const attempts = own.get(task.id) ?? [];
      return {
        ...resultOf(fleet, task, attempts),
        category: task.category,
        reason: task.reason,
        waitedSeconds: sum(attempts, ({ id }) => waits.get(id) ?? 0),
        tokens: sum(attempts, tokens),
      };
    }),
    attempts: past.attempts.map((attempt) => attemptReport(attempt, waits.get(attempt.id) ?? 0, tokens(attempt))),
    retries: past.attempts.flatMap((attempt) => retryOf(attempt, own, waits) ?? []),
    failures: past.tasks
      .filter(({ state }) => state === 'failed')
      .map((task) => failureOf(task, own.get(task.id) ?? [])),
    undone: past.tasks
      .filter(({ state }) => state !== 'completed' && state !== 'failed')
      .map(({ id, title, state, reason }) => ({ task: id, title, state, reason })),
  };
}

const beganAt = ({ startedAt, intendedAt }: AttemptView) => startedAt ?? intendedAt;
const tokensOf = (usage: UsageTotal | undefined) => (usage ? usage.inputTokens + usage.outputTokens : 0);
const before = (attempt: AttemptView, own: ReadonlyMap<string, readonly AttemptView[]>) =>
  own.get(attempt.task)?.find(({ ordinal }) => ordinal === attempt.ordinal - 1);

/** How long each attempt waited before it began, in seconds, by its id. */
function waitsOf(past: Past, own: ReadonlyMap<string, readonly AttemptView[]>): Map<string, number> {
  const handedIn = new Map(past.tasks.map(({ id, createdAt }) => [id, createdAt]));
  return new Map(
    past.attempts.map((attempt) => {
      const { task, ordinal } = attempt;
      const first = Math.max(handedIn.get(task) ?? 0, past.needsMet.get(task) ?? 0);
      const ready = ordinal === 1 ? first : (before(attempt, own)?.endedAt ?? beganAt(attempt));
      return [attempt.id, Math.max(0, beganAt(attempt) - ready) / 1000];
    }),
  );
}

function attemptReport(attempt: AttemptView, waitedSeconds: number, tokens: number): AttemptReport {
  const { intendedAt: _, startedAt: __, endedAt, conversation: ___, answer: ____, ...rest } = attempt;
  return {
    ...rest,
    fault: attempt.verdict === null ? null : FAULT_OF[attempt.verdict],
    beganAt: iso(beganAt(attempt)),
    endedAt: endedAt === null ? null : iso(endedAt),
    seconds: secondsOf(attempt),
    waitedSeconds,
    tokens,
  };
}

function retryOf(
  attempt: AttemptView,
  own: ReadonlyMap<string, readonly AttemptView[]>,
  waits: ReadonlyMap<string, number>,
): z.infer<typeof Retry> | null {
  if (attempt.ordinal === 1) return null;
  const last = before(attempt, own);
  return {
    task: attempt.task,
    ordinal: attempt.ordinal,
    at: iso(beganAt(attempt)),
    verdict: last?.verdict ?? null,
    fault: last?.verdict ? FAULT_OF[last.verdict] : null,
    message: last?.message ?? null,
    waitedSeconds: waits.get(attempt.id) ?? 0,
  };
}

function failureOf(task: PastTask, attempts: readonly AttemptView[]): z.infer<typeof Failure> {
  const last = attempts.at(-1);
  const lines = scrub(last?.answer ?? '')
    .split('\n')
    .slice(-LAST_LINES_MAX)
    .join('\n');
  return {
    task: task.id,
    title: task.title,
    attempts: attempts.length,
    verdict: last?.verdict ?? null,
    exit: last?.exit ?? null,
    message: task.reason ?? last?.message ?? null,
    lastLines: lines.slice(-LAST_CHARS_MAX),
  };
}

function groupBy(attempts: readonly AttemptView[], key: (attempt: AttemptView) => string): [string, AttemptView[]][] {
  return [...Map.groupBy(attempts, key)].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
}

const secondsIn = (attempts: readonly AttemptView[]) =>
  attempts.reduce((sum, attempt) => sum + (secondsOf(attempt) ?? 0), 0);

function nodesOf(attempts: readonly AttemptView[]): Report['nodes'] {
  return groupBy(attempts, ({ node }) => node).map(([node, here]) => ({
    node,
    agents: new Set(here.map(({ agent }) => agent)).size,
    attempts: here.length,
    seconds: secondsIn(here),
  }));
}

function kindsOf({ attempts, usage }: Past): Report['kinds'] {
  return groupBy(attempts, ({ kind }) => kind).map(([kind, its]) => ({
    kind,
    attempts: its.length,
    seconds: secondsIn(its),
    usage: addUsage(its.map(({ id }) => usage.get(id))),
  }));
}
