import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 25;
const USUAL_MS_MAX = 20_000;

/** Waits for a condition, at most so long; gives what it gave. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  msMax = USUAL_MS_MAX,
): Promise<T> {
  const limit = performance.now() + msMax;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > limit) throw new Error(`not within ${msMax} ms: ${what}`);
    await delay(PAUSE_MS);
  }
}
