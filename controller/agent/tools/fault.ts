import { scrub } from '../../secret.ts';
import type { StopReason, Verdict } from '../../task/attempt.ts';
import { cutEnd } from './events.ts';
import type { Evidence } from './tool.ts';

/** Why an attempt ended badly. */
export interface Fault {
  verdict: Verdict;
  message: string;
}

const MESSAGE_CHARS_MAX = 500;
const RETRY_AFTER_SECONDS_MAX = 86_400;

const STOPPED: Readonly<Record<StopReason, Fault>> = {
  cancelled: { verdict: 'cancelled', message: 'cancelled' },
  timeout: { verdict: 'timeout', message: 'reached its time limit' },
  silent: { verdict: 'silent', message: 'printed nothing for too long and was ended' },
  restarted: { verdict: 'restarted', message: 'its agent was restarted' },
  disk: { verdict: 'disk', message: 'there was no room left on the disk' },
  memory: { verdict: 'memory', message: 'took more memory than its agent may have (agents.memoryGiBMax)' },
  shutdown: { verdict: 'restarted', message: 'the fleet was stopped while it worked' },
};

/** What an end that we asked for means. */
export function faultOfStop(stop: StopReason): Fault {
  return STOPPED[stop];
}

/**
 * Parts of the sentences by which tools and providers say what went wrong, first match wins. Parts without
 * apostrophes, because tools write typographic ones.
 */
const SENTENCES: readonly (readonly [Verdict, RegExp])[] = [
  [
    'quota',
    /insufficient_quota|quota exceeded|usage limit|credit balance|billing_error|billing details|status:? 402\b/i,
  ],
  [
    'credentials',
    /status:? 40[13]\b|missing environment variable|authentication_|permission_error|invalid api key|not logged in/i,
  ],
  ['rate-limit', /status:? 429\b|rate[ _]limit/i],
  ['overloaded', /status:? 5\d\d\b|at capacity|high demand|overloaded/i],
  [
    'network',
    /stream disconnected|connection (?:failed|refused|error|closed|reset)|connection_failed|waiting for network|idle timeout|error sending request|fetch failed|econn|enotfound|etimedout/i,
  ],
];

/** Whose fault a tool's last error text speaks of; undefined when it names none that we know. */
export function verdictOfText(text: string): Verdict | undefined {
  return SENTENCES.find(([, pattern]) => pattern.test(text))?.[0];
}

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600 };

/** Seconds to wait that an error text asks for ("try again in 1m30s", "retry after 20 seconds"); null for none. */
export function retryAfterSeconds(text: string): number | null {
  const wish = /(?:again|retry)\s+(?:in|after)\s+((?:\d{1,7}(?:\.\d{1,6})?\s*(?:ms|s|m|h)[a-z]*\s*)+)/i.exec(text)?.[1];
  if (wish === undefined) return null;
  const parts = [...wish.matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|m|h)/gi)];
  const seconds = parts.reduce((sum, part) => sum + Number(part[1]) * (SECONDS[part[2]?.toLowerCase() ?? ''] ?? 0), 0);
  return Math.min(seconds, RETRY_AFTER_SECONDS_MAX);
}

/** One bounded line for people, without what looks like a key. */
export function sentence(text: string): string {
  return cutEnd(
    scrub(text)
      .replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ')
      .trim(),
    MESSAGE_CHARS_MAX,
  );
}

/** The line of standard error that says most: the last that begins with "error", else the last; null for none. */
export function complaint(err: string): string | null {
  const lines = err.split('\n').filter((line) => line.trim() !== '');
  return lines.findLast((line) => /^(?:fatal )?error\b/i.test(line)) ?? lines.at(-1) ?? null;
}

/** Signals sent from outside; others (a crash) are the program's own doing. */
const SENT_SIGNALS: ReadonlySet<number> = new Set([1, 2, 9, 15]);

/** The signal that ended it; shells tell it as an exit code above 128. */
export function signalOf(evidence: Evidence): number | null {
  if (evidence.signal !== null && evidence.signal > 0) return evidence.signal;
  return evidence.exit !== null && evidence.exit > 128 && evidence.exit < 193 ? evidence.exit - 128 : null;
}

export function isSent(signal: number): boolean {
  return SENT_SIGNALS.has(signal);
}

/** What an end means in which the tool itself said nothing: by its process and standard error alone. */
export function faultOfProcess(evidence: Evidence, begun: boolean): Fault {
  const signal = signalOf(evidence);
  const said = complaint(evidence.err);
  const because = said === null ? '' : `: ${said}`;
  if (evidence.stop !== null) return STOPPED[evidence.stop];
  if (evidence.lost || (evidence.exit === null && signal === null)) {
    return { verdict: 'lost', message: 'nobody saw its end' };
  }
  if (signal !== null)
    return { verdict: 'killed', message: sentence(`ended by signal ${signal}, which nobody here sent`) };
  if (!begun) {
    const verdict = verdictOfText(said ?? '') ?? 'launch';
    return { verdict, message: sentence(`could not begin (exit ${evidence.exit})${because}`) };
  }
  return { verdict: 'killed', message: sentence(`ended in the middle of its turn (exit ${evidence.exit})${because}`) };
}
