import type { Command } from './command.ts';
import type { Outcome } from './outcome.ts';

/** A way to run Commands on one node. Implementations pass test/contracts/transport.ts. */
export interface Transport {
  /** Runs to the end. Never throws: an unreachable node is an outcome. */
  run(command: Command, signal?: AbortSignal): Promise<Outcome>;
  /** Opens a long conversation. `onLine` gets each line of its output without the newline, bounded in length. */
  open(words: readonly string[], onLine: (line: string) => void): Promise<Stream>;
  /** Words to spawn here that give a person a terminal on the node. */
  terminal(words: readonly string[]): readonly string[];
  close(): Promise<void>;
}

export interface Stream {
  /** Queues bytes; never blocks. Fails silently after the end: `ended` tells. */
  write(text: string): void;
  /** Ends the conversation: the other side sees its input close. */
  close(): void;
  /** Resolves once, with the reason, when the conversation is over. */
  readonly ended: Promise<string>;
}

/** Longest line taken from a node; what follows in it is dropped. */
export const LINE_BYTES_MAX = 65_536;
