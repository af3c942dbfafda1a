import type { z } from 'zod';
import { FleetError } from '../../errors.ts';
import { readAgents, readTask } from '../../ledger/read.ts';
import type { AgentView } from '../../ledger/view.ts';
import { explain } from '../../operations/explain.ts';
import { list } from '../../operations/list.ts';
import type { Context, Look } from '../../operations/operation.ts';
import { show } from '../../operations/show.ts';
import type { AgentStatus, NodeStatus, Status } from '../../operations/status.ts';
import { status } from '../../operations/status.ts';
import type { TaskState } from '../../task/task.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { plainName, spans } from '../naming.ts';
import { agentsTable, statusText } from '../report.ts';
import { openContext, readFleet } from '../session.ts';
import { table } from '../table.ts';

export interface LookOptions extends GlobalOptions {
  json?: boolean;
}

/** Reads one operation and prints it: JSON as it is, or words. */
async function look<Input, Output>(
  door: Door,
  options: LookOptions,
  operation: Look<Input, Output>,
  input: object | ((context: Context) => Promise<object>),
  words: (output: Output) => string,
): Promise<number> {
  const fleet = await readFleet(door, options);
  await using context = await openContext(door, fleet);
  const asked = operation.input.safeParse(typeof input === 'function' ? await input(context) : input);
  if (!asked.success)
    throw new FleetError('usage', asked.error.issues.map(({ message }) => message).join('; '), {
      hint: `fleet ${operation.name} --help shows what it takes.`,
    });
  const output = operation.output.parse(await operation.run(context, asked.data));
  door.out(options.json ? `${JSON.stringify(output)}\n` : `${words(output)}\n`);
  return 0;
}

export function printStatus(door: Door, options: LookOptions): Promise<number> {
  return look<Record<string, never>, Status>(door, options, status, {}, (output) => statusText(door, output));
}

export interface ListOptions extends LookOptions {
  state?: string[];
  limit?: string;
}

export function printList(door: Door, what: string, options: ListOptions): Promise<number> {
  const input = {
    what,
    ...(options.state ? { states: options.state as TaskState[] } : {}),
    ...(options.limit ? { limit: Number(options.limit) } : {}),
  };
  return look(door, options, list, input, (output) => listText(output, door.columns));
}

function listText({ nodes, agents, tasks }: z.infer<typeof list.output>, columns: number): string {
  if (nodes)
    return table(
      ['node', 'state', 'via', 'vcpu', 'busy/set/cap', 'evidence'],
      nodes.map((node) => [
        node.name,
        node.state,
        node.via,
        String(node.vcpu ?? '?'),
        `${node.agents.busy}/${node.agents.assigned}/${node.agents.cap}`,
        node.evidence,
      ]),
      columns,
    );
  if (agents) return agentsTable(agents, columns);
  return table(
    ['task', 'state', 'category', 'prio', 'title', 'reason'],
    (tasks ?? []).map((task) => [
      task.id,
      task.state,
      task.category ?? '',
      `P${task.priority}`,
      task.title,
      task.reason ?? '',
    ]),
    columns,
  );
}

export function printShow(door: Door, what: string, options: LookOptions): Promise<number> {
  const input = async ({ ledger, fleet }: Context) => ({ what: await plainName(ledger, fleet.name, what) });
  return look(door, options, show, input, (output) => showText(output, door.columns));
}

function showText({ task, agent, node, attempts }: z.infer<typeof show.output>, columns: number): string {
  const about = task ?? agent ?? node ?? {};
  const facts = Object.entries(about).flatMap(([name, value]) =>
    value === null || (Array.isArray(value) && value.length === 0)
      ? []
      : [`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`],
  );
  const rows = attempts.map((each) => [
    String(each.ordinal),
    String(each.agent),
    each.node,
    each.state,
    each.verdict ?? '',
    each.seconds === null ? '' : `${each.seconds.toFixed(1)} s`,
    (each.message ?? each.answer ?? '').split('\n')[0] ?? '',
  ]);
  return [
    ...facts,
    ...(rows.length > 0
      ? ['', table(['try', 'agent', 'node', 'state', 'verdict', 'time', 'result'], rows, columns)]
      : []),
  ].join('\n');
}

/** `fleet explain [WHAT]`: the operation answers for tasks and the fleet; an agent and a node are told with what they do. */
export function printExplain(door: Door, what: string | undefined, options: LookOptions): Promise<number> {
  const asked: typeof explain = {
    ...explain,
    run: async (context, { task: word }) => {
      const { ledger, fleet } = context;
      if (word === undefined || !ledger || (await readTask(ledger, word))) return explain.run(context, { task: word });
      const name = await plainName(ledger, fleet.name, word);
      const { agent, node } = await show.run(context, { what: name });
      const task = agent?.task ?? undefined;
      const { version, lines } = await explain.run(context, { task });
      const here = node ? (await readAgents(ledger)).filter((each) => each.node === node.name) : [];
      return {
        version,
        lines: [...(agent ? agentLines(agent) : []), ...(node ? nodeLines(node, here) : []), ...lines],
      };
    },
  };
  return look(door, options, asked, { task: what }, ({ lines }) => lines.join('\n'));
}

function agentLines({ number, node, category, kind, state, evidence, task }: z.infer<typeof AgentStatus>): string[] {
  const place = `on ${node}, for ${category ?? 'any'} tasks, ${kind} by default`;
  const work = task === null ? 'It has no task.' : `It works on ${task}.`;
  return [`Agent ${number} (${place}) is ${state}: ${evidence}.`, work];
}

function nodeLines(
  { name, state, evidence, lastSeen }: z.infer<typeof NodeStatus>,
  agents: readonly AgentView[],
): string[] {
  const seen = lastSeen === null ? '' : `, last seen ${lastSeen}`;
  const numbers = agents.length === 0 ? 'none' : spans(agents.map(({ number }) => number));
  return [
    ...(state === 'up' ? [`Node ${name} is up: ${evidence}${seen}.`] : []), // the fleet’s lines tell of one that is not
    `Its agents: ${numbers}.`,
    ...agents.flatMap(({ number, task }) => (task === null ? [] : [`Agent ${number} works on ${task}.`])),
  ];
}
