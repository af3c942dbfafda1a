import type { Clock } from '../../controller/clock.ts';

/** A clock that stands still until it is moved. Wall time can jump either way; the monotonic one only goes on. */
export interface SimulatedClock extends Clock {
  /** Moves on by `ms`, stopping at each timer that comes due; `between` is awaited after each stop. */
  advance(ms: number, between?: () => Promise<void>): Promise<void>;
  /** Wall time changes by `ms`; nothing else does. */
  jump(ms: number): void;
  /** Lets everything that can run without time passing run. */
  settle(): Promise<void>;
}

interface Timer {
  at: number;
  seq: number;
  fire(): void;
  isOff: boolean;
}

export function createClock(startsAt = Date.UTC(2026, 0, 1)): SimulatedClock {
  let monotonic = 0;
  let ahead = startsAt;
  let seq = 0;
  const timers: Timer[] = []; // a binary heap by time, then by age
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  const clock: SimulatedClock = {
    now: () => Math.floor(ahead + monotonic),
    monotonic: () => monotonic,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        seq += 1;
        const stop = () => {
          timer.isOff = true;
          resolve();
        };
        const fire = () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        };
        const timer: Timer = { at: monotonic + Math.max(0, ms), seq, fire, isOff: false };
        signal?.addEventListener('abort', stop, { once: true });
        pushTimer(timers, timer);
      }),
    advance: async (ms, between = settle) => {
      const until = monotonic + ms;
      await settle(); // what was begun before may have timers to set
      for (let next = peek(timers); next && next.at <= until; next = peek(timers)) {
        monotonic = Math.max(monotonic, next.at);
        popTimer(timers)?.fire();
        for (let same = peek(timers); same && same.at <= monotonic; same = peek(timers)) popTimer(timers)?.fire();
        await between();
      }
      monotonic = until;
    },
    jump: (ms) => {
      ahead += ms;
    },
    settle,
  };
  return clock;
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

function peek(timers: Timer[]): Timer | undefined {
  while (timers[0]?.isOff) popTimer(timers);
  return timers[0];
}

function pushTimer(timers: Timer[], timer: Timer): void {
  let place = timers.push(timer) - 1;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (!isBefore(timer, timers[parent]!)) break;
    timers[place] = timers[parent]!;
    place = parent;
  }
  timers[place] = timer;
}

function popTimer(timers: Timer[]): Timer | undefined {
  const first = timers[0];
  const last = timers.pop();
  if (!first || !last || timers.length === 0) return first;
  let place = 0;
  for (;;) {
    let child = place * 2 + 1;
    if (child >= timers.length) break;
    if (child + 1 < timers.length && isBefore(timers[child + 1]!, timers[child]!)) child += 1;
    if (!isBefore(timers[child]!, last)) break;
    timers[place] = timers[child]!;
    place = child;
  }
  timers[place] = last;
  return first;
}
