import type { Kind } from '../../controller/agent/agent.ts';
import type { Fleet } from '../../controller/config/fleet.ts';
import type { Node } from '../../controller/node/node.ts';

/** Values with one difference: a test names only what matters to it. */

export function aNode(different: Partial<Node> = {}): Node {
  return {
    name: 'here',
    via: { kind: 'local' },
    vcpu: 4,
    memoryGiB: 16,
    maxAgents: null,
    cwd: null,
    labels: [],
    ...different,
  };
}

export function aKind(different: Partial<Kind> = {}): Kind {
  return {
    name: 'command',
    tool: 'command',
    model: null,
    sandbox: null,
    run: null,
    args: [],
    env: {},
    secrets: {},
    endpoint: null,
    program: null,
    tunnel: false,
    ...different,
  };
}

export type FleetDifference = Omit<Partial<Fleet>, 'agents' | 'tasks'> & {
  agents?: Partial<Fleet['agents']>;
  tasks?: Partial<Fleet['tasks']>;
};

export function aFleet({ agents, tasks, ...different }: FleetDifference = {}): Fleet {
  return {
    name: 'test',
    file: null,
    stateFolder: '/nonexistent',
    nodes: [aNode()],
    written: different.nodes?.length ?? 1,
    stacks: [],
    kinds: [aKind()],
    lostAfterSeconds: 600,
    restartsPerMinute: 30,
    origins: {},
    ...different,
    agents: { count: 4, perVcpu: 1, memoryGiBEach: 1, memoryGiBMax: null, kind: 'command', categories: [], ...agents },
    tasks: { timeoutSeconds: 1800, retries: 2, cwd: null, silenceSeconds: 600, platformRetries: 5, env: {}, ...tasks },
  };
}
