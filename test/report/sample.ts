import type { AttemptView, UsageTotal } from '../../controller/ledger/view.ts';
import { describePast, type Past, type Report } from '../../controller/operations/account.ts';
import type { PastTask } from '../../controller/operations/history.ts';
import { FAULT_OF, type Verdict } from '../../controller/task/attempt.ts';
import { createChance } from '../support/chance.ts';

export const BEGAN = Date.UTC(2026, 10, 21, 9, 30, 0);

export interface SampleSetting {
  tasks: number;
  agents: number;
  nodes: readonly string[];
  /** Mean length of an attempt. */
  seconds: number;
  /** Of ten attempts, about how many end badly. */
  badOfTen?: number;
}

const BAD: readonly (readonly [Verdict, string])[] = [
  ['rate-limit', 'exceeded retry limit, last status: 429 Too Many Requests'],
  ['rate-limit', 'exceeded retry limit, last status: 429 Too Many Requests'],
  ['overloaded', 'the model is at capacity'],
  ['failed', 'exit 1: 2 of 14 tests failed'],
  ['silent', 'printed nothing for too long and was ended'],
  ['network', 'stream disconnected before completion'],
  ['restarted', 'its agent was restarted'],
];
const CATEGORIES = ['coding', 'business', 'research', 'support'];

export function aTask(id: string, different: Partial<PastTask> = {}): PastTask {
  return {
    id,
    seq: 1,
    title: id,
    state: 'completed',
    reason: null,
    category: null,
    kind: null,
    createdAt: BEGAN,
    endedAt: BEGAN + 10_000,
    ...different,
  };
}

export function anAttempt(task: string, different: Partial<AttemptView> = {}): AttemptView {
  const ordinal = different.ordinal ?? 1;
  return {
    id: `${task}-try-${ordinal}`,
    task,
    agent: 1,
    node: 'mugen',
    ordinal,
    kind: 'codex',
    state: 'ended',
    conversation: null,
    intendedAt: BEGAN + 1000,
    startedAt: BEGAN + 1000,
    endedAt: BEGAN + 5000,
    verdict: 'done',
    message: null,
    answer: 'Done.',
    exit: 0,
    ...different,
  };
}

export function aReport(different: Partial<Past> = {}): Report {
  return describePast({
    fleet: 'miyabi',
    now: BEGAN + 3_600_000,
    since: null,
    tasks: [],
    attempts: [],
    usage: new Map(),
    needsMet: new Map(),
    agents: 1,
    omitted: { tasks: 0, attempts: 0 },
    ...different,
  });
}

/** A run as a fleet does it: the agent that is free first takes the next task, what ends badly is tried again. */
export function aRun({ tasks: count, agents, nodes, seconds, badOfTen = 2 }: SampleSetting): Report {
  const draw = createChance(42).next;
  const free = Array.from({ length: agents }, (_, index) => ({ number: index + 1, at: BEGAN + draw() * 400 }));
  const waiting = Array.from({ length: count }, (_, index) => ({ index, ordinal: 1, ready: BEGAN }));
  const tasks: PastTask[] = [];
  const attempts: AttemptView[] = [];
  const usage = new Map<string, UsageTotal>();
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    free.sort((a, b) => a.at - b.at);
    const agent = free[0]!;
    const id = `task-${String(next.index + 1).padStart(4, '0')}`;
    const from = Math.max(agent.at, next.ready) + draw() * 300;
    const isBad = draw() * 10 < badOfTen;
    const [verdict, message] = isBad ? BAD[Math.floor(draw() * BAD.length)]! : (['done', null] as const);
    const to = from + seconds * 1000 * (0.4 + draw() * 1.4) * (isBad ? 0.4 : 1);
    agent.at = to + 50;
    const attempt = anAttempt(id, {
      agent: agent.number,
      node: nodes[agent.number % nodes.length]!,
      ordinal: next.ordinal,
      kind: next.index % 9 === 0 ? 'lint' : 'codex',
      intendedAt: Math.round(from - 80),
      startedAt: Math.round(from),
      endedAt: Math.round(to),
      verdict,
      message,
      exit: isBad ? 1 : 0,
      answer: isBad
        ? 'running 14 tests\n…\n2 of 14 tests failed'
        : `Done. ${id} is finished, and ${next.index % 7} files were changed.`,
    });
    attempts.push(attempt);
    if (attempt.kind === 'codex')
      usage.set(attempt.id, {
        responses: 2 + (next.index % 5),
        inputTokens: Math.round(10_000 + draw() * 30_000),
        cachedTokens: Math.round(8_000 + draw() * 2_000),
        outputTokens: Math.round(draw() * 2_000),
      });
    const fails = FAULT_OF[verdict] === 'task' && next.ordinal > 1;
    if (isBad && !fails) waiting.push({ ...next, ordinal: next.ordinal + 1, ready: to + 1500 });
    else
      tasks.push(
        aTask(id, {
          seq: next.index,
          title: next.index % 3 === 0 ? `Count what is in part ${next.index}` : id,
          category: CATEGORIES[next.index % 4]!,
          state: fails ? 'failed' : 'completed',
          reason: fails ? `failed: ${message}` : null,
          endedAt: Math.round(to),
        }),
      );
  }
  tasks.sort((a, b) => a.seq - b.seq);
  attempts.sort((a, b) => a.intendedAt - b.intendedAt);
  return aReport({ tasks, attempts, usage, agents, now: BEGAN + 3_600_000 });
}
