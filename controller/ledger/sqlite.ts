import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { FleetError } from '../errors.ts';
import { FIRST } from './migrations/first.ts';
import { SECOND } from './migrations/second.ts';
import type { Tables } from './tables.ts';

/** Older ones can corrupt a WAL file when two connections meet (the WAL-reset bug, mended in 3.51.3). */
const SQLITE_VERSION_MIN = [3, 51, 3];
const MIGRATIONS: readonly (readonly string[])[] = [FIRST, SECOND];
const STATEMENTS_KEPT = 500;

export interface SqliteSetting {
  /** Path, or `:memory:`. */
  path: string;
  readOnly: boolean;
}

/** Opens the ledger's file and, for the writer, brings it to the newest version. Throws `ledger-unreadable`. */
export function openSqlite({ path, readOnly }: SqliteSetting): Kysely<Tables> {
  const database = openFile(path, readOnly);
  if (database === null) throw unreadable(path, 'is empty', 'fleet start fills it.');
  return speak(database);
}

/** For readers: null where there is no ledger yet, or only the unfinished first start of one. Throws `ledger-unreadable`. */
export function openReader(path: string): Kysely<Tables> | null {
  const database = existsSync(path) ? openFile(path, true) : null;
  return database && speak(database);
}

/** Told by one look: its first version is there whole, or nothing is. */
function isUnborn(database: DatabaseSync): boolean {
  const look = 'SELECT user_version AS version, (SELECT count(*) FROM sqlite_schema) AS parts FROM pragma_user_version';
  const found = database.prepare(look).get();
  return found?.version === 0 && found.parts === 0;
}

function speak(database: DatabaseSync): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => createDriver(database),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}

/** Null for a reader of a file in which nothing is yet. */
function openFile(path: string, readOnly: boolean): DatabaseSync | null {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly });
    database.exec('PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON');
    if (!readOnly) {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
      migrate(database, path);
    } else if (isUnborn(database)) {
      database.close();
      return null;
    }
    checkVersions(database, path);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof FleetError) throw error;
    throw unreadable(path, `cannot be opened: ${(error as Error).message}`, DAMAGED_HINT, error);
  }
}

const DAMAGED_HINT = 'Put back a copy of it, and start with --take-over; fleet doctor looks at its folder and disk.';

function unreadable(path: string, why: string, hint: string, cause?: unknown): FleetError {
  return new FleetError('ledger-unreadable', `the ledger ${path} ${why}`, { target: path, hint, cause });
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}

function migrate(database: DatabaseSync, path: string): void {
  try {
    const version = versionOf(database);
    if (version >= MIGRATIONS.length) return;
    database.exec('BEGIN IMMEDIATE'); // one transaction: no reader ever sees a version in between
    for (const statement of MIGRATIONS.slice(version).flat()) database.exec(statement);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
  } catch (error) {
    const why = `could not be brought to version ${MIGRATIONS.length}: ${(error as Error).message}`;
    throw unreadable(path, why, DAMAGED_HINT, error);
  }
}

function checkVersions(database: DatabaseSync, path: string): void {
  const found = String(database.prepare('SELECT sqlite_version() AS version').get()?.version ?? '0');
  const numbers = found.split('.').map(Number);
  const difference =
    SQLITE_VERSION_MIN.map((min, index) => (numbers[index] ?? 0) - min).find((value) => value !== 0) ?? 0;
  if (difference < 0)
    throw unreadable(
      path,
      `needs SQLite ${SQLITE_VERSION_MIN.join('.')} or newer, and this Node has ${found}`,
      'Call fleet by bin/fleet: it brings the Node that it needs.',
    );
  const version = versionOf(database);
  if (version !== MIGRATIONS.length) {
    throw unreadable(
      path,
      `has version ${version}, and this program knows version ${MIGRATIONS.length}`,
      version < MIGRATIONS.length ? 'fleet start brings it up to date.' : 'Use the version of fleet that wrote it.',
    );
  }
}

/** One connection, handed to one transaction at a time. Kysely's own driver begins deferred, which may fail half-way. */
function createDriver(database: DatabaseSync): Driver {
  const statements = new Map<string, Prepared>();
  let tail: Promise<void> = Promise.resolve();
  let release: () => void = () => {};
  const connection: DatabaseConnection = {
    executeQuery: async <R>(query: CompiledQuery) => runQuery<R>(database, statements, query),
    streamQuery: () => {
      throw new Error('the ledger is read in bounded pages, not streamed');
    },
  };
  const say = (text: string) => connection.executeQuery(CompiledQuery.raw(text));
  return {
    init: async () => {},
    acquireConnection: async () => {
      const before = tail;
      let done: () => void = () => {};
      tail = new Promise((resolve) => {
        done = resolve;
      });
      await before;
      release = done;
      return connection;
    },
    beginTransaction: async () => void (await say('BEGIN IMMEDIATE')),
    commitTransaction: async () => void (await say('COMMIT')),
    // A full disk makes SQLite roll back by itself: nothing is left to roll back then, and the first error is the true one.
    rollbackTransaction: async () => {
      if (database.isTransaction) await say('ROLLBACK');
    },
    releaseConnection: async () => release(),
    destroy: async () => database.close(),
  };
}

interface Prepared {
  statement: StatementSync;
  /** Names of what it gives; empty for a statement that gives no rows. */
  columns: readonly string[];
}

function prepare(database: DatabaseSync, text: string): Prepared {
  const statement = database.prepare(text);
  statement.setReturnArrays(true);
  return { statement, columns: statement.columns().map(({ name }) => name) };
}

/** Rows as plain objects: those that the driver itself would make are dictionaries, twice as slow to read. */
function rowOf(columns: readonly string[], values: readonly SQLOutputValue[]): Record<string, SQLOutputValue> {
  const row: Record<string, SQLOutputValue> = {};
  for (let index = 0; index < columns.length; index += 1) row[columns[index] ?? ''] = values[index] ?? null;
  return row;
}

function runQuery<R>(database: DatabaseSync, prepared: Map<string, Prepared>, query: CompiledQuery): QueryResult<R> {
  let known = prepared.get(query.sql);
  if (!known) {
    if (prepared.size >= STATEMENTS_KEPT) prepared.clear();
    known = prepare(database, query.sql);
    prepared.set(query.sql, known);
  }
  const { statement, columns } = known;
  const parameters = query.parameters as SQLInputValue[];
  try {
    if (columns.length > 0) {
      const rows = statement.all(...parameters) as unknown as SQLOutputValue[][];
      return { rows: rows.map((values) => rowOf(columns, values)) as R[] };
    }
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  } catch (error) {
    // 13: SQLITE_FULL, 10: SQLITE_IOERR (what a full disk gives in WAL mode)
    const code = (error as { errcode?: number }).errcode ?? 0;
    if ((code & 0xff) === 13 || code === 778)
      throw new FleetError('disk-full', `no room left to write the ledger (${(error as Error).message})`, {
        hint: 'Free 1 GiB on the disk of the state folder, then fleet start; agents go on working meanwhile.',
        cause: error,
      });
    throw error;
  }
}
