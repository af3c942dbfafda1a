import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FAULT_OF, VERDICTS, type Verdict } from '../../controller/task/attempt.ts';
import {
  afterAttempt,
  type EndedAttempt,
  retryDelaySeconds,
  seedOf,
  WAIT_SECONDS_MAX,
  WAITS_MAX,
  waitDelaySeconds,
} from '../../controller/task/retry.ts';
import { mayBecome } from '../../controller/task/task.ts';

const NOW = 1_800_000_000_000;

function ended(verdict: Verdict, changes: Partial<EndedAttempt> = {}): EndedAttempt {
  return {
    policy: { retries: 2, platformRetries: 5 },
    counters: { faults: 0, platformFaults: 0, waits: 0 },
    verdict,
    message: null,
    retryAfterSeconds: null,
    seed: 7,
    now: NOW,
    ...changes,
  };
}

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('after an attempt', () => {
  test('a task that is done is completed', () => {
    expect(afterAttempt(ended('done'))).toMatchObject({ next: 'completed', reason: null });
  });

  test.each(['failed', 'timeout'] as const)(
    '%s is tried again as often as its retries allow, then it has failed',
    (verdict) => {
      const nexts: string[] = [];
      let counters = { faults: 0, platformFaults: 0, waits: 0 };
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        const after = afterAttempt(ended(verdict, { counters }));
        nexts.push(after.next);
        counters = after.counters;
      }
      expect(nexts).toEqual(['queued', 'queued', 'failed']);
      expect(counters).toEqual({ faults: 3, platformFaults: 0, waits: 0 });
    },
  );

  test('with no retries the first failure is the last, and says why', () => {
    const after = afterAttempt(ended('failed', { policy: { retries: 0, platformRetries: 5 }, message: 'exit 2' }));
    expect(after).toMatchObject({ next: 'failed', reason: 'failed: exit 2' });
  });

  test('faults of the platform have their own budget; past it the task is parked, not failed', () => {
    const counters = { faults: 2, platformFaults: 4, waits: 0 };
    const fifth = afterAttempt(ended('lost', { counters }));
    expect(fifth).toMatchObject({ next: 'queued', counters: { faults: 2, platformFaults: 5 } });
    const sixth = afterAttempt(ended('lost', { counters: fifth.counters, message: 'node rebooted' }));
    expect(sixth.next).toBe('parked');
    expect(sixth.reason).toBe(
      '6 platform faults, the last: nobody saw its end: node rebooted; look with `fleet doctor`, then `fleet retry`',
    );
  });

  test('a rate limit is never a failure: 200 waits change no budget, then a person is asked', () => {
    let counters = { faults: 0, platformFaults: 0, waits: 0 };
    for (let wait = 1; wait <= WAITS_MAX; wait += 1) {
      const after = afterAttempt(ended('rate-limit', { counters, seed: wait }));
      expect(after.next).toBe('queued');
      counters = after.counters;
    }
    expect(counters).toEqual({ faults: 0, platformFaults: 0, waits: 200 });
    expect(afterAttempt(ended('overloaded', { counters })).next).toBe('parked');
  });

  test('what the provider asks for is waited out, and not much more', () => {
    const after = afterAttempt(ended('rate-limit', { retryAfterSeconds: 17 }));
    expect(after.notBefore).toBeGreaterThanOrEqual(NOW + 17_000);
    expect(after.notBefore).toBeLessThanOrEqual(NOW + 17_000 * 1.25 + 1);
  });

  test.each(['credentials', 'quota'] as const)('%s parks at once, with the next step', (verdict) => {
    const after = afterAttempt(ended(verdict));
    expect(after.next).toBe('parked');
    expect(after.reason).toContain('`fleet retry`');
    expect(after.counters).toEqual({ faults: 0, platformFaults: 0, waits: 0 });
  });

  test('a person’s cancel cancels and a person’s restart queues at once', () => {
    expect(afterAttempt(ended('cancelled'))).toMatchObject({ next: 'cancelled', reason: 'cancelled by a person' });
    expect(afterAttempt(ended('restarted'))).toMatchObject({ next: 'queued', notBefore: 0 });
  });

  test('whatever the end, the next state is lawful, bounded in time, and counts at most one thing', () => {
    const counters = fc.record({ faults: fc.nat(300), platformFaults: fc.nat(300), waits: fc.nat(300) });
    const asked = fc.option(fc.oneof(fc.double(), fc.integer()));
    fc.assert(
      fc.property(fc.constantFrom(...VERDICTS), counters, asked, seeds, (verdict, before, retryAfterSeconds, seed) => {
        const after = afterAttempt(ended(verdict, { counters: before, retryAfterSeconds, seed }));
        expect(mayBecome('running', after.next)).toBe(true);
        const sum = (one: typeof before) => one.faults + one.platformFaults + one.waits;
        const isCounted = ['task', 'platform', 'wait'].includes(FAULT_OF[verdict]);
        expect(sum(after.counters) - sum(before)).toBe(isCounted ? 1 : 0);
        expect(Number.isSafeInteger(after.notBefore)).toBe(true);
        if (after.notBefore !== 0) {
          expect(after.next).toBe('queued');
          expect(after.notBefore).toBeGreaterThanOrEqual(NOW);
          expect(after.notBefore).toBeLessThanOrEqual(NOW + WAIT_SECONDS_MAX * 1000);
        }
      }),
    );
  });
});

describe('back-off', () => {
  test('a retry waits at random up to 1, 2, 4 … 60 seconds, the same for the same seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), seeds, (faults, seed) => {
        const seconds = retryDelaySeconds(faults, seed);
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThan(Math.min(60, 2 ** (faults - 1)));
        expect(retryDelaySeconds(faults, seed)).toBe(seconds);
      }),
    );
  });

  test('waits double from 1 to 60 seconds and spread by a quarter', () => {
    const least = [1, 2, 3, 6, 7, 8, 200].map((waits) => waitDelaySeconds(waits, null, 0));
    for (const [index, seconds] of [1, 2, 4, 32, 60, 60, 60].entries()) {
      expect(least[index]).toBeGreaterThanOrEqual(seconds);
      expect(least[index]).toBeLessThan(seconds * 1.25);
    }
  });

  test('a provider that asks for a week gets an hour, and one that asks for nonsense is not heard', () => {
    expect(waitDelaySeconds(1, 604_800, 1)).toBe(WAIT_SECONDS_MAX);
    for (const nonsense of [0, -5, Number.NaN]) expect(waitDelaySeconds(1, nonsense, 1)).toBeLessThan(1.25);
  });

  test('attempts that end in one moment do not come back in one moment', () => {
    const ids = Array.from({ length: 200 }, (_, index) => `0190f0e0-0000-7000-8000-${String(index).padStart(12, '0')}`);
    const slots = new Map<number, number>();
    for (const id of ids) {
      const slot = Math.floor((retryDelaySeconds(6, seedOf(id)) / 32) * 10);
      slots.set(slot, (slots.get(slot) ?? 0) + 1);
    }
    expect([...slots.keys()].sort((one, other) => one - other)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(Math.max(...slots.values())).toBeLessThan(40);
  });
});
