import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';
import type { Environment } from './config/override.ts';

/** What a door takes from the machine it runs on. */
export interface Machine {
  env: Environment;
  clock: Clock;
  random(bytes: number): Uint8Array;
}

/** The machine's own time. */
export const machineClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      }
      signal?.addEventListener('abort', done);
    }),
};

export function thisMachine(env: Environment): Machine {
  return { env, clock: machineClock, random: (bytes) => randomBytes(bytes) };
}
