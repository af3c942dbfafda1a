import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Begun, begin } from '../../bench/process.ts';
import { until } from '../../bootstrap/ground.ts';
import type { Person } from '../../doors/person.ts';
import { ROOT } from '../../support/sources.ts';

/** Keeps a controller alive, and kills and freezes it when told to. One that ends by itself is a trouble. */
export interface Keeper {
  pid(): number;
  /** How many there have been. */
  count(): number;
  /** Seconds since the one that lives now was begun. */
  ageSeconds(): number;
  isFrozen(): boolean;
  /** Ends it without a word, waits, begins another. */
  replace(awayMs: number): Promise<void>;
  freeze(ms: number): Promise<void>;
  /** From here on its end is no trouble. Gives it. */
  letGo(): Begun;
}

const READY_MS_MAX = 120_000;
/** Longer than any soak. */
export const FOREVER_MS = 24 * 3_600_000;

export async function openKeeper(person: Person, onTrouble: (trouble: string) => void): Promise<Keeper> {
  let isWatched = true;
  let count = 0;
  let isFrozen = false;
  let controller = await start();

  async function start(): Promise<Begun> {
    const words = [join(ROOT, 'bin/fleet'), 'start'];
    const begun = begin(words, { env: person.env, cwd: person.desk, msMax: FOREVER_MS });
    count += 1;
    isWatched = true;
    void begun.ended.then(({ exit, err }) => {
      if (isWatched && begun.pid === controller.pid)
        onTrouble(`a controller ended by itself with ${exit}: ${err.trim().slice(-300)}`);
    });
    await until('the controller', () => begun.said().err.includes('controller ready'), READY_MS_MAX);
    return begun;
  }

  return {
    pid: () => controller.pid,
    count: () => count,
    ageSeconds: () => (performance.now() - controller.at) / 1000,
    isFrozen: () => isFrozen,
    replace: async (awayMs) => {
      isWatched = false;
      controller.signal('SIGKILL');
      await controller.ended;
      await delay(awayMs);
      controller = await start();
    },
    freeze: async (ms) => {
      isFrozen = true;
      controller.signal('SIGSTOP');
      await delay(ms);
      controller.signal('SIGCONT');
      isFrozen = false;
    },
    letGo: () => {
      isWatched = false;
      return controller;
    },
  };
}
