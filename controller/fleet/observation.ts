import type { NodeState } from '../node/node.ts';

/** What was seen of the world, when and how. `null` means not known, never "none". */
export interface Observation {
  nodes: ReadonlyMap<string, NodeSight>;
  /** Monotonic ms of now, and of when this controller began to look. */
  at: number;
  since: number;
  /** The nodes followed another ledger before: what they run may be unknown to this one. */
  isTakingOver: boolean;
}

export interface NodeSight {
  name: string;
  state: NodeState;
  /** Boot id of the greeting now in force; null while there is none. */
  boot: string | null;
  vcpu: number | null;
  memoryGiB: number | null;
  /** Names of tmux sessions; null while not reported, empty text where tmux is missing. */
  sessions: ReadonlySet<string> | null;
  /** Whether the node has tmux at all. */
  hasTmux: boolean;
  /** Attempts the node is known to hold, by its folders and journal, since the greeting. */
  attempts: ReadonlySet<string>;
  /** Those of them that had not ended when the node last spoke of them. */
  running: ReadonlySet<string>;
  /** Attempts being sent to it at this moment. */
  inFlight: ReadonlySet<string>;
  /** It has greeted this controller, now or before. */
  wasOurs: boolean;
  /** Monotonic ms since when it is not heard; null while it is. */
  unheardSince: number | null;
  /** Monotonic ms before which nothing is begun there: it had no room left. */
  fullUntil: number;
  /** What the state rests on, for people. */
  evidence: string;
}

/** Not heard for so long that what runs there is parked, and what waits for it goes elsewhere. */
export function isGivenUp(observation: Observation, node: string, lostAfterSeconds: number): boolean {
  const sight = observation.nodes.get(node);
  const since = sight === undefined ? observation.since : sight.unheardSince;
  return since !== null && observation.at - since >= lostAfterSeconds * 1000;
}

/** The node has greeted us and is heard: only then is anything sent to it, and only then do its words prove something. */
export function isUp(node: NodeSight | undefined): node is NodeSight & { boot: string } {
  return node !== undefined && node.state === 'up' && node.boot !== null;
}
