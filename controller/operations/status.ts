import { z } from 'zod';
import { AGENT_STATES } from '../agent/agent.ts';
import { iso } from '../clock.ts';
import { listInbox } from '../ledger/inbox.ts';
import { type Ledger, readMeta } from '../ledger/ledger.ts';
import { Holder, readHolder } from '../ledger/lock.ts';
import { countTasks, readAgents, readFleetState, readNodes } from '../ledger/read.ts';
import { type AgentView, FLEET_STATES, type NodeView } from '../ledger/view.ts';
import { NODE_STATES } from '../node/node.ts';
import { TASK_STATES } from '../task/task.ts';
import { type Look, OUTPUT_VERSION } from './operation.ts';

/** What was seen longer ago than this is not said to be so any more. */
const EVIDENCE_MS_MAX = 15_000;

export const NodeStatus = z.object({
  name: z.string(),
  state: z.enum(NODE_STATES),
  via: z.string(),
  vcpu: z.number().nullable(),
  agents: z.object({ cap: z.int(), assigned: z.int(), busy: z.int() }),
  evidence: z.string(),
  lastSeen: z.string().nullable(),
});
export const AgentStatus = z.object({
  number: z.int(),
  node: z.string(),
  category: z.string().nullable(),
  kind: z.string(),
  state: z.enum(AGENT_STATES),
  task: z.string().nullable(),
  since: z.string(),
  evidence: z.string(),
});
export const Status = z.object({
  version: z.literal(OUTPUT_VERSION),
  fleet: z.string(),
  state: z.enum(FLEET_STATES),
  now: z.string(),
  nodes: z.array(NodeStatus),
  agents: z.array(AgentStatus),
  unplaced: z.int(),
  tasks: z.record(z.enum(TASK_STATES), z.int()),
  intentsWaiting: z.int(),
  controller: Holder.nullable(),
});
export type Status = z.infer<typeof Status>;

const Placement = z.object({
  counts: z.array(z.object({ name: z.string(), count: z.int(), cap: z.int(), limit: z.string() })),
  unplaced: z.int(),
});
export type PlacementView = z.infer<typeof Placement>;

const NO_TASKS = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Status['tasks'];

export const status: Look<Record<string, never>, Status> = {
  is: 'look',
  name: 'status',
  summary: 'The fleet at a glance: nodes, agents, tasks, controller. States come with what they rest on.',
  input: z.object({}),
  output: Status,
  run: async ({ fleet, now, ledger }) => {
    const controller = await readHolder(fleet.stateFolder);
    const base = {
      version: OUTPUT_VERSION as typeof OUTPUT_VERSION,
      fleet: fleet.name,
      now: iso(now),
      intentsWaiting: (await listInbox(fleet.stateFolder)).length,
      controller,
    };
    if (!ledger) return { ...base, state: 'UNINITIALIZED', nodes: [], agents: [], unplaced: 0, tasks: NO_TASKS };
    const { nodes, agents, placement } = await readSeen(ledger, now, controller !== null);
    return {
      ...base,
      state: await readFleetState(ledger),
      nodes: nodes.map((node) => nodeStatus(node, agents, placement)),
      agents: agents.map(agentStatus),
      unplaced: placement.unplaced,
      tasks: await countTasks(ledger),
    };
  },
};

export interface Seen {
  nodes: NodeView[];
  agents: AgentView[];
  placement: PlacementView;
}

/** Nodes and agents as far as they are known now: without a controller, or with old evidence, they are unknown. */
export async function readSeen(ledger: Ledger, now: number, isControlled: boolean): Promise<Seen> {
  const beat = Number((await readMeta(ledger, 'beat')) ?? 0);
  const text = await readMeta(ledger, 'placement');
  const placement = text === undefined ? { counts: [], unplaced: 0 } : Placement.parse(JSON.parse(text));
  const doubt = !isControlled
    ? 'no controller looks at it'
    : now - beat > EVIDENCE_MS_MAX
      ? `nothing seen since ${iso(beat)}`
      : undefined;
  const nodes = (await readNodes(ledger)).map((node) => doubtNode(node, doubt));
  const agents = (await readAgents(ledger)).map((agent) =>
    doubt === undefined
      ? agent
      : { ...agent, state: 'unknown' as const, evidence: `${doubt}; last: ${agent.evidence}` },
  );
  return { nodes, agents, placement };
}

function doubtNode(node: NodeView, doubt: string | undefined): NodeView {
  return doubt === undefined ? node : { ...node, state: 'unknown', evidence: `${doubt}; last: ${node.evidence}` };
}

export function nodeStatus(
  node: NodeView,
  agents: readonly AgentView[],
  placement: PlacementView,
): z.infer<typeof NodeStatus> {
  const place = placement.counts.find(({ name }) => name === node.name);
  const here = agents.filter((agent) => agent.node === node.name);
  return {
    name: node.name,
    state: node.state,
    via: node.via,
    vcpu: node.vcpu,
    agents: {
      cap: place?.cap ?? 0,
      assigned: place?.count ?? here.length,
      busy: here.filter(({ task }) => task !== null).length,
    },
    evidence: node.evidence,
    lastSeen: node.seenAt === null ? null : iso(node.seenAt),
  };
}

export function agentStatus(agent: AgentView): z.infer<typeof AgentStatus> {
  const { number, node, category, kind, state, task, since, evidence } = agent;
  return { number, node, category, kind, state, task, since: iso(since), evidence };
}
