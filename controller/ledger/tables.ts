import type { Generated } from 'kysely';

/** The tables, as both dialects hold them. Times are integer milliseconds; lists and maps are JSON text. */
export interface Tables {
  meta: { key: string; value: string };
  task: TaskTable;
  need: { task: string; needs: string };
  attempt: AttemptTable;
  usage: { response: string; attempt: string; model: string | null; input: number; cached: number; output: number };
  agent: AgentTable;
  node: NodeTable;
  intent: { id: string; operation: string; input: string; by: string; at: number; result: string };
  event: EventTable;
}

export interface TaskTable {
  id: string;
  seq: Generated<number>;
  hash: string;
  title: string;
  prompt: string | null;
  run: string | null;
  category: string | null;
  kind: string | null;
  priority: number;
  agents: string | null;
  cwd: string | null;
  timeout: number | null;
  retries: number | null;
  env: string;
  labels: string;
  state: string;
  reason: string | null;
  /** Which need's bad end parked it. */
  parked_by: string | null;
  not_before: number;
  deps_left: number;
  /** Category, kind and target as one word: the ready index goes lane by lane. */
  lane: string;
  conversation: string | null;
  resumes_on: number | null;
  resumes_node: string | null;
  is_restart: number;
  faults: number;
  platform_faults: number;
  waits: number;
  created_at: number;
  ended_at: number | null;
}

export interface AttemptTable {
  id: string;
  task: string;
  agent: number;
  node: string;
  ordinal: number;
  kind: string;
  state: string;
  boot: string;
  hash: string;
  conversation: string | null;
  resumes: string | null;
  is_restart: number;
  intended_at: number;
  started_at: number | null;
  ended_at: number | null;
  verdict: string | null;
  message: string | null;
  answer: string | null;
  exit: number | null;
  stopping: string | null;
  /** 1: its node is not heard, and its task is parked until it is, or until a person says the attempt is dead. */
  is_parked: Generated<number>;
}

export interface AgentTable {
  number: number;
  paused: number;
  node: string;
  category: string | null;
  kind: string;
  state: string;
  task: string | null;
  since: number;
  evidence: string;
}

export interface NodeTable {
  name: string;
  state: string;
  via: string;
  vcpu: number | null;
  memory_gib: number | null;
  boot: string | null;
  epoch: number;
  evidence: string;
  seen_at: number | null;
}

export interface EventTable {
  seq: Generated<number>;
  at: number;
  kind: string;
  task: string | null;
  attempt: string | null;
  agent: number | null;
  node: string | null;
  data: string;
}
