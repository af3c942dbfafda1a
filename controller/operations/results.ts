import { z } from 'zod';
import type { Ledger } from '../ledger/ledger.ts';
import { readAttempts, readTask, readUsage } from '../ledger/read.ts';
import type { AttemptView } from '../ledger/view.ts';
import { TASK_STATES, type Task } from '../task/task.ts';
import { type Look, OUTPUT_VERSION } from './operation.ts';
import { secondsOf, UsageStatus } from './show.ts';

const Input = z.object({ tasks: z.array(z.string()).max(100_000), agents: z.int().min(1) });

const TaskResult = z.object({
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
  run: async ({ ledger, fleet }, { tasks: ids, agents }) => {
    const found: { task: Task; attempts: AttemptView[] }[] = [];
    const usage = { responses: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
    for (const id of ledger ? ids : []) {
      const each = await readOne(ledger as Ledger, id);
      if (!each) continue;
      found.push(each);
      usage.responses += each.usage.responses;
      usage.inputTokens += each.usage.inputTokens;
      usage.cachedTokens += each.usage.cachedTokens;
      usage.outputTokens += each.usage.outputTokens;
    }
    const attempts = found.flatMap((each) => each.attempts);
    const count = (state: Task['state']) => found.filter(({ task }) => task.state === state).length;
    return {
      version: OUTPUT_VERSION,
      tasks: {
        total: ids.length,
        completed: count('completed'),
        failed: count('failed'),
        cancelled: count('cancelled'),
        parked: count('parked'),
      },
      ...spanOf(attempts, agents),
      agents,
      usage,
      results: found.map(({ task, attempts: own }) => resultOf(fleet.name, task, own)),
    };
  },
};

async function readOne(ledger: Ledger, id: string) {
  const task = await readTask(ledger, id);
  return (
    task && { task, attempts: await readAttempts(ledger, { task: id, limit: 500 }), usage: await readUsage(ledger, id) }
  );
}

/** Makespan from the first attempt's beginning to the last one's end, in seconds, and how well it was used. */
function spanOf(attempts: readonly AttemptView[], agents: number): { seconds: number; efficiency: number } {
  const begins = attempts.map(({ intendedAt }) => intendedAt);
  const ends = attempts.flatMap(({ endedAt }) => (endedAt === null ? [] : [endedAt]));
  if (begins.length === 0 || ends.length === 0) return { seconds: 0, efficiency: 0 };
  const seconds = Math.max(0.001, (max(ends) - min(begins)) / 1000);
  const worked = attempts.reduce((sum, attempt) => sum + (secondsOf(attempt) ?? 0), 0);
  return { seconds, efficiency: Math.min(1, worked / (agents * seconds)) };
}

const max = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b));
const min = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b));

function resultOf(fleet: string, task: Task, attempts: readonly AttemptView[]): z.infer<typeof TaskResult> {
  const last = attempts[0]; // newest first
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
    log: last ? `~/.miyabi/${fleet}/attempts/${last.id}/out` : null,
    error: task.state === 'completed' ? null : (task.reason ?? last?.message ?? null),
  };
}
