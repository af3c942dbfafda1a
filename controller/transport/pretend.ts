import type { Clock } from '../clock.ts';
import { FleetError } from '../errors.ts';
import type { Outcome } from './outcome.ts';
import { createMachine, journal, type Machine, type MachineSetting, reboot, wipeHome } from './pretend/machine.ts';
import { openServer } from './pretend/serve.ts';
import { killTool, killWorker, wipe } from './pretend/work.ts';
import type { Stream, Transport } from './transport.ts';

export type { Behaviour, Execution, Order } from './pretend/machine.ts';

/** A node in memory behind the Transport interface, for tests: it speaks the node program's protocol and fails on demand. */
export interface PretendNode {
  readonly machine: Machine;
  readonly transport: Transport;
  /** The way of one of several controllers to it, by a name for that one. */
  reach(from: string): Transport;
  /** Conversations whose server still runs, of one controller or of all. */
  countStreams(from?: string): number;
  /** Connections are refused while set. */
  isRefusing: boolean;
  /** Time of one way through the network, in ms. */
  latencyMs: number;
  /** Ends every connection, or those of one controller; of what is under way each way only the first `kept` lines arrive. */
  cut(how: Cut, kept: Kept, from?: string): void;
  /** Nothing gets through any more, and nobody is told, until `plug`. */
  unplug(): void;
  plug(): void;
  reboot(): void;
  /** Its power is gone: everything on it ends at once, and nobody is told. `plug` brings it back, booted anew. */
  powerOff(): void;
  killWorker(attempt: string): void;
  killTool(attempt: string): void;
  wipe(attempt: string): void;
  /** Everything of the fleet that is in files is gone; what runs goes on. */
  wipeHome(): void;
  /** The tmux server dies. */
  killSessions(): void;
  /** A line in the journal that no worker wrote. */
  scribble(line: string): void;
  /** The next line of the journal is cut after so many characters, as by a full disk. */
  tear(length: number): void;
  /** What is written to the journal for so many ms is lost. */
  mute(ms: number): void;
  /** The owner's file says something else. */
  own(owner: string): void;
}

/** Silent: nobody is told. */
type Cut = 'clean' | 'silent';
interface Kept {
  toNode: number;
  toController: number;
}

export interface PretendSetting extends MachineSetting {
  /** Hears each line at the moment the controller gets it. */
  onTold?: (line: string, from: string) => void;
}

interface Connection {
  from: string;
  cut(how: Cut, kept: Kept): void;
}

const NOTHING: Kept = { toNode: 0, toController: 0 };

export function createPretendNode(setting: PretendSetting): PretendNode {
  const machine = createMachine(setting);
  const network: Network = {
    setting,
    machine,
    connections: new Set(),
    isUnplugged: false,
    isRefusing: false,
    latencyMs: 1,
  };
  const of = (from?: string) => [...network.connections].filter((each) => from === undefined || each.from === from);
  const cut = (how: Cut, kept: Kept, from?: string) => {
    for (const connection of of(from)) connection.cut(how, kept);
  };
  const reach = (from: string): Transport => ({
    run: async (command, signal) => run(network, command.secondsMax, signal),
    open: async (words, onLine) => connect(network, from, words, onLine),
    terminal: (words) => words,
    close: async () => cut('clean', NOTHING, from),
  });
  return {
    machine,
    transport: reach(''),
    reach,
    countStreams: (from) => of(from).length,
    get isRefusing() {
      return network.isRefusing;
    },
    set isRefusing(is) {
      network.isRefusing = is;
    },
    get latencyMs() {
      return network.latencyMs;
    },
    set latencyMs(ms) {
      network.latencyMs = ms;
    },
    cut,
    unplug: () => {
      cut('silent', NOTHING);
      network.isUnplugged = true;
    },
    plug: () => {
      network.isUnplugged = false;
    },
    reboot: () => {
      cut('clean', NOTHING);
      reboot(machine);
    },
    powerOff: () => {
      cut('silent', NOTHING);
      network.isUnplugged = true;
      reboot(machine);
    },
    ...tampering(machine),
  };
}

function tampering(
  machine: Machine,
): Pick<
  PretendNode,
  'killWorker' | 'killTool' | 'wipe' | 'wipeHome' | 'killSessions' | 'scribble' | 'tear' | 'mute' | 'own'
> {
  return {
    killWorker: (attempt) => killWorker(machine, attempt),
    killTool: (attempt) => killTool(machine, attempt),
    wipe: (attempt) => wipe(machine, attempt),
    wipeHome: () => wipeHome(machine),
    killSessions: () => machine.sessions.clear(),
    scribble: (line) => journal(machine, line),
    tear: (length) => {
      machine.tornAt = length;
    },
    mute: (ms) => {
      machine.muteUntil = machine.setting.clock.monotonic() + ms;
    },
    own: (owner) => {
      machine.owner = owner;
    },
  };
}

interface Network {
  setting: PretendSetting;
  machine: Machine;
  connections: Set<Connection>;
  isUnplugged: boolean;
  isRefusing: boolean;
  latencyMs: number;
}

/** How long a connection is tried that nobody answers. */
const CONNECT_MS = 10_000;

/** A way there and back. */
async function arrive(network: Network, signal?: AbortSignal): Promise<void> {
  const { latencyMs, setting } = network;
  const failed = (why: string) => new FleetError('unreachable', `${setting.name}: ${why}`, { target: setting.name });
  const isLate = latencyMs * 2 > CONNECT_MS || network.isUnplugged;
  await setting.clock.sleep(isLate ? CONNECT_MS : latencyMs * 2, signal);
  if (isLate || network.isUnplugged) throw failed('no answer');
  if (network.isRefusing) throw failed('connection refused');
}

/** Nothing but the conversation runs here: every other command does nothing, well. */
async function run(network: Network, secondsMax: number, signal?: AbortSignal): Promise<Outcome> {
  try {
    await arrive(network, signal);
  } catch (failure) {
    if (!(failure instanceof FleetError)) throw failure;
    return { is: 'unreachable', failure };
  }
  if (signal?.aborted) return { is: 'cancelled' };
  if (network.latencyMs * 2 >= secondsMax * 1000)
    return { is: 'timed-out', seconds: secondsMax, stdout: '', stderr: '' };
  return { is: 'exited', code: 0, signal: null, stdout: '', stderr: '' };
}

/** One way through the network: in order, late, and cut off at any item. */
function createPipe<T>(clock: Clock, network: Network, arrive: (item: T) => void) {
  let queue: T[] = [];
  let isMoving = false;
  let isCut = false;
  const move = async () => {
    isMoving = true;
    while (queue.length > 0) {
      const count = queue.length;
      await clock.sleep(network.latencyMs);
      for (const item of queue.splice(0, count)) arrive(item);
    }
    isMoving = false;
  };
  return {
    push: (item: T) => {
      if (isCut) return;
      queue.push(item);
      if (!isMoving) void move();
    },
    cut: (kept: number, last?: T) => {
      if (isCut) return; // its end is on the way
      queue = [...queue.slice(0, kept), ...(last === undefined ? [] : [last])];
      isCut = true;
      if (!isMoving && queue.length > 0) void move();
    },
  };
}

const OVER = Symbol('over');
/** After so long without a sign each side gives a dead connection up, the controller's first. */
const NODE_KEEP_ALIVE_MS = 30_000;
const KEEP_ALIVE_MS = 20_000;
const FIRST_PORT = 40_000;

async function connect(
  network: Network,
  from: string,
  words: readonly string[],
  onLine: (line: string) => void,
): Promise<Stream> {
  await arrive(network);
  const { setting, machine, connections } = network;
  const { clock, onTold } = setting;
  const { promise: ended, resolve: tell } = Promise.withResolvers<string>();
  const toController = createPipe<string | typeof OVER>(clock, network, (line) => {
    if (line === OVER) return tell('the connection was closed');
    onTold?.(line, from);
    onLine(line);
  });
  let isGone = false;
  let isSilent = false;
  const programBytes = Number(/head -c (\d+)/.exec(words.join(' '))?.[1] ?? 0);
  const server = openServer(machine, { from, programBytes }, toController.push, () => {
    isGone = true;
    connections.delete(connection);
    toController.push(OVER);
  });
  const toNode = createPipe<string | typeof OVER>(clock, network, (text) => {
    if (text === OVER) server.end();
    else if (!isGone) server.take(Buffer.from(text));
  });
  const connection: Connection = {
    from,
    cut: (how, kept) => {
      toNode.cut(kept.toNode, how === 'clean' ? OVER : undefined);
      toController.cut(kept.toController, how === 'clean' ? OVER : undefined);
      if (how === 'clean') return;
      isSilent = true;
      void clock.sleep(NODE_KEEP_ALIVE_MS).then(server.end);
      void clock.sleep(KEEP_ALIVE_MS).then(() => tell('the other side fell silent'));
    },
  };
  connections.add(connection);
  return {
    write: toNode.push,
    forward: async (port) => {
      await (isSilent ? ended : Promise.race([clock.sleep(network.latencyMs * 2), ended]));
      if (isSilent || isGone) throw new FleetError('unreachable', `${setting.name}: no tunnel on a dead connection`);
      return port === 0 ? FIRST_PORT : port;
    },
    close: () => {
      if (isSilent)
        tell('closed here'); // nobody is there to close the other end
      else toNode.push(OVER);
    },
    ended,
  };
}
