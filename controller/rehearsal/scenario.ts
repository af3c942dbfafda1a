/** The weathers a rehearsal can have, each with what it shows. */
export const SCENARIOS = {
  calm: 'Every request is answered.',
  'rate-limits': 'The first attempt of every task meets a 429 without advice, the next a 429 with retry-after.',
  flaky: 'A third of the tasks meet an overloaded model on their first attempt, a third a stream cut once.',
  hangs: 'A quarter of the tasks get no answer at all on their first attempt.',
  crash: 'For half of the tasks the CLI dies by signal 9 in the midst of the first attempt.',
} as const;

export type Scenario = keyof typeof SCENARIOS;

/** Where a request stands. All numbers come from counting, so the same order of requests meets the same weather. */
export interface Situation {
  /** 0 for the first task the model met, 1 for the next. Counting makes shares exact: one of any four in a row. */
  rank: number;
  /** Ordinal of the attempt, from 1. */
  ordinal: number;
  /** Number of the request in its attempt, from 1. */
  request: number;
}

/** What is done with one request. `crash` answers, with a tool call that kills the CLI. */
export type Action =
  | { do: 'answer' }
  | { do: 'crash' }
  | { do: 'rate-limit'; retryAfterSeconds: number | null }
  | { do: 'overload' }
  | { do: 'cut' }
  | { do: 'hold' };

const ANSWER: Action = { do: 'answer' };

export function decide(scenario: Scenario, at: Situation): Action {
  switch (scenario) {
    case 'calm':
      return ANSWER;
    case 'rate-limits':
      return at.request === 1 ? { do: 'rate-limit', retryAfterSeconds: at.ordinal === 1 ? null : 1 } : ANSWER;
    case 'flaky':
      return decideFlaky(at);
    case 'hangs':
      return at.rank % 4 === 0 && at.ordinal === 1 && at.request === 1 ? { do: 'hold' } : ANSWER;
    case 'crash':
      return at.rank % 2 === 0 && at.ordinal === 1 ? { do: 'crash' } : ANSWER;
  }
}

/** Overload lasts for the whole attempt, because a CLI may retry it by itself; the cut comes once. */
function decideFlaky(at: Situation): Action {
  if (at.ordinal !== 1) return ANSWER;
  if (at.rank % 3 === 0) return { do: 'overload' };
  return at.rank % 3 === 1 && at.request === 1 ? { do: 'cut' } : ANSWER;
}

/** A number from 0 up to 1 that the same text always gives. */
export function draw(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  // FNV alone leaves the high bits of short texts alike; this spreads them.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  return ((hash ^ (hash >>> 13)) >>> 0) / 0x1_0000_0000;
}
