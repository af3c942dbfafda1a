import { FAULT_OF, type Verdict } from './attempt.ts';

const RETRY_SECONDS_FIRST = 1;
const RETRY_SECONDS_MAX = 60;
/** Longest pause a provider may ask for and get; the ledger also clamps what it loads to it. */
export const WAIT_SECONDS_MAX = 3600;
/** A task that met a limit this often is shown to a person. */
export const WAITS_MAX = 200;
/** Part of a wait added at random, so that agents stopped by one limit do not come back in one moment. */
const WAIT_SPREAD = 0.25;

/** How often a task is tried again, by whose fault it was. */
export interface RetryPolicy {
  /** Further tries after the task's own failure. */
  retries: number;
  /** Further tries after faults of the platform. */
  platformRetries: number;
}

/** The counters of a task that decide what comes next; a Task has them. */
export interface RetryCounters {
  faults: number;
  platformFaults: number;
  waits: number;
}

export interface EndedAttempt {
  policy: RetryPolicy;
  /** As they were before this attempt ended. */
  counters: RetryCounters;
  verdict: Verdict;
  /** One line about the end, for people; null when there is none. */
  message: string | null;
  /** What the provider asked for; null when it did not. */
  retryAfterSeconds: number | null;
  /** Any number that differs from attempt to attempt: see `seedOf`. */
  seed: number;
  /** Wall time in ms. */
  now: number;
}

/** What becomes of a task when an attempt at it has ended. */
export interface AfterAttempt {
  next: 'completed' | 'failed' | 'queued' | 'parked' | 'cancelled';
  /** For people; null when there is nothing to say. */
  reason: string | null;
  /** Wall time in ms before which it is not started; 0: at once. */
  notBefore: number;
  counters: RetryCounters;
}

/** A number from a text such as an attempt's id, to decide jitter from (FNV-1a, 32 bits). */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** From 0 (included) to 1 (excluded), the same for the same seed, unlike for neighbouring seeds. */
function fractionOf(seed: number): number {
  let mixed = Math.imul((seed >>> 0) ^ 0x9e3779b9, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}

function doubled(times: number): number {
  const count = Math.max(1, Math.floor(times));
  return Math.min(RETRY_SECONDS_MAX, RETRY_SECONDS_FIRST * 2 ** Math.min(30, count - 1));
}

/** Seconds to wait after the `faults`-th fault (1 is the first): at random up to 1, 2, 4 … 60. */
export function retryDelaySeconds(faults: number, seed: number): number {
  return doubled(faults) * fractionOf(seed);
}

/** Seconds to wait at the `waits`-th rate limit: what the provider asked, else 1, 2, 4 … 60; a little more, never less. */
export function waitDelaySeconds(waits: number, retryAfterSeconds: number | null, seed: number): number {
  const asked = retryAfterSeconds ?? Number.NaN;
  const least = asked > 0 ? asked : doubled(waits);
  return Math.min(WAIT_SECONDS_MAX, least * (1 + WAIT_SPREAD * fractionOf(seed)));
}

const OWNER_STEP: Readonly<Partial<Record<Verdict, string>>> = {
  credentials: 'the model provider refused the key: correct the secret of the kind, then `fleet retry`',
  quota: 'the account at the model provider is used up: raise or await its quota, then `fleet retry`',
};

/** Decides what a task does next, from whose fault the end of its attempt was. */
export function afterAttempt(ended: EndedAttempt): AfterAttempt {
  const { verdict, counters, message } = ended;
  const stay = { notBefore: 0, counters };
  switch (FAULT_OF[verdict]) {
    case 'none':
      return { next: 'completed', reason: null, ...stay };
    case 'task':
      return afterTaskFault(ended);
    case 'platform':
      return afterPlatformFault(ended);
    case 'wait':
      return afterWait(ended);
    case 'owner':
      return { next: 'parked', reason: join(OWNER_STEP[verdict] ?? verdict, message), ...stay };
    case 'person':
      return verdict === 'restarted'
        ? { next: 'queued', reason: 'restarted by a person', ...stay }
        : { next: 'cancelled', reason: message ?? 'cancelled by a person', ...stay };
  }
}

function afterTaskFault({ policy, counters, verdict, message, seed, now }: EndedAttempt): AfterAttempt {
  const faults = counters.faults + 1;
  const counted = { ...counters, faults };
  const reason = join(verdict === 'timeout' ? 'took longer than its time limit' : 'failed', message);
  if (faults > policy.retries) return { next: 'failed', reason, notBefore: 0, counters: counted };
  const notBefore = later(now, retryDelaySeconds(faults, seed));
  return { next: 'queued', reason: `${reason} (retry ${faults} of ${policy.retries})`, notBefore, counters: counted };
}

const PLATFORM_REASON: Readonly<Partial<Record<Verdict, string>>> = {
  lost: 'nobody saw its end',
  silent: 'no event for too long',
  network: 'the model could not be reached',
  launch: 'its tool could not be started',
  killed: 'its tool was killed',
  disk: 'its node has no room left',
};

function afterPlatformFault({ policy, counters, verdict, message, seed, now }: EndedAttempt): AfterAttempt {
  const platformFaults = counters.platformFaults + 1;
  const counted = { ...counters, platformFaults };
  const reason = join(PLATFORM_REASON[verdict] ?? verdict, message);
  if (platformFaults > policy.platformRetries) {
    const told = `${platformFaults} platform faults, the last: ${reason}; look with \`fleet doctor\`, then \`fleet retry\``;
    return { next: 'parked', reason: told, notBefore: 0, counters: counted };
  }
  const notBefore = later(now, retryDelaySeconds(platformFaults, seed));
  const told = `${reason} (platform fault ${platformFaults}, parked after ${policy.platformRetries})`;
  return { next: 'queued', reason: told, notBefore, counters: counted };
}

function afterWait({ counters, verdict, message, retryAfterSeconds, seed, now }: EndedAttempt): AfterAttempt {
  const waits = counters.waits + 1;
  const counted = { ...counters, waits };
  const reason = join(verdict === 'overloaded' ? 'the model is overloaded' : 'rate limit of the provider', message);
  if (waits > WAITS_MAX) {
    const told = `${reason}; waited ${WAITS_MAX} times: see the provider’s limits, then \`fleet retry\``;
    return { next: 'parked', reason: told, notBefore: 0, counters: counted };
  }
  return {
    next: 'queued',
    reason,
    notBefore: later(now, waitDelaySeconds(waits, retryAfterSeconds, seed)),
    counters: counted,
  };
}

function later(now: number, seconds: number): number {
  return Math.ceil(now + seconds * 1000);
}

function join(reason: string, message: string | null): string {
  return message === null ? reason : `${reason}: ${message}`;
}
