import { randomBytes } from 'node:crypto';
import { newSight, type Sight, type World } from '../../controller/fleet/world.ts';
import type { Ledger } from '../../controller/ledger/ledger.ts';
import { machineClock } from '../../controller/machine.ts';
import type { Greeting } from '../../controller/node/greeting.ts';
import type { Link } from '../../controller/node/link.ts';
import type { Node } from '../../controller/node/node.ts';
import type { Transport } from '../../controller/transport/transport.ts';
import { aFleet, aNode } from '../support/builders.ts';

/** A controller's world whose nodes are up, have all their windows, and take whatever they are handed, at once. */

export interface IdleOrder {
  ledger: Ledger;
  /** How many agents each node has. */
  agents: readonly number[];
  categories: readonly string[];
}

export function aWorldOfIdleAgents({ ledger, agents, categories }: IdleOrder): World {
  const nodes = agents.map((count, index) => aNode({ name: `node${index + 1}`, vcpu: count, memoryGiB: 2 * count }));
  const shares = categories.map((name) => ({ name, share: 1, kind: null, strict: false }));
  const places = new Map(nodes.flatMap(({ name, vcpu }) => Array.from({ length: vcpu ?? 0 }, () => name)).entries());
  const numbered = new Map([...places].map(([index, node]) => [index + 1, node]));
  return {
    fleet: aFleet({ nodes, agents: { count: numbered.size, categories: shares } }),
    ledger,
    clock: machineClock,
    random: (bytes) => randomBytes(bytes),
    openTransport: () => absent,
    memory: { since: 0, isTakenOver: false, places: numbered, nodes: new Map() },
    program: { hash: 'none', text: '' },
    identity: { ledger: 'bench', machine: 'bench', takeOver: false },
    secretsOf: async () => ({}),
    sights: new Map(nodes.map((node): [string, Sight] => [node.name, aSight(node, numbered)])),
    wake: () => {},
    track: (work) => void work.catch((error: unknown) => process.stderr.write(`${String(error)}\n`)),
  };
}

/** What began on its nodes is over and was heard: as it is between two ticks that are measured. */
export function forgetBegun(world: World): void {
  for (const sight of world.sights.values()) {
    for (const ids of [sight.running, sight.attempts, sight.inFlight]) ids.clear();
    sight.records.length = 0;
  }
}

const nothing = async (): Promise<never> => {
  throw new Error('nothing is behind this node');
};
const absent: Transport = { run: nothing, open: nothing, terminal: () => [], close: async () => {} };

function aSight(node: Node, places: ReadonlyMap<number, string>): Sight {
  const own = [...places].filter(([, name]) => name === node.name).map(([number]) => number);
  const sessions = new Set(own.map((number) => `test-${String(number).padStart(3, '0')}`));
  return {
    ...newSight(node, absent, 0),
    ...{ state: 'up', boot: 'boot', vcpu: node.vcpu, memoryGiB: node.memoryGiB, hasTmux: true, unheardSince: null },
    ...{ sessions, made: sessions, link: aLink(), heardAt: machineClock.monotonic() },
  };
}

function aLink(): Link {
  const greeting: Greeting = {
    ...{ ok: true, protocol: 1, epoch: 1, boot: 'boot', root: '/home/ubuntu/.miyabi/test', vcpu: 29 },
    ...{ memoryKiB: 2 ** 26, tmux: '3.3', jq: true, cgroup: true, limits: true, holds: 'scope', folder: '' },
  };
  return {
    greeting,
    start: async () => 'new',
    stop: nothing,
    evidence: nothing,
    acknowledge: nothing,
    prepare: nothing,
    openSessions: nothing,
    closeSessions: nothing,
    forward: nothing,
    close: () => {},
    ended: new Promise(() => {}),
  };
}
