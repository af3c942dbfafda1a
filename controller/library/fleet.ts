import type { z } from 'zod';
import type { Fleet } from '../config/fleet.ts';
import type { FleetFile } from '../config/schema.ts';
import type { EventKind } from '../ledger/event.ts';
import type { Report } from '../operations/account.ts';
import type { TaskStatus } from '../operations/list.ts';
import type { Results } from '../operations/results.ts';
import type { Shown } from '../operations/show.ts';
import type { AgentStatus, NodeStatus, Status } from '../operations/status.ts';
import type { TaskSpec, TaskState } from '../task/task.ts';

/** What a fleet file may hold, as a value (docs/configuration.md). Relative paths begin at the current folder. */
export type FleetInput = z.input<typeof FleetFile>;

/** One entry of a task file, as a value (docs/configuration.md). */
export type TaskInput = z.input<typeof TaskSpec>;

/** Tasks as values; or files and folders of them, as `fleet run` reads them. */
export type Tasks = readonly TaskInput[] | { files: readonly string[] };

/** Agents by number, `3-9`, `node:NAME`, `category:NAME`, `state:NAME` or `all`. */
export type Agents = readonly (number | string)[];

export interface OpenOptions {
  /** Folder of ledger and lock. Default: as the `fleet` command has it, so that both see the same fleet. */
  home?: string;
  /** Read in place of the environment of the process: `FLEET_*`, `HOME`, and where secrets come from. */
  env?: Readonly<Record<string, string | undefined>>;
}

export interface WaitOptions {
  /** Ends the waiting, never the tasks: the call throws `time-limit`, with the signal's reason as the cause. */
  signal?: AbortSignal;
}

/** What became of handing tasks in. */
export interface Submitted {
  accepted: string[];
  /** Handed in before, with the same content: not begun again. */
  known: string[];
  /** Kept until a controller runs; may still be refused by it. */
  waiting: string[];
}

export interface Lists {
  nodes: z.infer<typeof NodeStatus>[];
  agents: z.infer<typeof AgentStatus>[];
  tasks: z.infer<typeof TaskStatus>[];
}

/** Something that happened, as the ledger recorded it. */
export interface Happening {
  /** Its place in the ledger; grows. */
  seq: number;
  /** ISO 8601, UTC. */
  at: string;
  kind: EventKind;
  task: string | null;
  attempt: string | null;
  agent: number | null;
  node: string | null;
  data: Readonly<Record<string, unknown>>;
}

/**
 * A fleet as a program works with it. Every method may throw a FleetError; its `code` is one of ERROR_CODES. Reads answer
 * with what is known, also while no controller runs. What changes something throws `no-controller` then, and is obeyed
 * by the next one.
 */
export interface OpenFleet extends AsyncDisposable {
  /** The fleet as it is to be, with everything filled in. */
  readonly setting: Fleet;

  /**
   * Hands tasks in and waits until each is completed, failed, cancelled or parked. Is the controller itself while no
   * other process is. The same tasks again are not run again.
   */
  run(tasks: Tasks, options?: WaitOptions): Promise<Results>;
  /** Hands tasks in: all, or none. */
  submit(tasks: Tasks): Promise<Submitted>;
  /**
   * Waits for tasks, by id; for all that are not over, where none is named. Throws `no-controller` when nobody has run
   * the fleet for 10 s.
   */
  wait(tasks?: readonly string[], options?: WaitOptions): Promise<Results>;
  /** Is the controller until `close` or `stop`. Throws `locked` when another process is. */
  start(): Promise<void>;

  status(): Promise<Status>;
  list<What extends keyof Lists>(
    what: What,
    filter?: { states?: readonly TaskState[]; limit?: number },
  ): Promise<Lists[What]>;
  /** All that is known of one task, agent (by number) or node. */
  show(what: string | number): Promise<z.infer<typeof Shown>>;
  /** Why a task waits, or why the fleet is as it is, in sentences. */
  explain(task?: string): Promise<string[]>;
  /** What became of tasks so far, without waiting. */
  results(tasks: readonly string[]): Promise<Results>;
  /** The same with every attempt; of all tasks where none is named. `since`: an ISO 8601 time. */
  report(tasks?: readonly string[], options?: { since?: string }): Promise<Report>;
  /** What happens from now on, or after `since`. Ends with the signal, and with `close`. */
  events(options?: WaitOptions & { since?: number }): AsyncIterable<Happening>;

  cancel(tasks: readonly string[]): Promise<{ cancelled: string[]; stopping: string[]; ended: string[] }>;
  /** `assumeDead`: your word that what may still run of them, on a node that is not heard, is dead. */
  retry(tasks: readonly string[], options?: { assumeDead?: boolean }): Promise<{ queued: string[] }>;
  pause(agents: Agents): Promise<{ agents: number[] }>;
  resume(agents: Agents): Promise<{ agents: number[] }>;
  restart(agents: Agents): Promise<{ agents: number[] }>;
  /** The next turn of the conversation that each had last, queued as a task of its own. */
  tell(agents: Agents, text: string): Promise<{ told: { agent: number; task: string }[] }>;
  /** Makes the controller read its fleet file again. */
  reload(): Promise<{ agents: number | 'auto'; nodes: number }>;
  /**
   * Ends the controller, whoever it is, and waits until it is gone. `drain` lets what runs finish; `now` ends it, and its
   * tasks stay queued. Throws `no-controller` when there is none.
   */
  stop(mode?: 'drain' | 'now', options?: WaitOptions): Promise<void>;
  /** Lets go of everything. A controller in this process ends; agents, and what they work on, go on. */
  close(): Promise<void>;
}
