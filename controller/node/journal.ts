import type { StopReason } from '../task/attempt.ts';

/** What a node says of an attempt, in its journal or when greeted. Parsed as hostile input: agents can write there. */
export type AttemptRecord =
  | {
      is: 'open' | 'start';
      attempt: string;
      agent: number;
      /** How long its tool has run; absent where the node does not say. */
      seconds?: number;
    }
  | {
      is: 'end';
      attempt: string;
      agent: number;
      /** exited: its worker saw the end; lost: nobody did; never: it is proven that it did not begin. */
      how: 'exited' | 'lost' | 'never';
      /** Exit code as a shell gives it (128 + signal); null when nobody saw it. */
      exit: number | null;
      seconds: number;
      stop: StopReason | null;
      /** Whether it left output or usage to be asked for. Where it did not, this line is all there is of its end. */
      left: boolean;
    };

const ID = /^[0-9a-f-]{36}$/;
const STOPS: readonly string[] = ['cancelled', 'timeout', 'silent', 'restarted', 'shutdown', 'disk', 'memory'];

/** One record, or undefined for a line that is torn, foreign or forged beyond form. */
export function parseRecord(line: string): AttemptRecord | undefined {
  const [verb = '', attempt = '', agentWord = '', how = '', exit = '', seconds = '', stop = '', left = ''] =
    line.split(' ');
  const agent = Number(agentWord);
  if (!ID.test(attempt) || !/^\d{1,5}$/.test(agentWord) || agent < 1) return undefined;
  if (verb === 'open' || verb === 'start')
    return { is: verb, attempt, agent, ...(/^\d{1,9}$/.test(how) ? { seconds: Number(how) } : {}) };
  if (verb !== 'end' || (how !== 'exited' && how !== 'lost' && how !== 'never')) return undefined;
  if (!/^(\d{1,3}|-)$/.test(exit) || !/^\d{1,9}$/.test(seconds)) return undefined;
  if (stop !== '-' && !STOPS.includes(stop)) return undefined;
  return {
    is: 'end',
    attempt,
    agent,
    how,
    exit: exit === '-' ? null : Number(exit),
    seconds: Number(seconds),
    stop: stop === '-' ? null : (stop as StopReason),
    left: left !== 'none',
  };
}
