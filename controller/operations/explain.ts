import { z } from 'zod';
import { formatDuration, iso } from '../clock.ts';
import { FleetError } from '../errors.ts';
import { isStarting } from '../fleet/state.ts';
import { type Ledger, readMeta } from '../ledger/ledger.ts';
import { readHolder } from '../ledger/lock.ts';
import { readAttempts, readFleetState, readRefusals, readTask } from '../ledger/read.ts';
import { isOpen } from '../task/attempt.ts';
import type { Task } from '../task/task.ts';
import { type Context, type Look, OUTPUT_VERSION } from './operation.ts';
import { readSeen, type Seen } from './status.ts';

const REFUSALS_MS = 3_600_000;
const Input = z.object({ task: z.string().optional() });
const Output = z.object({ version: z.literal(OUTPUT_VERSION), lines: z.array(z.string()) });

export const explain: Look<z.infer<typeof Input>, z.infer<typeof Output>> = {
  is: 'look',
  name: 'explain',
  summary: 'Why a task waits, or why the fleet is as it is: which limit binds, what is missing.',
  input: Input,
  output: Output,
  run: async (context, { task: id }) => {
    const { ledger, fleet } = context;
    if (!ledger)
      return {
        version: OUTPUT_VERSION,
        lines: ['Nothing was ever started or submitted here. fleet start, or fleet run FILE.'],
      };
    const seen = await readSeen(ledger, context.now, (await readHolder(fleet.stateFolder)) !== null);
    const lines = await explainFleet(context, ledger, seen);
    if (id === undefined)
      return { version: OUTPUT_VERSION, lines: [...lines, ...(await explainRefusals(context, ledger))] };
    const task = await readTask(ledger, id);
    if (!task)
      throw new FleetError('not-found', `no task is called ${id}`, { hint: 'fleet list tasks shows what there is.' });
    return {
      version: OUTPUT_VERSION,
      lines: [...(await explainTask(context, ledger, task, seen)), ...(task.state === 'queued' ? lines : [])],
    };
  },
};

async function explainFleet(context: Context, ledger: Ledger, { nodes, agents, placement }: Seen): Promise<string[]> {
  const state = await readFleetState(ledger);
  const controller = await readHolder(context.fleet.stateFolder);
  const lines = [
    controller
      ? `Controller: process ${controller.pid} on ${controller.host}, since ${controller.since}.`
      : 'No controller runs: nothing begins until fleet start.',
  ];
  if (controller && !isStarting(state)) lines.push(`The fleet is ${state}: nothing new begins.`);
  for (const { name, count, cap, limit } of placement.counts)
    lines.push(`Node ${name} holds ${count} of at most ${cap} agents (limit: ${limit}).`);
  if (placement.unplaced > 0 && placement.counts.length === 0)
    lines.push('No node has told its size yet: agents are placed when one is heard.');
  else if (placement.unplaced > 0) {
    const limits = [...new Set(placement.counts.map(({ limit }) => limit))].join(', ');
    lines.push(
      `${placement.unplaced} agents fit nowhere: ${limits} binds. Add a node, or raise agents.perVcpu, memory or maxAgents.`,
    );
  }
  for (const node of nodes.filter((each) => each.state !== 'up'))
    lines.push(`Node ${node.name} is ${node.state}: ${node.evidence}.`);
  const free = agents.filter(
    (agent) => agent.task === null && (agent.state === 'idle' || agent.state === 'starting' || agent.state === 'gone'),
  ).length;
  lines.push(
    `${agents.length} agents: ${free} free, ${agents.filter(({ task }) => task !== null).length} busy, ${agents.filter((agent) => agent.state === 'paused').length} paused.`,
  );
  return lines;
}

/** Of the last hour; the last few. */
async function explainRefusals({ now }: Context, ledger: Ledger): Promise<string[]> {
  const refusals = await readRefusals(ledger, now - REFUSALS_MS);
  return refusals
    .slice(0, 3)
    .map(({ at, operation, by, message }) => `Refused at ${iso(at)}: ${operation} by ${by}: ${message.split('\n')[0]}`);
}

/** Its attempt is open on a node that is not heard: its reason says what brings it on. */
async function mayStillRun(ledger: Ledger, task: string): Promise<boolean> {
  return (await readAttempts(ledger, { task, limit: 1 })).some(({ state }) => isOpen(state));
}

/** A reason may begin with the very word that the state is. */
function reasonText({ state, reason }: Task): string {
  return reason === null ? '' : `: ${reason.startsWith(`${state}: `) ? reason.slice(state.length + 2) : reason}`;
}

/** Where it runs, since when, and what is seen of it. */
async function explainAttempt(ledger: Ledger, { id }: Task, now: number, agents: Seen['agents']): Promise<string[]> {
  const [attempt] = await readAttempts(ledger, { task: id, limit: 1 });
  if (!attempt || !isOpen(attempt.state)) return [];
  const seconds = (now - (attempt.startedAt ?? attempt.intendedAt)) / 1000;
  const agent = agents.find(({ number }) => number === attempt.agent);
  return [
    `Agent ${attempt.agent} of node ${attempt.node} has worked on it for ${formatDuration(seconds)}.`,
    ...(agent?.task === id ? [`Of that agent: ${agent.evidence}.`] : []),
  ];
}

async function explainTask({ now }: Context, ledger: Ledger, task: Task, { agents }: Seen): Promise<string[]> {
  const lines = [`Task ${task.id} is ${task.state}${reasonText(task)}.`];
  if (task.state === 'running') lines.push(...(await explainAttempt(ledger, task, now, agents)));
  if (task.state === 'blocked') {
    for (const need of task.needs) {
      const needed = await readTask(ledger, need);
      if (needed?.state !== 'completed') lines.push(`It needs ${need}, which is ${needed?.state ?? 'unknown'}.`);
    }
  }
  if (task.state === 'parked' && !(await mayStillRun(ledger, task.id)))
    lines.push(
      `Nothing more happens to it by itself: mend the cause, then fleet retry ${task.id}, or fleet cancel ${task.id}.`,
    );
  if (task.state !== 'queued') return lines;
  if (task.notBefore > now)
    lines.push(
      `It is tried again at ${iso(task.notBefore)} (after ${task.faults} faults of its own, ${task.platformFaults} of the platform, ${task.waits} limits).`,
    );
  const waiting = z.record(z.string(), z.string()).parse(JSON.parse((await readMeta(ledger, 'waiting')) ?? '{}'));
  if (waiting[task.id] !== undefined) lines.push(`It ${waiting[task.id]}.`);
  const missing = task.agents?.filter((number) => !agents.some((agent) => agent.number === number)) ?? [];
  if (missing.length > 0) lines.push(`It wants agents this fleet does not have: ${missing.join(', ')}.`);
  return lines;
}
