import type { Command } from './command.ts';
import type { Outcome } from './outcome.ts';

/** A way to run Commands on one node. Implementations pass test/contracts/transport.ts. */
export interface Transport {
  /** Runs to the end. Never throws: an unreachable node is an outcome. */
  run(command: Command, signal?: AbortSignal): Promise<Outcome>;
  /**
   * Opens a long conversation. `onLine` gets each line of its output without the newline, bounded in length. Throws a
   * FleetError (unreachable, host-untrusted, login-refused, prerequisite-missing) when it cannot be had.
   */
  open(words: readonly string[], onLine: (line: string) => void): Promise<Stream>;
  /** Words to spawn here that run others on the node with this terminal; `isPlain`: without one, for pipes. */
  terminal(words: readonly string[], isPlain?: boolean): readonly string[];
  /** Lets go of every connection; what runs through them ends as unreachable. */
  close(): Promise<void>;
}

export interface Stream {
  /** Queues bytes; never blocks. Fails silently after the end: `ended` tells. */
  write(text: string): void;
  /**
   * Makes a port of the node's loopback lead to `target` as reached from here, as long as the conversation lasts. `port`
   * is the one wished for, 0 for any; resolves with the one given. Throws a FleetError when it cannot be had.
   */
  forward(port: number, target: Target): Promise<number>;
  /** Ends the conversation: the other side sees its input close, and the connection that carried it is let go. */
  close(): void;
  /** Resolves once, with the reason, when the conversation is over, also when the other side fell silent. */
  readonly ended: Promise<string>;
}

/** A place that accepts TCP connections. */
export interface Target {
  host: string;
  port: number;
}

/** Longest line taken from a node; what follows in it is dropped. */
export const LINE_BYTES_MAX = 65_536;
