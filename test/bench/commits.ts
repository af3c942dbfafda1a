import { DatabaseSync } from 'node:sqlite';
import { wallClock } from './wall.ts';

/** Wall times in ms at which others could see in the ledger that attempts had ended, by attempt. */
export interface Commits extends Disposable {
  readonly ended: ReadonlyMap<string, number>;
}

const LOOK_MS = 1;

/**
 * Looks at a ledger from another process than its controller's, each millisecond. What SQLite shows there is committed,
 * and with `synchronous = FULL` on the disk.
 */
export function watchCommits(path: string): Commits {
  const database = new DatabaseSync(path, { readOnly: true });
  const version = database.prepare('PRAGMA data_version');
  const last = database.prepare('SELECT max(seq) AS seq FROM event').get()?.seq;
  const news = database.prepare('SELECT seq, kind, attempt FROM event WHERE seq > ? ORDER BY seq');
  const ended = new Map<string, number>();
  const wall = wallClock();
  let [seen, seq] = [version.get()?.data_version, Number(last ?? 0)];
  const look = () => {
    const current = version.get()?.data_version;
    if (current === seen) return;
    const at = wall();
    seen = current;
    for (const row of news.all(seq)) {
      seq = Number(row.seq);
      if (row.kind === 'attempt_ended') ended.set(String(row.attempt), at);
    }
  };
  const timer = setInterval(look, LOOK_MS);
  return {
    ended,
    [Symbol.dispose]: () => {
      clearInterval(timer);
      database.close();
    },
  };
}
