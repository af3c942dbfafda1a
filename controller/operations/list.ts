import { z } from 'zod';
import { iso } from '../clock.ts';
import { readHolder } from '../ledger/lock.ts';
import { readTasks } from '../ledger/read.ts';
import { TASK_STATES, type Task } from '../task/task.ts';
import { type Look, OUTPUT_VERSION } from './operation.ts';
import { AgentStatus, agentStatus, NodeStatus, nodeStatus, readSeen } from './status.ts';

export const TaskStatus = z.object({
  id: z.string(),
  title: z.string(),
  state: z.enum(TASK_STATES),
  reason: z.string().nullable(),
  category: z.string().nullable(),
  kind: z.string().nullable(),
  priority: z.int(),
  notBefore: z.string().nullable(),
  createdAt: z.string(),
  endedAt: z.string().nullable(),
});

const Input = z.object({
  what: z.enum(['nodes', 'agents', 'tasks']),
  states: z.array(z.enum(TASK_STATES)).optional(),
  limit: z.int().min(1).max(100_000).default(1000),
});
const Output = z.object({
  version: z.literal(OUTPUT_VERSION),
  nodes: z.array(NodeStatus).optional(),
  agents: z.array(AgentStatus).optional(),
  tasks: z.array(TaskStatus).optional(),
});

export const list: Look<z.infer<typeof Input>, z.infer<typeof Output>> = {
  is: 'look',
  name: 'list',
  summary: 'Nodes, agents or tasks, one line each.',
  input: Input,
  output: Output,
  run: async ({ ledger, now, fleet }, { what, states, limit }) => {
    const version = OUTPUT_VERSION;
    if (!ledger) return { version, [what]: [] };
    if (what === 'tasks')
      return {
        version,
        tasks: (await readTasks(ledger, { limit, ...(states ? { states } : {}) })).map((task) => taskStatus(task, now)),
      };
    const { nodes, agents, placement } = await readSeen(ledger, now, (await readHolder(fleet.stateFolder)) !== null);
    if (what === 'nodes') return { version, nodes: nodes.map((node) => nodeStatus(node, agents, placement)) };
    return { version, agents: agents.slice(0, limit).map(agentStatus) };
  },
};

export function taskStatus(task: Task, now: number): z.infer<typeof TaskStatus> {
  return {
    id: task.id,
    title: task.title,
    state: task.state,
    reason: task.reason,
    category: task.category,
    kind: task.kind,
    priority: task.priority,
    notBefore: task.notBefore > now ? iso(task.notBefore) : null,
    createdAt: iso(task.createdAt),
    endedAt: task.endedAt === null ? null : iso(task.endedAt),
  };
}
