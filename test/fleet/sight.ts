import { sessionName } from '../../controller/agent/agent.ts';
import type { Fleet } from '../../controller/config/fleet.ts';
import { desire } from '../../controller/fleet/desired.ts';
import type { NodeSight } from '../../controller/fleet/observation.ts';
import { decide } from '../../controller/fleet/plan.ts';
import type { Plan } from '../../controller/fleet/step.ts';
import type { OpenAttempt, ReadyTask, Snapshot } from '../../controller/ledger/view.ts';
import { aFleet, aNode } from '../support/builders.ts';

/** What a controller of two nodes sees, with one difference. */

export const two = aFleet({
  nodes: [aNode({ name: 'a', vcpu: 2, memoryGiB: 8 }), aNode({ name: 'b', vcpu: 2, memoryGiB: 8 })],
  agents: { count: 4 },
});

/** A node that has greeted, with the windows of agents `from` to `from + 1`. */
function sight(name: string, from: number, different: Partial<NodeSight> = {}): NodeSight {
  return {
    name,
    state: 'up',
    boot: 'boot',
    vcpu: 2,
    memoryGiB: 8,
    sessions: new Set([sessionName('test', from), sessionName('test', from + 1)]),
    hasTmux: true,
    attempts: new Set(),
    running: new Set(),
    wasOurs: true,
    unheardSince: null,
    fullUntil: 0,
    inFlight: new Set(),
    evidence: 'greeted',
    ...different,
  };
}

export function task(id: string, different: Partial<ReadyTask> = {}): ReadyTask {
  return {
    id,
    seq: 1,
    category: null,
    kind: null,
    priority: 2,
    agents: null,
    resumesOn: null,
    isRestart: false,
    ...different,
  };
}

export function open(agent: number, different: Partial<OpenAttempt> = {}): OpenAttempt {
  return {
    id: `attempt-${agent}`,
    task: `task-of-${agent}`,
    agent,
    node: agent <= 2 ? 'a' : 'b',
    ordinal: 1,
    kind: 'command',
    state: 'started',
    boot: 'boot',
    stopping: null,
    isParked: false,
    intendedAt: 0,
    startedAt: 0,
    ...different,
  };
}

export interface Seen {
  fleet?: Fleet;
  a?: Partial<NodeSight>;
  b?: Partial<NodeSight>;
  snapshot?: Partial<Snapshot>;
  /** Monotonic ms of the look; the controller began at 0. */
  at?: number;
  isTakingOver?: boolean;
}

/** The plan for two nodes of two agents each, all idle, as far as nothing else is said. */
export function plan({ fleet = two, a = {}, b = {}, snapshot = {}, at = 1000, isTakingOver = false }: Seen): Plan {
  const observation = {
    nodes: new Map([
      ['a', sight('a', 1, a)],
      ['b', sight('b', 3, b)],
    ]),
    at,
    since: 0,
    isTakingOver,
  };
  const seen: Snapshot = {
    state: 'RUNNING',
    ready: [],
    nextReadyAt: null,
    open: [],
    paused: new Set(),
    restartsLastMinute: 0,
    ...snapshot,
  };
  return decide(fleet, desire(fleet, observation.nodes), observation, seen);
}

/** Which task begins at which agent. */
export const starts = (decided: Plan) => decided.start.map(({ task: { id }, agent }) => [id, agent]);
