/** One machine we may run agents on. */
export interface Node {
  name: string;
  via: { kind: 'local' };
  /** Declared number of vCPUs; null: asked from the node. */
  vcpu: number | null;
  /** Declared memory in GiB; null: asked from the node. */
  memoryGiB: number | null;
  /** Operator's limit of agents on it. */
  maxAgents: number | null;
  /** Where tasks work; null: each agent's own folder. */
  cwd: string | null;
  labels: readonly string[];
}

export const NODE_STATES = ['up', 'degraded', 'down', 'unknown', 'draining'] as const;
export type NodeState = (typeof NODE_STATES)[number];
