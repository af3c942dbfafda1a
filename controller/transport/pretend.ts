import type { Clock } from '../clock.ts';
import { FleetError } from '../errors.ts';
import type { Outcome } from './outcome.ts';
import { createMachine, journal, type Machine, type MachineSetting, reboot } from './pretend/machine.ts';
import { openServer } from './pretend/serve.ts';
import { killTool, killWorker, wipe } from './pretend/work.ts';
import type { Stream, Transport } from './transport.ts';

export type { Behaviour, Execution, Order } from './pretend/machine.ts';

/** A node in memory behind the Transport interface, for tests: it speaks the node program's protocol and fails on demand. */
export interface PretendNode {
  readonly machine: Machine;
  readonly transport: Transport;
  /** Conversations whose server still runs. */
  readonly openStreams: number;
  /** Connections are refused while set. */
  isRefusing: boolean;
  /** Time of one way through the network, in ms. */
  latencyMs: number;
  /** Ends every connection; of what is under way each way only the first `kept` lines arrive. Silent: nobody is told. */
  cut(how: 'clean' | 'silent', kept: { toNode: number; toController: number }): void;
  reboot(): void;
  killWorker(attempt: string): void;
  killTool(attempt: string): void;
  wipe(attempt: string): void;
  /** The tmux server dies. */
  killSessions(): void;
  /** A line in the journal that no worker wrote. */
  scribble(line: string): void;
  /** The next line of the journal is cut after so many characters, as by a full disk. */
  tear(length: number): void;
  /** The owner's file says something else. */
  own(owner: string): void;
}

export interface PretendSetting extends MachineSetting {
  /** Hears each line at the moment the controller gets it. */
  onTold?: (line: string) => void;
}

interface Connection {
  cut(how: 'clean' | 'silent', kept: { toNode: number; toController: number }): void;
}

export function createPretendNode(setting: PretendSetting): PretendNode {
  const machine = createMachine(setting);
  const connections = new Set<Connection>();
  const node: PretendNode = {
    machine,
    transport: {
      run: async (command, signal) => placed(setting.clock, node, command.secondsMax, signal),
      open: async (_, onLine) => openConnection(node, setting, connections, onLine),
      terminal: (words) => words,
      close: async () => node.cut('clean', { toNode: 0, toController: 0 }),
    },
    get openStreams() {
      return connections.size;
    },
    isRefusing: false,
    latencyMs: 1,
    cut: (how, kept) => {
      for (const connection of [...connections]) connection.cut(how, kept);
    },
    reboot: () => {
      node.cut('clean', { toNode: 0, toController: 0 });
      reboot(machine);
    },
    killWorker: (attempt) => killWorker(machine, attempt),
    killTool: (attempt) => killTool(machine, attempt),
    wipe: (attempt) => wipe(machine, attempt),
    killSessions: () => machine.sessions.clear(),
    scribble: (line) => journal(machine, line),
    tear: (length) => {
      machine.tornAt = length;
    },
    own: (owner) => {
      machine.owner = owner;
    },
  };
  return node;
}

/** Every command that is run is the one that puts the node program in place: there is nothing else to run here. */
async function placed(clock: Clock, node: PretendNode, secondsMax: number, signal?: AbortSignal): Promise<Outcome> {
  await clock.sleep(Math.min(node.latencyMs * 2, secondsMax * 1000), signal);
  if (signal?.aborted) return { is: 'cancelled' };
  if (node.isRefusing) return { is: 'unreachable', failure: new FleetError('unreachable', 'connection refused') };
  if (node.latencyMs * 2 >= secondsMax * 1000) return { is: 'timed-out', seconds: secondsMax, stdout: '', stderr: '' };
  return { is: 'exited', code: 0, signal: null, stdout: 'placed\n', stderr: '' };
}

/** One way through the network: in order, late, and cut off at any item. */
function createPipe<T>(clock: Clock, node: PretendNode, arrive: (item: T) => void) {
  let queue: T[] = [];
  let isMoving = false;
  let isCut = false;
  const move = async () => {
    isMoving = true;
    while (queue.length > 0) {
      const count = queue.length;
      await clock.sleep(node.latencyMs);
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
      queue = [...queue.slice(0, kept), ...(last === undefined || isCut ? [] : [last])];
      isCut = true;
      if (!isMoving && queue.length > 0) void move();
    },
  };
}

const OVER = Symbol('over');
/** After so long without a sign the node's own side gives a dead connection up. */
const KEEP_ALIVE_MS = 30_000;

function openConnection(
  node: PretendNode,
  { clock, onTold }: PretendSetting,
  connections: Set<Connection>,
  onLine: (line: string) => void,
): Stream {
  let tell: (why: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    tell = resolve;
  });
  if (node.isRefusing) {
    tell('connection refused');
    return { write: () => {}, forward: async (_, target) => target.port, close: () => {}, ended };
  }
  const toController = createPipe<string | typeof OVER>(clock, node, (line) => {
    if (line === OVER) return tell('the connection was closed');
    onTold?.(line);
    onLine(line);
  });
  let isGone = false;
  let isSilent = false;
  const server = openServer(node.machine, toController.push, () => {
    isGone = true;
    connections.delete(connection);
    toController.push(OVER);
  });
  const toNode = createPipe<string | typeof OVER>(clock, node, (text) => {
    if (text === OVER) server.end();
    else if (!isGone) server.take(Buffer.from(text));
  });
  const connection: Connection = {
    cut: (how, kept) => {
      toNode.cut(kept.toNode, how === 'clean' ? OVER : undefined);
      toController.cut(kept.toController, how === 'clean' ? OVER : undefined);
      if (how === 'clean') return;
      isSilent = true;
      void clock.sleep(KEEP_ALIVE_MS).then(server.end);
    },
  };
  connections.add(connection);
  return {
    write: toNode.push,
    forward: async (_, target) => target.port,
    close: () => {
      if (isSilent)
        tell('closed here'); // nobody is there to close the other end
      else toNode.push(OVER);
    },
    ended,
  };
}
