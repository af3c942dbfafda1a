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
  return speak(openFile(path, readOnly));
}

/** For readers: null where there is no ledger yet, or only the unfinished first start of one. Throws `ledger-unreadable`. */
export function openReader(path: string): Kysely<Tables> | null {
  return !existsSync(path) || isUnborn(path) ? null : speak(openFile(path, true));
}

function isUnborn(path: string): boolean {
  try {
    using database = new DatabaseSync(path, { readOnly: true });
    return (
      versionOf(database) === 0 && database.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.count === 0
    );
  } catch {
    return false; // openFile says what is wrong with it
  }
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

function openFile(path: string, readOnly: boolean): DatabaseSync {
  try {
    const database = new DatabaseSync(path, { readOnly });
    database.exec('PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON');
    if (!readOnly) {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
      migrate(database, path);
    }
    checkVersions(database, path);
    return database;
  } catch (error) {
    if (error instanceof FleetError) throw error;
    throw unreadable(path, `cannot be opened: ${(error as Error).message}`, error);
  }
}

function unreadable(path: string, why: string, cause?: unknown): FleetError {
  return new FleetError('ledger-unreadable', `the ledger ${path} ${why}`, { target: path, cause });
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}

function migrate(database: DatabaseSync, path: string): void {
  try {
    for (let version = versionOf(database); version < MIGRATIONS.length; version += 1) {
      database.exec('BEGIN IMMEDIATE');
      for (const statement of MIGRATIONS[version] ?? []) database.exec(statement);
      database.exec(`PRAGMA user_version = ${version + 1}; COMMIT`);
    }
  } catch (error) {
    throw unreadable(path, `could not be brought to version ${MIGRATIONS.length}: ${(error as Error).message}`, error);
  }
}

function checkVersions(database: DatabaseSync, path: string): void {
  const found = String(database.prepare('SELECT sqlite_version() AS version').get()?.version ?? '0');
  const numbers = found.split('.').map(Number);
  const difference =
    SQLITE_VERSION_MIN.map((min, index) => (numbers[index] ?? 0) - min).find((value) => value !== 0) ?? 0;
  if (difference < 0)
    throw unreadable(path, `needs SQLite ${SQLITE_VERSION_MIN.join('.')} or newer, this Node has ${found}`);
  const version = versionOf(database);
  if (version !== MIGRATIONS.length) {
    throw unreadable(
      path,
      version < MIGRATIONS.length
        ? `has version ${version}, this program knows version ${MIGRATIONS.length}; fleet start brings it up to date`
        : `has version ${version}, this program knows version ${MIGRATIONS.length}; use the program that wrote it`,
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
      throw new FleetError('disk-full', `the ledger cannot be written: ${(error as Error).message}`, { cause: error });
    throw error;
  }
}
