import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Reading } from '../../controller/agent/tools/tool.ts';
import { FleetError } from '../../controller/errors.ts';
import { type Beginning, beginAttempts, type Settlement, settleAttempts } from '../../controller/ledger/attempts.ts';
import { inTransaction, type Ledger } from '../../controller/ledger/ledger.ts';
import { readTasks } from '../../controller/ledger/read.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { type AcceptedTask, acceptTasks } from '../../controller/ledger/tasks.ts';

export const NOW = 1_800_000_000_000;

/** A folder of its own for a test. */
export async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-ledger-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** A new ledger in a file, open for writing until the test ends. */
export async function aLedger(): Promise<{ ledger: Ledger; path: string }> {
  const path = join(await scratch(), 'ledger.db');
  const ledger = openSqlite({ path, readOnly: false });
  onTestFinished(() => ledger.destroy());
  return { ledger, path };
}

export const spec = (id: string, different: Partial<AcceptedTask> = {}): AcceptedTask => ({
  id,
  prompt: 'do it',
  ...different,
});

export const accept = (ledger: Ledger, ...specs: AcceptedTask[]) =>
  inTransaction(ledger, (tx) => acceptTasks(tx, specs, NOW));

/** State, reason and open needs of every task, by id. */
export async function statesOf(ledger: Ledger): Promise<Record<string, string>> {
  const tasks = await readTasks(ledger, { limit: 1000 });
  return Object.fromEntries(tasks.map(({ id, state }) => [id, state]));
}

export function beginning(task: string, agent: number, different: Partial<Beginning> = {}): Beginning {
  return {
    attempt: `attempt-of-${task}`,
    task,
    agent,
    node: 'here',
    kind: 'command',
    boot: 'boot',
    hash: 'hash',
    resumes: null,
    isRestart: false,
    ...different,
  };
}

export const begin = (ledger: Ledger, ...beginnings: Beginning[]) =>
  inTransaction(ledger, (tx) => beginAttempts(tx, beginnings, NOW));

function reading(different: Partial<Reading> = {}): Reading {
  return {
    verdict: 'done',
    message: null,
    answer: 'ok',
    conversation: null,
    usage: [],
    retryAfterSeconds: null,
    ...different,
  };
}

export type SettlementDifference = Omit<Partial<Settlement>, 'reading' | 'after'> & {
  reading?: Partial<Reading>;
  after?: Partial<Settlement['after']>;
};

/** The end of the attempt at a task; it completed where nothing else is said. */
export function settle(
  ledger: Ledger,
  task: string,
  { reading: read = {}, after = {}, ...different }: SettlementDifference = {},
): Promise<boolean> {
  const settlement: Settlement = {
    attempt: `attempt-of-${task}`,
    state: 'ended',
    exit: 0,
    seconds: null,
    resume: false,
    ...different,
    reading: reading(read),
    after: {
      next: 'completed',
      reason: null,
      notBefore: 0,
      counters: { faults: 0, platformFaults: 0, waits: 0 },
      ...after,
    },
  };
  return inTransaction(ledger, async (tx) => (await settleAttempts(tx, [settlement], NOW)) > 0);
}

/** Begins a task on an agent and settles it at once. */
export async function runTask(
  ledger: Ledger,
  task: string,
  agent: number,
  difference: SettlementDifference = {},
): Promise<void> {
  await begin(ledger, beginning(task, agent));
  await settle(ledger, task, difference);
}

/** The error a promise ends with. */
export async function refusal(promise: Promise<unknown>): Promise<FleetError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

export const eventsOf = (ledger: Ledger) =>
  ledger.selectFrom('event').select(['kind', 'task']).orderBy('seq').execute();
