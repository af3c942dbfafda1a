import { z } from 'zod';
import type { Ledger } from '../ledger/ledger.ts';
import type { AttemptView } from '../ledger/view.ts';
import { TASK_STATES } from '../task/task.ts';
import { addUsage, attemptsByTask, type PastTask, readAttemptsAt, readTasksNamed, readUsageOf } from './history.ts';
import { type Look, OUTPUT_VERSION } from './operation.ts';
import { secondsOf, UsageStatus } from './show.ts';

const ATTEMPTS_MAX = 500_000;
const Input = z.object({ tasks: z.array(z.string()).max(100_000), agents: z.int().min(1) });

export const TaskResult = z.object({
  task: z.string(),
  title: z.string(),
  state: z.enum(TASK_STATES),
  agent: z.int().nullable(),
  node: z.string().nullable(),
  attempts: z.int(),
  seconds: z.number().nullable(),
  answer: z.string().nullable(),
  log: z.string().nullable(),
  error: z.string().nullable(),
});
export const Results = z.object({
  version: z.literal(OUTPUT_VERSION),
  tasks: z.object({ total: z.int(), completed: z.int(), failed: z.int(), cancelled: z.int(), parked: z.int() }),
  seconds: z.number(),
  agents: z.int(),
  /** Σ attempt seconds ÷ (agents × makespan): 1 when every agent worked all the time. */
  efficiency: z.number(),
  usage: UsageStatus,
  results: z.array(TaskResult),
});
export type Results = z.infer<typeof Results>;

export const results: Look<z.infer<typeof Input>, Results> = {
  is: 'look',
  name: 'results',
  summary: 'What became of tasks: answers, attempts, tokens, and how well the agents were used.',
  input: Input,
  output: Results,
  run: async ({ ledger, fleet }, { tasks: ids, agents: count }) => {
    const { tasks, attempts, usage } = await readPast(ledger, ids);
    const byId = new Map(tasks.map((task) => [task.id, task]));
    const own = attemptsByTask(attempts);
    const agents = countAgents(attempts, count);
    const { seconds, efficiency } = spanOf(attempts, agents);
    return {
      version: OUTPUT_VERSION,
      tasks: { ...countStates(tasks), total: ids.length },
      seconds,
      efficiency,
      agents,
      usage,
      results: ids.flatMap((id) => {
        const task = byId.get(id);
        return task ? [resultOf(fleet.name, task, own.get(id) ?? [])] : [];
      }),
    };
  },
};

async function readPast(ledger: Ledger | null, ids: readonly string[]) {
  if (!ledger) return { tasks: [], attempts: [], usage: addUsage([]) };
  const tasks = await readTasksNamed(ledger, ids);
  const known = tasks.map(({ id }) => id);
  const { attempts } = await readAttemptsAt(ledger, known, { since: null, limit: ATTEMPTS_MAX });
  const usage = await readUsageOf(
    ledger,
    attempts.map(({ id }) => id),
  );
  return { tasks, attempts, usage: addUsage(usage.values()) };
}

/** How many tasks ended, or stay, in each way. */
export function countStates(tasks: readonly PastTask[]): Results['tasks'] {
  const count = (state: PastTask['state']) => tasks.filter((task) => task.state === state).length;
  return {
    total: tasks.length,
    completed: count('completed'),
    failed: count('failed'),
    cancelled: count('cancelled'),
    parked: count('parked'),
  };
}

/** The fleet's agents, at least those that worked: it may have had more than it has now. */
export function countAgents(attempts: readonly AttemptView[], count: number): number {
  return Math.max(1, count, new Set(attempts.map(({ agent }) => agent)).size);
}

/** Makespan from the first attempt's beginning to the last one's end, in seconds, and how well it was used. */
export function spanOf(
  attempts: readonly AttemptView[],
  agents: number,
): Pick<Results, 'seconds' | 'efficiency'> & { began: number | null; ended: number | null } {
  const begins = attempts.map(({ intendedAt }) => intendedAt);
  const ends = attempts.flatMap(({ endedAt }) => (endedAt === null ? [] : [endedAt]));
  const began = begins.length > 0 ? min(begins) : null;
  const ended = ends.length > 0 ? max(ends) : null;
  if (began === null || ended === null) return { seconds: 0, efficiency: 0, began, ended };
  const seconds = Math.max(0.001, (ended - began) / 1000);
  const worked = attempts.reduce((sum, attempt) => sum + (secondsOf(attempt) ?? 0), 0);
  return { seconds, efficiency: Math.min(1, worked / (agents * seconds)), began, ended };
}

const max = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b));
const min = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b));

/** What became of a task by its attempts, the first try first. */
export function resultOf(fleet: string, task: PastTask, attempts: readonly AttemptView[]): z.infer<typeof TaskResult> {
  const last = attempts.at(-1);
  const seconds = attempts.reduce((sum, attempt) => sum + (secondsOf(attempt) ?? 0), 0);
  return {
    task: task.id,
    title: task.title,
    state: task.state,
    agent: last?.agent ?? null,
    node: last?.node ?? null,
    attempts: attempts.length,
    seconds: attempts.length > 0 ? seconds : null,
    answer: last?.answer ?? null,
    log: last ? `~/.miyabi/${fleet}/attempts/${last.id}.out` : null,
    error: task.state === 'completed' ? null : (task.reason ?? last?.message ?? null),
  };
}
