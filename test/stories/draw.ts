import type { Fleet } from '../../controller/config/fleet.ts';
import type { AcceptedTask } from '../../controller/ledger/tasks.ts';
import type { Node, Via } from '../../controller/node/node.ts';
import type { Behaviour, Order } from '../../controller/transport/pretend.ts';
import { aFleet, aKind, aNode } from '../support/builders.ts';
import type { Chance } from '../support/chance.ts';

/** What a seed decides: the fleet, its tasks, what tools do, and what goes wrong when. */

/** How large a machine is, and what the fleet file says of it. */
export interface DrawnNode {
  node: Node;
  vcpu: number;
  memoryGiB: number;
}

export function drawNode(chance: Chance, name: string): DrawnNode {
  const [vcpu, memoryGiB] = [chance.pick([1, 2, 4, 8, 16]), chance.pick([4, 16, 64])];
  const isDeclared = chance.maybe(0.5);
  const via = chance.maybe(0.5) ? ({ kind: 'local' } as const) : anAddress(name);
  const node = aNode({
    name,
    via,
    vcpu: isDeclared ? vcpu : null,
    memoryGiB: isDeclared || chance.maybe(0.3) ? memoryGiB : null,
    maxAgents: chance.maybe(0.1) ? chance.whole(1, 4) : null,
  });
  return { node, vcpu, memoryGiB };
}

function anAddress(host: string): Via {
  const nothing = { port: null, user: null, identity: null, knownHosts: null, jump: null, config: null };
  return { kind: 'ssh', host, ...nothing, client: 'auto' };
}

export function drawFleet(chance: Chance, nodes: readonly DrawnNode[]): Fleet {
  const count = chance.maybe(0.7) ? chance.whole(1, 6) : chance.whole(7, 20);
  const categories =
    count > 2 && chance.maybe(0.5)
      ? [
          { name: 'coding', share: 1, kind: null, strict: chance.maybe(0.5) },
          { name: 'research', share: 1, kind: chance.maybe(0.5) ? 'codex' : null, strict: false },
        ]
      : [];
  const endpoint = chance.maybe(0.5) ? 'http://127.0.0.1:9/v1' : null;
  return aFleet({
    nodes: nodes.map(({ node }) => node),
    kinds: [aKind(), aKind({ name: 'codex', tool: 'codex', endpoint, tunnel: endpoint !== null })],
    lostAfterSeconds: chance.pick([20, 45, 120]),
    restartsPerMinute: chance.pick([2, 10, 30]),
    agents: { count, kind: chance.maybe(0.3) ? 'codex' : 'command', categories },
    tasks: {
      timeoutSeconds: chance.pick([60, 300]),
      retries: chance.whole(0, 2),
      silenceSeconds: 20,
      platformRetries: chance.whole(1, 4),
    },
  });
}

export function drawTasks(chance: Chance, fleet: Fleet): AcceptedTask[] {
  const count = chance.maybe(0.8) ? chance.whole(5, 18) : chance.whole(19, 60);
  const agents = typeof fleet.agents.count === 'number' ? fleet.agents.count : 1;
  const tasks: AcceptedTask[] = [];
  for (let index = 0; index < count; index += 1) {
    const needs = chance.maybe(0.3) ? tasks.filter(() => chance.maybe(2 / (tasks.length + 1))).map(({ id }) => id) : [];
    tasks.push({
      id: `t${index}`,
      ...(chance.maybe(0.6) ? { run: 'true' } : { prompt: 'do it' }),
      ...(chance.maybe(0.5) ? { priority: chance.whole(0, 3) } : {}),
      ...(chance.maybe(0.3) && fleet.agents.categories.length > 0
        ? { category: chance.pick(['coding', 'research']) }
        : {}),
      ...(needs.length > 0 ? { needs: needs.slice(0, 3) } : {}),
      ...(chance.maybe(0.2) ? { retries: chance.whole(0, 3) } : {}),
      ...(chance.maybe(0.2) ? { timeout: chance.whole(2, 15) } : {}),
      ...(chance.maybe(0.1) ? { agents: [chance.whole(1, agents)] } : {}),
    });
  }
  return tasks;
}

/** What a tool does. Drawn when it begins, from the node's own chance. */
export function drawBehaviour(chance: Chance, order: Order): Behaviour {
  const what = chance.next();
  const quick = chance.maybe(0.7)
    ? chance.whole(20, 4000)
    : chance.maybe(0.7)
      ? chance.whole(4000, 30_000)
      : chance.whole(30_000, 200_000);
  const good: Behaviour = {
    ms: quick,
    exit: 0,
    first: '',
    last: 'done\n',
    err: '',
    usage: '',
    talks: true,
    listens: true,
  };
  const listens = chance.maybe(0.6);
  const plain: Behaviour =
    what < 0.75
      ? { ...good, listens }
      : what < 0.87
        ? { ...good, exit: chance.whole(1, 3), last: '', err: 'error: it did not work\n', listens }
        : what < 0.91
          ? { ...good, exit: chance.pick([134, 137, 143]), last: '', listens }
          : { ...good, ms: Number.POSITIVE_INFINITY, talks: chance.maybe(0.5), listens };
  return order.tool === 'codex' ? asConversation(chance, order, plain) : plain;
}

/** The same as a conversation prints it. */
function asConversation(chance: Chance, order: Order, plain: Behaviour): Behaviour {
  const thread = order.resumes ?? order.attempt;
  const line = (event: object) => `${JSON.stringify(event)}\n`;
  const answer = (text: string) => line({ type: 'item.completed', item: { type: 'agent_message', text } });
  const begun = line({ type: 'thread.started', thread_id: thread }) + line({ type: 'turn.started' });
  // One that dies may have said something by then, or only which conversation it began, or nothing.
  const first = chance.pick(['', begun, begun, begun + answer('I begin.'), begun + answer('I begin.')]);
  const completed = answer('done') + line({ type: 'turn.completed' });
  const trouble = chance.pick([
    'status 429: try again in 2s',
    'stream disconnected',
    'it cannot be done',
    'status 500',
  ]);
  const failed = line({ type: 'turn.failed', error: { message: trouble } });
  const usage = line({ response: `r-${order.attempt}`, model: 'm', input: 10, cached: 2, output: 3 });
  return { ...plain, first, last: plain.exit === 0 ? completed : failed, usage };
}

export const TROUBLES = [
  'kill',
  'kill at a request',
  'kill at a request',
  'kill at a request',
  'kill at once',
  'cut',
  'cut silently',
  'cut at a request',
  'cut at a request',
  'cut at a request',
  'unplug',
  'unplug',
  'unplug for long',
  'unplug for long',
  'unplug for good',
  'power off',
  'refuse',
  'slow',
  'disk full',
  'own',
  'usurp',
  'intrude',
  'kill worker',
  'kill tool',
  'reboot',
  'wipe',
  'wipe home',
  'kill sessions',
  'scribble',
  'tear',
  'double',
  'mute',
  'sweep late',
  'jump',
  'sleep',
  'copy',
  'take over',
  'take over',
  'take over',
  'rival',
  'cancel',
  'cancel',
  'retry',
  'retry dead',
  'retry dead',
  'pause',
  'resume',
  'restart',
  'submit',
  'reload nodes',
  'reload agents',
] as const;
export type Trouble = (typeof TROUBLES)[number];

/** Troubles that mean something only together. */
const THEMES: readonly (readonly Trouble[])[] = [
  ['unplug for long', 'retry dead', 'retry dead'],
  ['unplug for long', 'unplug for good', 'retry dead', 'cancel', 'kill at once'],
  ['copy', 'take over', 'restart', 'unplug for long', 'kill worker'],
  ['take over', 'kill at a request', 'cut at a request', 'rival'],
  ['wipe home', 'kill at a request', 'cut at a request', 'cut silently'],
  ['reload nodes', 'reload agents', 'unplug for long', 'kill at once'],
];

/** What goes wrong, by simulated ms from the beginning, in order. */
export function drawTroubles(chance: Chance): { at: number; what: Trouble }[] {
  const span = (chance.maybe(0.7) ? chance.whole(5, 90) : chance.whole(90, 400)) * 1000;
  const count = chance.maybe(0.1) ? 0 : chance.whole(1, 16);
  const few = [chance.pick(TROUBLES), chance.pick(TROUBLES), chance.pick(TROUBLES)];
  const kinds = chance.maybe(0.4) ? TROUBLES : chance.maybe(0.6) ? few : chance.pick(THEMES);
  return Array.from({ length: count }, () => ({ at: Math.floor(span * chance.next()), what: chance.pick(kinds) })).sort(
    (a, b) => a.at - b.at,
  );
}
