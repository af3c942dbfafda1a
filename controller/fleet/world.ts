import type { Kind } from '../agent/agent.ts';
import type { Clock } from '../clock.ts';
import type { Fleet } from '../config/fleet.ts';
import type { FleetError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { AttemptRecord } from '../node/journal.ts';
import type { Link } from '../node/link.ts';
import type { Node } from '../node/node.ts';
import type { NodeProgram } from '../node/program.ts';
import type { Secret } from '../secret.ts';
import type { Transport } from '../transport/transport.ts';
import type { NodeSight } from './observation.ts';

/** Everything one controller acts with. Put together by fleet/controller.ts, and by tests. */
export interface World {
  fleet: Fleet;
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Random bytes: for ids and jitter. */
  readonly random: (bytes: number) => Uint8Array;
  /** Opens the way to a node; connections are made when they are needed. */
  readonly openTransport: (node: Node) => Transport;
  /** What was known before this controller began, then what it last found: no node loses its agents by falling silent. */
  memory: Memory;
  readonly program: NodeProgram;
  /** Who we are to nodes. */
  readonly identity: { ledger: string; machine: string; takeOver: boolean };
  readonly secretsOf: (kind: Kind) => Promise<Readonly<Record<string, Secret>>>;
  /** What was seen so far, per node; the only state of a controller that is not in the ledger. */
  readonly sights: Map<string, Sight>;
  /** Says that there is something to do. */
  wake(): void;
  /** Effects that go on while ticks do; each catches its own expected failures. */
  track(work: Promise<void>): void;
}

export interface Memory {
  /** Monotonic ms when this controller began to look. */
  since: number;
  /** A node that was ours follows another ledger now: no word to take nodes over counts any more. */
  isTakenOver: boolean;
  /** On which node each agent is. */
  places: ReadonlyMap<number, string>;
  /** What nodes once said of themselves. */
  nodes: ReadonlyMap<string, Pick<Sight, 'vcpu' | 'memoryGiB' | 'epoch'>>;
}

/** A NodeSight while it is being made. */
export interface Sight extends Omit<NodeSight, 'sessions' | 'attempts' | 'running' | 'inFlight'> {
  sessions: Set<string> | null;
  attempts: Set<string>;
  running: Set<string>;
  inFlight: Set<string>;
  /** The node as it was configured when the way to it was opened. */
  node: Node;
  transport: Transport;
  /** Boot and folder of its last greeting: which machine it is, whatever it is called. */
  place: string;
  link: Link | null;
  /** Ports of its loopback by the endpoint on this side that each leads to. */
  tunnels: ReadonlyMap<string, number>;
  /** Monotonic ms of the last try to open those that are missing. */
  tunnelsAt: number;
  /** Attempts that it was told to end and has not answered for. */
  telling: Set<string>;
  /** Why it will not have us, however often we ask; null while it may. */
  refusal: FleetError | null;
  connecting: boolean;
  /** Its records are being taken into the ledger. */
  isTaking: boolean;
  /** Connections that failed since one held. */
  failures: number;
  /** Monotonic ms before which no new connection is tried. */
  retryAt: number;
  /** Monotonic ms of the last word from it. */
  heardAt: number;
  epoch: number;
  jq: boolean;
  /** Records not taken into the ledger yet, oldest first. */
  records: AttemptRecord[];
  /** Ends that are in the ledger and not acknowledged yet, by agent. */
  settled: Map<number, string>;
  /** Monotonic ms since when there are such. */
  settledAt: number;
  /** Seconds without output, and bytes of output, of each attempt by the last report. */
  progress: Map<string, { silentSeconds: number; bytes: number; heardAt: number }>;
  /** Agents whose places on the node were made on this connection, with the memory in bytes that each may take. */
  prepared: Map<number, number>;
  /** Windows that were there since the greeting: one of them missing is gone, another is yet to be made. */
  made: Set<string>;
  /** Sessions asked for and not reported yet, with the monotonic ms of asking. */
  asked: Map<string, number>;
  machine: { load: number; availableKiB: number } | null;
}

const NUDGE_MS = 100;
const nudged = new WeakSet<World>();

/** For what is worth writing down and calls for no act: what comes together is taken together, and soon. */
export function nudge(world: World): void {
  if (nudged.has(world)) return;
  nudged.add(world);
  // Not tracked: a controller that ends waits for what it has begun, and this is only a wish to look again.
  void world.clock.sleep(NUDGE_MS).then(() => {
    nudged.delete(world);
    world.wake();
  });
}

/** Under which name `asked` holds that an attempt was told to end. */
export function stopKey(attempt: string): string {
  return `stop ${attempt}`;
}

export function newSight(node: Node, transport: Transport, now: number): Sight {
  return {
    name: node.name,
    node,
    transport,
    place: '',
    tunnels: new Map(),
    tunnelsAt: Number.NEGATIVE_INFINITY,
    telling: new Set(),
    state: 'unknown',
    boot: null,
    vcpu: null,
    memoryGiB: null,
    sessions: null,
    hasTmux: false,
    attempts: new Set(),
    running: new Set(),
    unheardSince: now,
    fullUntil: Number.NEGATIVE_INFINITY,
    inFlight: new Set(),
    evidence: 'not greeted yet',
    link: null,
    refusal: null,
    connecting: false,
    wasOurs: false,
    isTaking: false,
    failures: 0,
    retryAt: 0,
    heardAt: 0,
    epoch: 0,
    jq: false,
    records: [],
    settled: new Map(),
    settledAt: 0,
    progress: new Map(),
    prepared: new Map(),
    made: new Set(),
    asked: new Map(),
    machine: null,
  };
}

/** A UUIDv7: sorts by time, and no two are alike. */
export function newId(world: Pick<World, 'clock' | 'random'>): string {
  const bytes = Buffer.from(world.random(16));
  bytes.writeUIntBE(world.clock.now(), 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
