import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { FleetError } from '../../controller/errors.ts';
import { readMeta, writeMeta } from '../../controller/ledger/ledger.ts';
import { openReader, openSqlite } from '../../controller/ledger/sqlite.ts';
import { aLedger, scratch } from './scratch.ts';

function refused(open: () => unknown): FleetError {
  try {
    open();
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error('it was opened');
}

describe('the ledger’s file', () => {
  test('is made durable: WAL, full sync, immediate transactions, strict tables', async () => {
    const { ledger, path } = await aLedger();
    await writeMeta(ledger, 'a', '1');
    await writeMeta(ledger, 'a', '2');
    expect(await readMeta(ledger, 'a')).toBe('2');
    expect((await stat(`${path}-wal`)).size).toBeGreaterThan(0);
    const other = new DatabaseSync(path);
    expect(other.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
    expect(() => other.exec("INSERT INTO usage VALUES ('r', 'a', 'm', 'many', 0, 0)")).toThrow(/cannot store TEXT/);
    other.close();
  });

  test('of a version nobody here knows is said, not guessed at, by writers and readers', async () => {
    const { ledger, path } = await aLedger();
    await ledger.destroy();
    const other = new DatabaseSync(path);
    other.exec('PRAGMA user_version = 99');
    other.close();
    for (const readOnly of [true, false]) {
      const error = refused(() => openSqlite({ path, readOnly }));
      expect(error).toMatchObject({ code: 'ledger-unreadable', target: path });
      expect(error.message).toMatch(/version 99.*knows version 2/);
    }
  });

  test('that is none is said, with its path', async () => {
    const path = join(await scratch(), 'ledger.db');
    expect(refused(() => openSqlite({ path, readOnly: true })).code).toBe('ledger-unreadable');
    await writeFile(path, 'this is a shopping list, and a long one, too '.repeat(100));
    for (const readOnly of [true, false]) {
      const error = refused(() => openSqlite({ path, readOnly }));
      expect(error).toMatchObject({ code: 'ledger-unreadable', message: expect.stringContaining(path) });
    }
  });

  test('that is not there, or was only begun, is none to its readers', async () => {
    const path = join(await scratch(), 'ledger.db');
    expect(openReader(path)).toBeNull();
    await writeFile(path, '');
    expect(openReader(path)).toBeNull();
    await writeFile(path, 'this is a shopping list, and a long one, too '.repeat(100));
    expect(refused(() => openReader(path)).code).toBe('ledger-unreadable');
  });

  test('of an unfinished first start is finished by the next', async () => {
    const path = join(await scratch(), 'ledger.db');
    new DatabaseSync(path).close();
    const ledger = openSqlite({ path, readOnly: false });
    await writeMeta(ledger, 'a', '1');
    await ledger.destroy();
    const again = openSqlite({ path, readOnly: false });
    expect(await readMeta(again, 'a')).toBe('1');
    await again.destroy();
  });
});
