import { z } from 'zod';
import { FleetError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { readAgents } from '../ledger/read.ts';
import { describePast, type Past, Report } from './account.ts';
import {
  type PastTask,
  readAttemptsAt,
  readNeedsMet,
  readNewestTasks,
  readTasksNamed,
  readUsageOf,
} from './history.ts';
import type { Look } from './operation.ts';

const TASKS_MAX = 10_000;
const ATTEMPTS_MAX = 10_000;

const Input = z.object({
  /** All tasks of the ledger where absent. */
  tasks: z.array(z.string()).max(100_000).optional(),
  /** Only what was handed in, tried or ended since, and what is not over. */
  since: z.iso.datetime({ offset: true }).optional(),
});

export const report: Look<z.infer<typeof Input>, Report> = {
  is: 'look',
  name: 'report',
  summary: 'All that became of tasks: every attempt with its times, retries and failures with reasons, tokens.',
  input: Input,
  output: Report,
  run: async ({ fleet, now, ledger }, { tasks, since }) =>
    describePast({
      fleet: fleet.name,
      now,
      ...(await readPast(ledger, tasks, since === undefined ? null : Date.parse(since))),
    }),
};

async function readPast(
  ledger: Ledger | null,
  ids: readonly string[] | undefined,
  since: number | null,
): Promise<Omit<Past, 'fleet' | 'now'>> {
  const { tasks, total } = await readScope(ledger, ids, since);
  const omitted = { tasks: total - tasks.length, attempts: 0 };
  if (!ledger) return { since, tasks, attempts: [], usage: new Map(), needsMet: new Map(), agents: 0, omitted };
  const known = tasks.map(({ id }) => id);
  const found = await readAttemptsAt(ledger, known, { since, limit: ATTEMPTS_MAX });
  const made = found.attempts.map(({ id }) => id);
  return {
    since,
    tasks,
    attempts: found.attempts,
    usage: await readUsageOf(ledger, made),
    needsMet: await readNeedsMet(ledger, known),
    agents: (await readAgents(ledger)).length,
    omitted: { ...omitted, attempts: found.total - found.attempts.length },
  };
}

async function readScope(
  ledger: Ledger | null,
  ids: readonly string[] | undefined,
  since: number | null,
): Promise<{ tasks: PastTask[]; total: number }> {
  if (ids === undefined) return ledger ? readNewestTasks(ledger, since, TASKS_MAX) : { tasks: [], total: 0 };
  const tasks = ledger ? await readTasksNamed(ledger, ids) : [];
  const known = new Set(tasks.map(({ id }) => id));
  const unknown = [...new Set(ids)].filter((id) => !known.has(id));
  if (unknown.length > 0)
    throw new FleetError('not-found', `no such task: ${unknown.slice(0, 10).join(', ')}`, {
      hint: 'fleet list tasks shows what there is.',
    });
  return { tasks: tasks.slice(-TASKS_MAX), total: tasks.length };
}
