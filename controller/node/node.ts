/** How a node is reached. */
export type Via = { kind: 'local' } | ({ kind: 'ssh' } & SshAddress);

/** Where and as whom to reach a node over SSH. What is null here is as the ssh configuration says. */
export interface SshAddress {
  /** A Host of the ssh configuration, else a name or an address. */
  host: string;
  port: number | null;
  user: string | null;
  /** Absolute path of the key file to use. */
  identity: string | null;
  /** Absolute path of the file of known hosts to trust instead of the usual ones. */
  knownHosts: string | null;
  /** Host to go through, `user@host:port`. */
  jump: string | null;
  /** Absolute path of an ssh configuration to read instead of ~/.ssh/config and the system's. */
  config: string | null;
  /** `auto`: ssh2, and the system's ssh where the configuration asks for what ssh2 lacks. */
  client: 'auto' | 'ssh2' | 'openssh';
}

/** One machine we may run agents on. */
export interface Node {
  name: string;
  via: Via;
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
