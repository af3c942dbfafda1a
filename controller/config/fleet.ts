import type { Kind } from '../agent/agent.ts';
import type { Node } from '../node/node.ts';

/** Where the value of a setting came from. */
export type Origin = 'flag' | 'environment' | 'file' | 'default';

/** A part of the agents, by what they are for. Shares are relative weights; they need not add up to 100. */
export interface Category {
  name: string;
  share: number;
  /** Default kind of its agents; null: the fleet's. */
  kind: string | null;
  /** True: its agents take only its tasks. False: they prefer them. */
  strict: boolean;
}

/** What tasks get where they do not say. */
export interface TaskDefaults {
  timeoutSeconds: number;
  /** Further tries after the task's own failure. */
  retries: number;
  /** Absolute folder where tasks work; null: the node's, else each agent's own. */
  cwd: string | null;
  /** Longest time without an event of a tool that talks. */
  silenceSeconds: number;
  /** Further tries after faults of the platform; then the task is parked. */
  platformRetries: number;
  env: Readonly<Record<string, string>>;
}

/** The fleet as it is to be: flags, environment, fleet file and defaults put together. Everything is filled in. */
export interface Fleet {
  name: string;
  /** Absolute path of the fleet file; null when this machine is the fleet. */
  file: string | null;
  /** Absolute path of the folder of the ledger, the lock and the logs. */
  stateFolder: string;
  /** Those of its stacks included. */
  nodes: readonly Node[];
  /** How many of them, the first ones, are written down where the fleet is; the others are of its stacks. */
  written: number;
  /** Names of the stacks whose machines are among the nodes, as far as their outputs are pulled. */
  stacks: readonly string[];
  agents: {
    /** `auto`: what the machines can hold. */
    count: number | 'auto';
    perVcpu: number;
    memoryGiBEach: number;
    /** Null: half of what its node has. */
    memoryGiBMax: number | null;
    kind: string;
    categories: readonly Category[];
  };
  /** Built-in kinds included; names are unique. */
  kinds: readonly Kind[];
  tasks: TaskDefaults;
  /** A node not heard for so long parks what ran on it. */
  lostAfterSeconds: number;
  /** Brake: most restarts of agents per minute, over the whole fleet. */
  restartsPerMinute: number;
  /** Origin of each setting by its path, such as `agents.count`. */
  origins: Readonly<Record<string, Origin>>;
}
