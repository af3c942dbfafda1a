import { sql } from 'kysely';
import type { Ledger } from '../../controller/ledger/ledger.ts';

/** Ledgers filled without the work that would fill them. Columns are those of ledger/tables.ts. */

const COLUMNS = `id, hash, title, run, category, kind, priority, env, labels, state, not_before, deps_left, lane,
  is_restart, faults, platform_faults, waits, created_at`;

/** Queues `count` tasks, `task-FIRST` and on, in turn of each category. */
export async function queueTasks(
  ledger: Ledger,
  first: number,
  count: number,
  categories: readonly string[],
): Promise<void> {
  const names = sql.lit(JSON.stringify(categories));
  await sql`
    WITH RECURSIVE place (at) AS (
      SELECT ${sql.lit(first)} UNION ALL SELECT at + 1 FROM place WHERE at < ${sql.lit(first + count - 1)}
    ), named AS (
      SELECT at, json_extract(${names}, '$[' || (at % ${sql.lit(categories.length)}) || ']') AS category FROM place
    )
    INSERT INTO task (${sql.raw(COLUMNS)})
    SELECT 'task-' || at, '', '', 'true', category, 'command', at % 4, '{}', '[]', 'queued', 0, 0,
      category || '|command||', 0, 0, 0, 0, 0 FROM named`.execute(ledger);
}

/** Whatever runs has ended well. */
export async function endAll(ledger: Ledger): Promise<void> {
  await sql`UPDATE attempt SET state = 'ended', ended_at = intended_at WHERE state IN ('intended', 'started')`.execute(
    ledger,
  );
  await sql`UPDATE task SET state = 'completed' WHERE state = 'running'`.execute(ledger);
}

export async function sayRunning(ledger: Ledger): Promise<void> {
  await sql`INSERT INTO meta (key, value) VALUES ('state', 'RUNNING')`.execute(ledger);
}

/** Every agent has an attempt that began. */
export async function occupy(ledger: Ledger, places: ReadonlyMap<number, string>): Promise<void> {
  const rows = JSON.stringify([...places].map(([number, node]) => ({ number, node, id: attemptOf(number) })));
  await sql`
    INSERT INTO task (${sql.raw(COLUMNS)})
    SELECT 'busy-' || (value ->> 'number'), '', '', 'true', NULL, 'command', 2, '{}', '[]', 'running', 0, 0,
      '|command||', 0, 0, 0, 0, 0 FROM json_each(${rows})`.execute(ledger);
  await sql`
    INSERT INTO attempt (id, task, agent, node, ordinal, kind, state, boot, hash, is_restart, intended_at, started_at)
    SELECT value ->> 'id', 'busy-' || (value ->> 'number'), value ->> 'number', value ->> 'node', 1, 'command',
      'started', 'boot', '', 0, 0, 0 FROM json_each(${rows})`.execute(ledger);
}

export function attemptOf(agent: number): string {
  return `01990000-0000-7000-8000-${String(agent).padStart(12, '0')}`;
}
