import { z } from 'zod';
import { parseDuration } from '../clock.ts';

/** A name that is safe in a file name, a tmux target and a shell word. */
export const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or digit');

/** What agents and tasks are for, in any script: コーディング, サクラ. Never part of a file name or a shell word. */
export const CategoryName = z
  .string()
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}$/u,
    'expected 1 to 64 letters, digits, . _ - beginning with a letter or digit',
  );

/** Text that a process can be given: no NUL, bounded. */
export const text = (bytesMax: number) =>
  z
    .string()
    .refine((value) => !value.includes('\0'), 'must not hold a NUL byte')
    .refine((value) => Buffer.byteLength(value) <= bytesMax, `must be at most ${bytesMax} bytes`);

/** `30m`, `2h`, `90`: seconds when parsed. */
export const Duration = z
  .union([z.int().min(0), z.string()], { error: 'expected a duration such as 90s, 30m or 2h' })
  .transform((value, context) => {
    const seconds = typeof value === 'number' ? value : parseDuration(value);
    if (seconds !== undefined && seconds > 0 && seconds <= 30 * 86_400) return seconds;
    context.addIssue({
      code: 'custom',
      message: 'expected a duration such as 90s, 30m or 2h, above zero and at most 30d',
    });
    return z.NEVER;
  });

const PRIORITY_WORDS: Readonly<Record<string, number>> = { P0: 0, P1: 1, P2: 2, P3: 3, high: 1, medium: 2, low: 3 };

/** `high`, `medium`, `low` or `P0` (most urgent) to `P3`; 0 to 3 when parsed. */
export const Priority = z
  .enum(['P0', 'P1', 'P2', 'P3', 'high', 'medium', 'low'])
  .transform((word) => PRIORITY_WORDS[word] ?? 2);

export const PROMPT_BYTES_MAX = 1_048_576;
export const AGENT_NUMBER_MAX = 10_000;

/** What a person asks for: one entry of a task file. */
export const TaskSpec = z
  .strictObject({
    id: Name.optional().describe(
      'Name of the task, unique in the fleet. Made from the title or the place in the file, and the content, where absent.',
    ),
    title: text(400).optional().describe('One line for people.'),
    prompt: text(PROMPT_BYTES_MAX)
      .optional()
      .describe('What the agent is told, byte for byte. For command kinds: its standard input.'),
    run: text(65_536).optional().describe('For command kinds: the shell command (`sh -c`), instead of the kind’s own.'),
    category: CategoryName.optional().describe('Which agents it is for; agents of that category are preferred.'),
    kind: Name.optional().describe('How it is run; the kind of the agent where absent.'),
    priority: Priority.optional().describe('`high`, `medium`, `low`, or `P0` to `P3`; default `medium` (`P2`).'),
    needs: z.array(Name).max(1000).optional().describe('Tasks that must be completed first.'),
    agents: z
      .array(z.int().min(1).max(AGENT_NUMBER_MAX))
      .min(1)
      .max(AGENT_NUMBER_MAX)
      .optional()
      .describe('Only these agents may run it, by number.'),
    cwd: text(4096)
      .optional()
      .describe('Folder on the node where it works; the node’s, else the agent’s own folder where absent.'),
    timeout: Duration.optional().describe('Longest time for one attempt, such as `30m`.'),
    retries: z.int().min(0).max(20).optional().describe('How often it is tried again after its own failure.'),
    env: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected a name of an environment variable'),
        text(32_768),
      )
      .optional()
      .describe('Further environment variables. Not for secrets: those belong to the kind.'),
    labels: z.array(Name).max(50).optional().describe('Free words to find it by.'),
  })
  .superRefine((spec, context) => {
    const blank = (value: string | undefined) => value === undefined || value.trim() === '';
    if (blank(spec.prompt) && blank(spec.run)) {
      context.addIssue({
        code: 'custom',
        path: ['prompt'],
        message: 'expected a prompt (or, for a command kind, run): it says nothing to do',
      });
    }
    if (spec.env && Object.keys(spec.env).some((name) => name.startsWith('FLEET_'))) {
      context.addIssue({ code: 'custom', path: ['env'], message: 'names beginning with FLEET_ are set by the fleet' });
    }
  });
export type TaskSpec = z.infer<typeof TaskSpec>;

/** A task as the ledger keeps it. */
export interface Task {
  id: string;
  /** Order of acceptance; breaks ties of priority. */
  seq: number;
  title: string;
  prompt: string | null;
  run: string | null;
  category: string | null;
  kind: string | null;
  /** 0 (P0) to 3 (P3). */
  priority: number;
  needs: readonly string[];
  agents: readonly number[] | null;
  cwd: string | null;
  timeoutSeconds: number | null;
  retries: number | null;
  env: Readonly<Record<string, string>>;
  labels: readonly string[];
  state: TaskState;
  /** Why it waits, failed or is parked; null when there is nothing to say. */
  reason: string | null;
  /** Wall time in ms before which it is not started. */
  notBefore: number;
  /** How many of its needs are not completed. */
  depsLeft: number;
  /** Attempts that ended by the task's own fault. */
  faults: number;
  /** Attempts that ended by a fault of the platform (lost, hung, network). */
  platformFaults: number;
  /** Attempts that ended at a rate limit or an overloaded model. */
  waits: number;
  createdAt: number;
  endedAt: number | null;
}

export const TASK_STATES = ['queued', 'blocked', 'running', 'parked', 'completed', 'failed', 'cancelled'] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** From each state, where a task may go. Nothing else is lawful. */
const TASK_TRANSITIONS: Readonly<Record<TaskState, readonly TaskState[]>> = {
  queued: ['running', 'cancelled', 'parked'],
  blocked: ['queued', 'cancelled', 'parked'],
  running: ['completed', 'failed', 'cancelled', 'queued', 'parked'],
  parked: ['queued', 'blocked', 'cancelled', 'completed', 'failed'],
  completed: [],
  failed: ['queued', 'blocked'],
  cancelled: ['queued', 'blocked'],
};

export function mayBecome(from: TaskState, to: TaskState): boolean {
  return TASK_TRANSITIONS[from].includes(to);
}

/** Nothing more will happen to it by itself. */
export function isSettled(state: TaskState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled' || state === 'parked';
}
