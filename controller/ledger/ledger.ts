import type { Kysely, Transaction } from 'kysely';
import type { FleetEvent } from './event.ts';
import type { Tables } from './tables.ts';

/** A ledger, or a transaction in it: every query of the room takes one. */
export type Ledger = Kysely<Tables>;
export type Writing = Transaction<Tables>;

/**
 * Runs `write` as one transaction: all of it is durable before the promise resolves, or none is there. Inside another
 * transaction it is a part of that one.
 */
export function inTransaction<T>(ledger: Ledger, write: (tx: Writing) => Promise<T>): Promise<T> {
  if (ledger.isTransaction) return write(ledger as Writing);
  return ledger.transaction().execute(write);
}

/** Adds to the journal of everything, in the transaction of what it tells about. */
export async function record(tx: Writing, events: readonly FleetEvent[]): Promise<void> {
  for (let index = 0; index < events.length; index += 500) {
    const rows = events.slice(index, index + 500).map((event) => ({
      at: event.at,
      kind: event.kind,
      task: event.task ?? null,
      attempt: event.attempt ?? null,
      agent: event.agent ?? null,
      node: event.node ?? null,
      data: JSON.stringify(event.data ?? {}),
    }));
    await tx.insertInto('event').values(rows).execute();
  }
}

export async function readMeta(ledger: Ledger | Writing, key: string): Promise<string | undefined> {
  return (await ledger.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst())?.value;
}

export async function writeMeta(ledger: Ledger | Writing, key: string, value: string): Promise<void> {
  await ledger
    .insertInto('meta')
    .values({ key, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}

/** Lists of numbers are JSON text in a row; it is we who wrote it. */
export function numbersIn(text: string | null): readonly number[] | null {
  return text === null ? null : (JSON.parse(text) as readonly number[]);
}
