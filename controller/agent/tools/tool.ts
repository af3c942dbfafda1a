import type { StopReason, Usage, Verdict } from '../../task/attempt.ts';
import type { Kind } from '../agent.ts';

/** What a tool needs to know to say how it is launched. All paths are absolute and on the node. */
export interface LaunchOrder {
  kind: Kind;
  /** The agent's own folder: homes of tools live in it and stay from task to task. */
  agentFolder: string;
  /** Where the tool works. */
  cwd: string;
  /** The prompt's file; empty for a task with only `run`. */
  promptFile: string;
  /** The task's own shell command, for command kinds. */
  run: string | null;
  /** Conversation to go on with; null begins a new one. */
  resume: string | null;
  /** UUID of the attempt: a tool that lets us choose the conversation's id takes this one. */
  attempt: string;
}

/** How one attempt is run: values only, the node program does the rest. */
export interface Launch {
  /** The program and its arguments. Never holds the prompt, never a secret. */
  words: readonly string[];
  /** Plain variables; secrets are added on the node from their own file. */
  env: Readonly<Record<string, string>>;
  /** What the tool's standard input is. */
  stdin: 'prompt' | 'none';
  /** Whether its start is expensive and takes a place in the node's start gate. */
  gated: boolean;
  /** How to fill an agent's new tool home, once per node and version; null when there is nothing to prepare. */
  home: HomeTemplate | null;
  /**
   * A shell line run on the node after the tool ended, whatever its end; its output is kept beside the attempt and
   * read as `evidence.usage`. `$FLEET_SINCE` is a file as old as the attempt's start (for `find -newer`). Null: none.
   */
  collect: string | null;
}

export interface HomeTemplate {
  /** Folder inside the agent's folder. */
  folder: string;
  /** Identifies the content, such as `codex-0.169.0`. */
  name: string;
  /** A shell line that fills `$FLEET_TEMPLATE` (an empty folder). It may fail: the tool then starts with an empty home. */
  make: string;
}

/** What is known of an attempt that ended, as read from the node. Hostile input: parse tolerantly. */
export interface Evidence {
  /** Exit code; null when the tool was killed or nobody saw its end. */
  exit: number | null;
  /** Number of the signal that ended it. */
  signal: number | null;
  /** Set when we asked for the end. */
  stop: StopReason | null;
  /** The node says nobody saw the end (its worker died, the machine was rebooted). */
  lost: boolean;
  /** Standard output: first and last parts, cut in the middle when long. */
  out: string;
  /** Last part of standard error. */
  err: string;
  /** What `collect` printed. */
  usage: string;
}

/** What the evidence says. */
export interface Reading {
  verdict: Verdict;
  /** One line for people about a bad end; null when good. */
  message: string | null;
  /** The agent's last word, or the last lines of a command's output. At most 4,000 characters. */
  answer: string | null;
  /** Id of the conversation, when the tool has one. */
  conversation: string | null;
  usage: readonly Usage[];
  /** Seconds the provider asked us to wait; null when it did not say. */
  retryAfterSeconds: number | null;
}

export interface Tool {
  name: Kind['tool'];
  /** Whether a conversation can be gone on with after a crash. */
  resumable: boolean;
  /** Whether silence means trouble: the tool prints an event while it works. */
  talks: boolean;
  launch(order: LaunchOrder): Launch;
  read(evidence: Evidence): Reading;
}
