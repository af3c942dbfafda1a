import type { Served } from '../../../controller/rehearsal/book.ts';
import { readIfThere } from '../../doors/strike.ts';
import { KINDS, type Soak, withLedger } from './scene.ts';

/** Every task, attempt and token, by the ledger, held against what the tasks and the model wrote down themselves. */
export interface Account {
  tasks: number;
  completed: number;
  attempts: number;
  /** Verdicts other than done, with their number. */
  verdicts: Record<string, number>;
  tokens: { ledger: number; served: number; lostWithTheirAttempt: number };
  /** What must not be, in words; empty where all is well. */
  wrong: string[];
}

interface Past {
  tasks: { id: string; state: string; reason: string | null }[];
  attempts: AttemptRow[];
  completions: { task: string | null; count: number }[];
  usage: { response: string; attempt: string; input: number; output: number }[];
}

interface AttemptRow {
  id: string;
  task: string;
  ordinal: number;
  kind: string;
  verdict: string | null;
  message: string | null;
  intended_at: number;
  ended_at: number | null;
}

/** Verdicts that only a fault of ours explains, and those of a weather. */
const STRUCK: readonly (string | null)[] = ['killed', 'lost'];
const WEATHERED: Readonly<Record<string, readonly (string | null)[]>> = {
  [KINDS[1]]: ['rate-limit'],
  [KINDS[2]]: ['overloaded', 'network'],
};

export async function settleAccounts(soak: Soak, ids: readonly string[]): Promise<Account> {
  const past = (await withLedger(soak.person, readPast)) ?? { tasks: [], attempts: [], completions: [], usage: [] };
  const served = soak.served();
  const bad = past.attempts.filter(({ verdict }) => verdict !== 'done');
  const tokens = compareTokens(past, served);
  return {
    tasks: ids.length,
    completed: past.tasks.filter(({ state }) => state === 'completed').length,
    attempts: past.attempts.length,
    verdicts: Object.fromEntries(
      [...Map.groupBy(bad, ({ verdict }) => verdict ?? 'none')].map(([verdict, all]) => [verdict, all.length]),
    ),
    tokens: tokens.totals,
    wrong: [
      ...wrongTasks(past, ids),
      ...wrongAttempts(past.attempts, soak),
      ...tokens.wrong,
      ...wrongRecords(readIfThere(`${soak.person.desk}/record`), ids),
    ],
  };
}

async function readPast(ledger: Parameters<Parameters<typeof withLedger>[1]>[0]): Promise<Past> {
  const events = ledger.selectFrom('event').where('kind', '=', 'task_completed');
  return {
    tasks: await ledger.selectFrom('task').select(['id', 'state', 'reason']).execute(),
    attempts: await ledger
      .selectFrom('attempt')
      .select(['id', 'task', 'ordinal', 'kind', 'verdict', 'message', 'intended_at', 'ended_at'])
      .orderBy('ordinal')
      .execute(),
    completions: await events
      .select(({ fn }) => ['task', fn.countAll<number>().as('count')])
      .groupBy('task')
      .execute(),
    usage: await ledger.selectFrom('usage').select(['response', 'attempt', 'input', 'output']).execute(),
  };
}

function wrongTasks({ tasks, completions }: Past, ids: readonly string[]): string[] {
  const known = new Map(tasks.map((task) => [task.id, task]));
  const counts = new Map(completions.map(({ task, count }) => [task, count]));
  return ids.flatMap((id) => {
    const task = known.get(id);
    if (!task) return [`${id} was accepted and is not there`];
    if (task.state !== 'completed') return [`${id} is ${task.state}: ${task.reason ?? ''}`];
    return counts.get(id) === 1 ? [] : [`${id} was completed ${counts.get(id) ?? 0} times`];
  });
}

/** A start that `serve` had in hand when it was killed: nobody took it up. */
const CUT_SHORT_MS_MAX = 5000;
const NEVER = 'it never began on its node';

function wrongAttempts(attempts: readonly AttemptRow[], { struck, serveKills }: Soak): string[] {
  const isCutShort = ({ verdict, message, intended_at: at }: AttemptRow) =>
    verdict === 'lost' && message === NEVER && serveKills.some((kill) => kill >= at && kill < at + CUT_SHORT_MS_MAX);
  const unexplained = attempts.filter(
    (row) =>
      row.verdict !== 'done' &&
      !(struck.has(row.id) && STRUCK.includes(row.verdict)) &&
      !(WEATHERED[row.kind] ?? []).includes(row.verdict) &&
      !isCutShort(row),
  );
  const overlapping = [...Map.groupBy(attempts, ({ task }) => task).values()].flatMap((own) =>
    own.filter(({ intended_at: begun }, index) => begun < (own[index - 1]?.ended_at ?? 0)),
  );
  return [
    ...unexplained.map(
      ({ id, task, ordinal, verdict, message }) =>
        `attempt ${ordinal} of ${task} (${id}) was ${verdict ?? 'not ended'}, and nobody struck it: ${message ?? ''}`,
    ),
    ...overlapping.map(({ task, ordinal }) => `attempt ${ordinal} of ${task} began before the last one's end`),
  ];
}

const keyOf = (task: string, ordinal: number) => `${task}/${ordinal}`;

/** All that attempts which ended well were served is counted, no more than was served is counted, and each as served. */
function compareTokens({ attempts, usage }: Past, served: readonly Served[]) {
  const counted = new Map(usage.map((row) => [row.response, row]));
  const answered = new Map(served.map((one) => [one.usage.response, one]));
  const done = new Set(attempts.filter(({ verdict }) => verdict === 'done').map((own) => keyOf(own.task, own.ordinal)));
  const missing = served.filter(({ usage: one }) => !counted.has(one.response));
  const isDone = ({ task, ordinal }: Served) => done.has(keyOf(task, ordinal));
  const sizeOf = ({ usage: one }: Served) => one.inputTokens + one.outputTokens;
  const sum = (list: readonly Served[]) => list.reduce((total, one) => total + sizeOf(one), 0);
  return {
    totals: {
      ledger: usage.reduce((total, { input, output }) => total + input + output, 0),
      served: sum(served),
      lostWithTheirAttempt: sum(missing.filter((one) => !isDone(one))),
    },
    wrong: [
      ...missing.filter(isDone).map(({ task, usage: one }) => `${one.response} was served for ${task}, not counted`),
      ...usage.flatMap(({ response, attempt, input, output }) => {
        const one = answered.get(response)?.usage;
        if (!one) return [`${response} of ${attempt} is counted and was never served`];
        const isEqual = one.inputTokens === input && one.outputTokens === output;
        return isEqual
          ? []
          : [`${response}: counted as ${input} + ${output}, ${one.inputTokens} + ${one.outputTokens} served`];
      }),
    ],
  };
}

/** The tasks' own words: each came to its end, and what one attempt wrote stands together. */
function wrongRecords(record: string, ids: readonly string[]): string[] {
  const lines = record.split('\n').map((line) => line.split(' '));
  const byTask = Map.groupBy(lines, ([task]) => task ?? '');
  return ids.flatMap((id) => {
    const mine = (byTask.get(id) ?? []).toSorted(([, , , a], [, , , b]) => Number(a) - Number(b));
    const attempts = mine.map(([, attempt]) => attempt);
    const runs = attempts.filter((attempt, index) => attempt !== attempts[index - 1]).length;
    return [
      ...(mine.some(([, , what]) => what === 'end') ? [] : [`${id} never wrote its end`]),
      ...(runs === new Set(attempts).size ? [] : [`${id} overlapped itself`]),
    ];
  });
}
