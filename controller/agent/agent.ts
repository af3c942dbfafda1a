/** A numbered slot (1 to 200) on a node: one tmux session that a person can attach to. */
export interface Agent {
  number: number;
  node: string;
  category: string | null;
  /** Name of its default kind; a task's own kind wins. */
  kind: string;
}

export const AGENT_STATES = ['starting', 'idle', 'busy', 'paused', 'gone', 'unknown'] as const;
export type AgentState = (typeof AGENT_STATES)[number];

/** `miyabi-007`: the tmux session of an agent. */
export function sessionName(fleet: string, number: number): string {
  return `${fleet}-${String(number).padStart(3, '0')}`;
}

/** A kind: a tool with settings and a name. */
export interface Kind {
  name: string;
  tool: 'codex' | 'claude' | 'command';
  model: string | null;
  /** Codex: read-only, workspace-write or danger-full-access. */
  sandbox: string | null;
  /** Command: the shell command, unless the task brings its own. */
  run: string | null;
  /** Further arguments for the tool. */
  args: readonly string[];
  /** Plain values for the tool's environment. */
  env: Readonly<Record<string, string>>;
  /** Names of variables whose values are secrets, and where each comes from. */
  secrets: Readonly<Record<string, SecretSource>>;
  /** Base URL of the model's API; the tool's own default where null. */
  endpoint: string | null;
  /** The endpoint is reached from the controller's machine: nodes get a tunnel to it. */
  tunnel: boolean;
  /** Path of the tool's program on the node; looked up in PATH where null. */
  program: string | null;
}

export type SecretSource = { from: 'env'; name: string } | { from: 'file'; path: string };
