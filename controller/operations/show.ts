import { z } from 'zod';
import { iso } from '../clock.ts';
import { FleetError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { readHolder } from '../ledger/lock.ts';
import { readAttempts, readTask, readUsage } from '../ledger/read.ts';
import type { AttemptView } from '../ledger/view.ts';
import { ATTEMPT_STATES, VERDICTS } from '../task/attempt.ts';
import { TaskStatus, taskStatus } from './list.ts';
import { type Context, type Look, OUTPUT_VERSION } from './operation.ts';
import { AgentStatus, agentStatus, NodeStatus, nodeStatus, readSeen } from './status.ts';

export const AttemptStatus = z.object({
  id: z.string(),
  task: z.string(),
  ordinal: z.int(),
  agent: z.int(),
  node: z.string(),
  kind: z.string(),
  state: z.enum(ATTEMPT_STATES),
  verdict: z.enum(VERDICTS).nullable(),
  message: z.string().nullable(),
  answer: z.string().nullable(),
  exit: z.int().nullable(),
  conversation: z.string().nullable(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  seconds: z.number().nullable(),
});
export const UsageStatus = z.object({
  responses: z.int(),
  inputTokens: z.int(),
  cachedTokens: z.int(),
  outputTokens: z.int(),
});

const Input = z.object({ what: z.string().min(1).max(200) });
export const Shown = z.object({
  version: z.literal(OUTPUT_VERSION),
  task: TaskStatus.extend({
    prompt: z.string().nullable(),
    run: z.string().nullable(),
    needs: z.array(z.string()),
    usage: UsageStatus,
  }).optional(),
  agent: AgentStatus.optional(),
  node: NodeStatus.optional(),
  attempts: z.array(AttemptStatus),
});

const ATTEMPTS_MAX = 50;

export const show: Look<z.infer<typeof Input>, z.infer<typeof Shown>> = {
  is: 'look',
  name: 'show',
  summary: 'All that is known of one task, agent (by number) or node.',
  input: Input,
  output: Shown,
  run: async (context, { what }) => {
    const { ledger } = context;
    if (!ledger) throw unknown(what);
    const version = OUTPUT_VERSION;
    const task = await readTask(ledger, what);
    if (task) {
      const { prompt, run, needs } = task;
      const usage = await readUsage(ledger, what);
      return {
        version,
        task: { ...taskStatus(task, context.now), prompt, run, needs: [...needs], usage },
        attempts: await attemptsOf(ledger, { task: what }),
      };
    }
    return { version, ...(await showPlace(context, ledger, what)) };
  },
};

async function showPlace(
  { fleet, now }: Context,
  ledger: Ledger,
  what: string,
): Promise<Omit<z.infer<typeof Shown>, 'version' | 'task'>> {
  const { nodes, agents, placement } = await readSeen(ledger, now, (await readHolder(fleet.stateFolder)) !== null);
  const agent = agents.find(({ number }) => String(number) === what);
  if (agent) return { agent: agentStatus(agent), attempts: await attemptsOf(ledger, { agent: agent.number }) };
  const node = nodes.find(({ name }) => name === what);
  if (node) return { node: nodeStatus(node, agents, placement), attempts: [] };
  throw unknown(what);
}

function unknown(what: string): FleetError {
  return new FleetError('not-found', `no task, agent or node is called ${what}`, {
    hint: 'fleet list tasks|agents|nodes shows what there is.',
  });
}

async function attemptsOf(ledger: Ledger, where: { task?: string; agent?: number }) {
  return (await readAttempts(ledger, { ...where, limit: ATTEMPTS_MAX })).map(attemptStatus);
}

function attemptStatus(attempt: AttemptView): z.infer<typeof AttemptStatus> {
  const { intendedAt: _, startedAt, endedAt, ...rest } = attempt;
  return {
    ...rest,
    startedAt: startedAt === null ? null : iso(startedAt),
    endedAt: endedAt === null ? null : iso(endedAt),
    seconds: secondsOf(attempt),
  };
}

/** How long an attempt took by the controller's clock; null while it runs, or when its beginning was not seen. */
export function secondsOf({ intendedAt, startedAt, endedAt }: AttemptView): number | null {
  return endedAt === null ? null : Math.max(0, endedAt - (startedAt ?? intendedAt)) / 1000;
}
