import { styleText } from 'node:util';
import { formatDuration, iso } from '../clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { countTasks } from '../ledger/read.ts';
import type { TaskCounts } from '../ledger/view.ts';
import { isSettled, TASK_STATES, type TaskState } from '../task/task.ts';
import type { Door } from './door.ts';
import { toCells } from './table.ts';

/** Live progress of tasks, from the ledger's events: plain lines, and one line below them that changes on a terminal. */

/** Tasks asked for at once. */
const QUERY_MAX = 500;

interface Line {
  at: number;
  kind: string;
  task: string | null;
  agent: number | null;
  node: string | null;
  data: Record<string, unknown>;
}

const SIGNS: Readonly<
  Record<string, [sign: string, color: 'green' | 'red' | 'yellow' | 'cyan' | 'gray', words: string]>
> = {
  attempt_started: ['▶', 'cyan', 'began'],
  task_completed: ['✓', 'green', 'done'],
  task_failed: ['✗', 'red', 'failed'],
  task_retried: ['↻', 'yellow', 'again'],
  task_parked: ['✗', 'yellow', 'parked'],
  task_cancelled: ['✗', 'gray', 'cancelled'],
  node_up: ['●', 'green', 'node up'],
  node_down: ['○', 'yellow', 'node away'],
};

export interface Follower {
  /** Prints what happened since; true when every followed task is settled. */
  look(): Promise<boolean>;
}

export function followTasks(door: Door, ledger: Ledger, tasks: readonly string[], quiet: boolean): Follower {
  const wanted = new Set(tasks);
  const followed = [...wanted];
  const begun = door.clock.monotonic();
  let seq: number | undefined;
  return {
    look: async () => {
      const since = seq ?? (await firstSeq(ledger));
      const rows = await ledger
        .selectFrom('event')
        .select(['seq', 'at', 'kind', 'task', 'agent', 'node', 'data'])
        .where('seq', '>', since)
        .orderBy('seq')
        .limit(2000)
        .execute();
      seq = rows.at(-1)?.seq ?? since;
      for (const row of rows) {
        const isWanted = row.kind.startsWith('node_') || (row.task !== null && wanted.has(row.task));
        if (!quiet && isWanted && SIGNS[row.kind])
          door.say(lineOf(door, { ...row, data: JSON.parse(row.data) as Line['data'] }));
      }
      if (door.isTerminal && !quiet) {
        const seconds = (door.clock.monotonic() - begun) / 1000;
        door.live(summaryText(await countFollowed(ledger, followed), followed.length, seconds));
      }
      return rows.length < 2000 && (await areSettled(ledger, followed));
    },
  };
}

/** What happened before somebody looked is told by the report, not line by line. */
async function firstSeq(ledger: Ledger): Promise<number> {
  const row = await ledger
    .selectFrom('event')
    .select((of) => of.fn.max('seq').as('last'))
    .executeTakeFirst();
  return Number(row?.last ?? 0);
}

function lineOf(door: Door, { at, kind, task, agent, node, data }: Line): string {
  const [sign, color, words] = SIGNS[kind] ?? ['·', 'gray', kind];
  const time = iso(at).slice(11, 19);
  const mark = door.hasColor ? styleText(color, sign, { validateStream: false }) : sign;
  const reason = typeof data.reason === 'string' ? `  ${data.reason}` : '';
  return `${time} ${mark} ${toCells(words, 9)} ${toCells(task ?? node ?? '', 28)}${agent === null ? '' : ` agent ${agent}`}${reason}`.trimEnd();
}

/** Pure: `3/18 done · 2 running · 12 s`. With no tasks to follow it is about all that the ledger has. */
export function summaryText(counts: TaskCounts, followed: number, seconds: number): string {
  const known = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const total = Math.max(known, followed);
  const parts = (['running', 'queued', 'blocked', 'failed', 'parked', 'cancelled'] as const).flatMap((state) =>
    counts[state] > 0 ? [`${counts[state]} ${state}`] : [],
  );
  const done = total === 0 ? 'no task yet' : `${counts.completed}/${total} done`;
  return [done, ...parts, formatDuration(seconds)].join(' · ');
}

/** Of those that were taken in; with none to follow, or very many, of all that the ledger has. */
async function countFollowed(ledger: Ledger, tasks: readonly string[]): Promise<TaskCounts> {
  if (tasks.length === 0 || tasks.length > QUERY_MAX) return countTasks(ledger);
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as TaskCounts;
  for (const state of await readStates(ledger, tasks)) counts[state] += 1;
  return counts;
}

async function readStates(ledger: Ledger, tasks: readonly string[]): Promise<TaskState[]> {
  const rows = await ledger.selectFrom('task').select('state').where('id', 'in', tasks).execute();
  return rows.map(({ state }) => state as TaskState);
}

async function areSettled(ledger: Ledger, tasks: readonly string[]): Promise<boolean> {
  for (let index = 0; index < tasks.length; index += QUERY_MAX) {
    const some = tasks.slice(index, index + QUERY_MAX);
    const states = await readStates(ledger, some);
    if (states.length < some.length) return false; // not taken in yet
    if (!states.every(isSettled)) return false;
  }
  return true;
}
