import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readHolder, takeLock } from '../../controller/ledger/lock.ts';
import { countTasks, readTask, readTasks } from '../../controller/ledger/read.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { NOW, refusal, scratch } from './scratch.ts';

const KILLS = 5;
const ROOM = new URL('../../controller/ledger/', import.meta.url).href;

/** A process of its own that runs this module text; killed when the test ends. */
function runModule(text: string, ...words: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '-e', text, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** Accepts two tasks in each transaction and tells the number after it is durable. */
const WRITER = `
  const { openSqlite } = await import('${ROOM}sqlite.ts');
  const { inTransaction } = await import('${ROOM}ledger.ts');
  const { acceptTasks } = await import('${ROOM}tasks.ts');
  const ledger = openSqlite({ path: process.argv[1], readOnly: false });
  for (let number = Number(process.argv[2]); ; number += 1) {
    const specs = ['a', 'b'].map((half) => ({ id: half + number, prompt: 'x'.repeat(2000) }));
    await inTransaction(ledger, (tx) => acceptTasks(tx, specs, 1));
    process.stdout.write(number + '\\n');
  }`;

/** Takes the lock and holds it, or tells why not. */
const HOLDER = `
  const { takeLock } = await import('${ROOM}lock.ts');
  const said = await takeLock(process.argv[1], ${NOW}).then(() => 'held', (error) => error.code);
  process.stdout.write(said + '\\n');
  setInterval(() => {}, 1000);`;

describe('a writer that is killed in the middle', () => {
  test(`loses nothing it had acknowledged, ${KILLS} times over, and leaves no half transaction`, async () => {
    const path = join(await scratch(), 'ledger.db');
    let acknowledged = -1;
    for (let kills = 0; kills < KILLS; kills += 1) {
      const first = acknowledged + 2; // the one after the last may be there without having been told
      const writer = runModule(WRITER, path, String(first));
      if (!writer.stdout) throw new Error('no output to read');
      let heard = 0;
      for await (const line of createInterface(writer.stdout)) {
        acknowledged = Number(line);
        heard += 1;
        if (heard === 20 + 13 * kills) writer.kill('SIGKILL');
      }
      const reader = openSqlite({ path, readOnly: true });
      const counts = await countTasks(reader);
      expect(await readTask(reader, `a${acknowledged}`)).toMatchObject({ state: 'queued' });
      expect(await readTask(reader, `b${acknowledged}`)).toBeDefined();
      expect(counts.queued % 2).toBe(0);
      await reader.destroy();
    }
    const database = new DatabaseSync(path);
    expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    database.close();
    const reader = openSqlite({ path, readOnly: true });
    const ids = new Set((await readTasks(reader, { limit: 100_000 })).map(({ id }) => id));
    for (const id of ids) expect(ids.has(id.startsWith('a') ? `b${id.slice(1)}` : `a${id.slice(1)}`)).toBe(true);
    process.stdout.write(`${KILLS} kills, ${ids.size} tasks, last acknowledged ${acknowledged}\n`);
    await reader.destroy();
  });
});

describe('the lock of a fleet', () => {
  test('refuses a second controller with the process, host and time of the first, and is free after its kill', async () => {
    const folder = await scratch();
    const holder = runModule(HOLDER, folder);
    await once(holder.stdout ?? holder, 'data');
    const error = await refusal(takeLock(folder, NOW));
    expect(error).toMatchObject({ code: 'locked', exit: 4 });
    expect(error.message).toContain(`process ${holder.pid} on ${hostname()}, since 2027-01-15T08:00:00.000Z`);
    expect(await readHolder(folder)).toMatchObject({ pid: holder.pid });
    await kill(holder);
    expect(await readHolder(folder)).toBeNull();
    const lock = await takeLock(folder, NOW);
    expect(await readHolder(folder)).toMatchObject({ pid: process.pid });
    await lock.release();
    expect(await readHolder(folder)).toBeNull();
  });

  test('is refused to a second taker in the same process, too, and that does not free it for others', async () => {
    const folder = await scratch();
    const lock = await takeLock(folder, NOW);
    expect((await refusal(takeLock(folder, NOW))).code).toBe('locked');
    const other = runModule(HOLDER, folder);
    const answer = await once(other.stdout ?? other, 'data');
    expect(String(answer[0])).toBe('locked\n');
    await lock.release();
    await (await takeLock(folder, NOW)).release();
  });
});
