import { cutStart } from './events.ts';
import { complaint, type Fault, faultOfProcess, faultOfStop, isSent, sentence, signalOf } from './fault.ts';
import type { Evidence, Launch, LaunchOrder, Reading, Tool } from './tool.ts';

const NOTHING_TO_RUN = 'echo "neither the task nor its kind says what to run" >&2; exit 127';

/** Any shell command: its exit code is its verdict, its last lines are its answer. */
export const command: Tool = { name: 'command', resumable: false, talks: false, launch, read };

function launch(order: LaunchOrder): Launch {
  const { kind } = order;
  const args = kind.args.length === 0 ? [] : ['sh', ...kind.args];
  return {
    words: ['sh', '-c', order.run ?? kind.run ?? NOTHING_TO_RUN, ...args],
    env: { ...kind.env },
    stdin: order.promptFile === '' ? 'none' : 'prompt',
    gated: false,
    home: null,
    collect: null,
  };
}

function read(evidence: Evidence): Reading {
  const fault = faultOf(evidence);
  const said = evidence.out.trim();
  return {
    verdict: fault?.verdict ?? 'done',
    message: fault?.message ?? null,
    answer: said === '' ? null : cutStart(said),
    conversation: null,
    usage: [],
    retryAfterSeconds: null,
  };
}

/** An exit of 0 after we asked for the end is no success: a command may catch the signal and leave politely. */
function faultOf(evidence: Evidence): Fault | null {
  if (evidence.stop !== null) return faultOfStop(evidence.stop);
  const signal = signalOf(evidence);
  if (evidence.lost || (evidence.exit === null && signal === null)) return faultOfProcess(evidence, true);
  if (signal !== null && isSent(signal)) return faultOfProcess(evidence, true);
  if (evidence.exit === 0) return null;
  const said = complaint(evidence.err);
  const because = said === null ? '' : `: ${said}`;
  return { verdict: 'failed', message: sentence(`${howItEnded(evidence.exit, signal)}${because}`) };
}

function howItEnded(exit: number | null, signal: number | null): string {
  if (signal !== null) return `crashed with signal ${signal}`;
  if (exit === 127) return 'program not found (exit 127)';
  if (exit === 126) return 'program may not be run (exit 126)';
  return `exit ${exit}`;
}
