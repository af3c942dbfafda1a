import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sessionName } from '../../controller/agent/agent.ts';
import type { Fleet } from '../../controller/config/fleet.ts';
import { desire } from '../../controller/fleet/desired.ts';
import type { NodeSight } from '../../controller/fleet/observation.ts';
import { decide } from '../../controller/fleet/plan.ts';
import { isEmpty, type Plan } from '../../controller/fleet/step.ts';
import { FLEET_STATES, type OpenAttempt, type ReadyTask, type Snapshot } from '../../controller/ledger/view.ts';
import { aFleet, aNode } from '../support/builders.ts';

const two = aFleet({
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
    inFlight: new Set(),
    evidence: 'greeted',
    ...different,
  };
}

function task(id: string, different: Partial<ReadyTask> = {}): ReadyTask {
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

function open(agent: number, different: Partial<OpenAttempt> = {}): OpenAttempt {
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
    intendedAt: 0,
    startedAt: 0,
    ...different,
  };
}

interface Seen {
  fleet?: Fleet;
  a?: Partial<NodeSight>;
  b?: Partial<NodeSight>;
  snapshot?: Partial<Snapshot>;
}

function plan({ fleet = two, a = {}, b = {}, snapshot = {} }: Seen): Plan {
  const observation = {
    nodes: new Map([
      ['a', sight('a', 1, a)],
      ['b', sight('b', 3, b)],
    ]),
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
  return decide(fleet, desire(fleet, observation), observation, seen);
}

const starts = (decided: Plan) => decided.start.map(({ task: { id }, agent }) => [id, agent]);

describe('a plan', () => {
  test('is empty when all is as it should be', () => {
    expect(isEmpty(plan({}))).toBe(true);
    const busy = [open(1), open(3)];
    expect(
      isEmpty(
        plan({
          a: { attempts: new Set(['attempt-1']) },
          b: { attempts: new Set(['attempt-3']) },
          snapshot: { open: busy },
        }),
      ),
    ).toBe(true);
  });

  test('gives ready tasks to free agents, best first, on the emptier node first', () => {
    const snapshot = { ready: ['t1', 't2', 't3'].map((id) => task(id)), open: [open(1)] };
    expect(starts(plan({ a: { attempts: new Set(['attempt-1']) }, snapshot }))).toEqual([
      ['t1', 3],
      ['t2', 2],
      ['t3', 4],
    ]);
  });

  test('carries the kind of the task, else of the agent, and the boot it is meant for', () => {
    const decided = plan({ snapshot: { ready: [task('own', { kind: 'codex' }), task('agents')] } });
    expect(decided.start.map(({ kind, boot }) => [kind, boot])).toEqual([
      ['codex', 'boot'],
      ['command', 'boot'],
    ]);
  });

  test('says of every task that is left over what it waits for', () => {
    const ready = [
      task('t1'),
      task('t2'),
      task('t3'),
      task('t4'),
      task('t5'),
      task('t6', { category: 'coding' }),
      task('t7', { agents: [1, 2] }),
      task('t8', { agents: [9] }),
    ];
    expect(plan({ snapshot: { ready } }).waiting).toEqual([
      { task: 't5', reason: 'waits for a free agent' },
      { task: 't6', reason: 'waits for a free agent (coding)' },
      { task: 't7', reason: 'waits for agent 1, 2' },
      { task: 't8', reason: 'wants agent 9, which this fleet does not have' },
    ]);
  });

  test('gives nothing to paused agents, nor to those with an open attempt', () => {
    const snapshot = {
      ready: ['t1', 't2', 't3', 't4'].map((id) => task(id)),
      paused: new Set([2, 3]),
      open: [open(4)],
    };
    expect(starts(plan({ b: { attempts: new Set(['attempt-4']) }, snapshot }))).toEqual([['t1', 1]]);
  });

  test.each(FLEET_STATES.filter((state) => !['READY', 'RUNNING', 'SCALING'].includes(state)))(
    'begins nothing while the fleet is %s, and says so of each task',
    (state) => {
      const decided = plan({ snapshot: { state, ready: [task('t1')] } });
      expect(decided.start).toEqual([]);
      expect(decided.waiting).toEqual([{ task: 't1', reason: `the fleet is ${state}` }]);
    },
  );
});

describe('categories', () => {
  const shared = (strict: boolean) =>
    aFleet({
      ...two,
      agents: {
        count: 4,
        categories: [
          { name: 'coding', share: 50, kind: null, strict },
          { name: 'support', share: 50, kind: null, strict: false },
        ],
      },
    });

  test('are preferred: a task takes an agent of its own while there is one, then any other', () => {
    const ready = ['t1', 't2', 't3'].map((id) => task(id, { category: 'support' }));
    const numbers = plan({ fleet: shared(false), snapshot: { ready } }).start.map(({ agent }) => agent);
    expect(numbers.slice(0, 2).toSorted()).toEqual([2, 4]);
    expect([1, 3]).toContain(numbers[2]);
  });

  test('that are strict take only their own tasks, and their tasks may still go elsewhere', () => {
    const fleet = shared(true);
    const others = ['t1', 't2', 't3'].map((id) => task(id, { category: 'support' }));
    expect(
      plan({ fleet, snapshot: { ready: others } })
        .start.map(({ agent }) => agent)
        .toSorted(),
    ).toEqual([2, 4]);
    const own = ['t1', 't2', 't3'].map((id) => task(id, { category: 'coding' }));
    expect(plan({ fleet, snapshot: { ready: own } }).start).toHaveLength(3);
    expect(plan({ fleet, snapshot: { ready: [task('t'), task('u'), task('v')] } }).start).toHaveLength(2);
  });
});

describe('a conversation that was cut off', () => {
  const cut = task('t1', { resumesOn: 3 });

  test('goes on at the agent that holds it, and waits for that one', () => {
    expect(starts(plan({ snapshot: { ready: [cut] } }))).toEqual([['t1', 3]]);
    const decided = plan({ b: { attempts: new Set(['attempt-3']) }, snapshot: { ready: [cut], open: [open(3)] } });
    expect(decided.start).toEqual([]);
    expect(decided.waiting).toEqual([{ task: 't1', reason: 'waits for agent 3, which holds its conversation' }]);
  });

  test('begins anew at any agent when the fleet has no such agent any more', () => {
    expect(starts(plan({ snapshot: { ready: [task('t1', { resumesOn: 77 })] } }))).toHaveLength(1);
  });
});

describe('the brake', () => {
  test('lets only so many restarts begin in a minute, says so of the rest, and holds nothing else back', () => {
    const fleet = aFleet({ ...two, restartsPerMinute: 3 });
    const ready = [...['r1', 'r2'].map((id) => task(id, { isRestart: true })), task('new')];
    const decided = plan({ fleet, snapshot: { ready, restartsLastMinute: 2 } });
    expect(decided.start.map((step) => step.task.id)).toEqual(['r1', 'new']);
    expect(decided.waiting).toEqual([{ task: 'r2', reason: 'the brake holds it: 3 restarts a minute' }]);
  });
});

describe('attempts that are committed', () => {
  const intended = open(1, { state: 'intended', startedAt: null });

  test('and not on their node are sent again, under the same id', () => {
    expect(plan({ snapshot: { open: [intended] } }).send).toEqual([intended]);
  });

  test.each<[string, Partial<NodeSight>, Partial<OpenAttempt>]>([
    ['the node has it', { attempts: new Set(['attempt-1']) }, {}],
    ['it is on its way', { inFlight: new Set(['attempt-1']) }, {}],
    ['it is to be ended', {}, { stopping: 'cancelled' }],
    ['it was meant for an earlier boot', { boot: 'next' }, {}],
  ])('are not sent again when %s', (_, a, different) => {
    expect(plan({ a, snapshot: { open: [{ ...intended, ...different }] } }).send).toEqual([]);
  });

  test('and are to end are told to, with the reason, until the end is seen', () => {
    const stopping = open(1, { stopping: 'cancelled' });
    expect(plan({ snapshot: { open: [stopping] } }).stop).toEqual([{ attempt: stopping, reason: 'cancelled' }]);
    expect(plan({ a: { inFlight: new Set(['attempt-1']) }, snapshot: { open: [stopping] } }).stop).toEqual([]);
  });

  test('and are gone from a node that had them are buried before anything else', () => {
    expect(plan({ snapshot: { open: [open(1)] } }).stop).toMatchObject([{ reason: 'restarted' }]);
    expect(plan({ a: { attempts: new Set(['attempt-1']) }, snapshot: { open: [open(1)] } }).stop).toEqual([]);
  });

  test('are lost when their node was rebooted and does not hold them, and only then', () => {
    expect(plan({ a: { boot: 'next' }, snapshot: { open: [open(1)] } }).lose).toMatchObject([
      { why: 'a was rebooted' },
    ]);
    expect(plan({ a: { boot: 'next', attempts: new Set(['attempt-1']) }, snapshot: { open: [open(1)] } }).lose).toEqual(
      [],
    );
    expect(plan({ snapshot: { open: [open(1)] } }).lose).toEqual([]);
  });
});

describe('windows', () => {
  test('are made where missing and closed where nobody is left', () => {
    const decided = plan({ a: { sessions: new Set(['test-001', 'test-009', 'other-002']) } });
    expect(decided.openSessions).toEqual([{ node: 'a', names: ['test-002'] }]);
    expect(decided.closeSessions).toEqual([{ node: 'a', names: ['test-009'] }]);
  });

  test('stay while their agent works, also when the fleet has shrunk', () => {
    const decided = plan({
      a: { sessions: new Set(['test-001', 'test-002', 'test-009']), attempts: new Set(['attempt-9']) },
      snapshot: { open: [open(9, { node: 'a' })] },
    });
    expect(decided.closeSessions).toEqual([]);
  });

  test('are left alone while the node has not told of them, or has no tmux', () => {
    const decided = plan({ a: { sessions: null }, b: { hasTmux: false, sessions: new Set() } });
    expect(decided.openSessions).toEqual([]);
  });

  test('are all closed when the fleet is TERMINATED', () => {
    const decided = plan({ snapshot: { state: 'TERMINATED' } });
    expect(decided.closeSessions).toEqual([
      { node: 'a', names: ['test-001', 'test-002'] },
      { node: 'b', names: ['test-003', 'test-004'] },
    ]);
    expect(decided.openSessions).toEqual([]);
  });
});

const sights = fc.record({
  state: fc.constantFrom('up' as const, 'degraded' as const, 'down' as const, 'unknown' as const, 'draining' as const),
  boot: fc.constantFrom('boot', 'next', null),
  sessions: fc.constantFrom(null, new Set<string>(), new Set(['test-001', 'test-099'])),
  hasTmux: fc.boolean(),
  attempts: fc.subarray(['attempt-1', 'attempt-2', 'attempt-3']).map((ids) => new Set(ids)),
  inFlight: fc.subarray(['attempt-1', 'attempt-4']).map((ids) => new Set(ids)),
});
const attempts = fc
  .subarray([1, 2, 3, 4])
  .chain((agents) =>
    fc.tuple(
      ...agents.map((agent) =>
        fc
          .record({
            state: fc.constantFrom('intended' as const, 'started' as const),
            boot: fc.constantFrom('boot', 'old'),
            stopping: fc.constantFrom(null, 'cancelled' as const),
          })
          .map((different) => open(agent, different)),
      ),
    ),
  );
const tasks = fc
  .array(
    fc.record({
      category: fc.constantFrom(null, 'coding'),
      agents: fc.constantFrom(null, [1], [2, 3], [50]),
      resumesOn: fc.constantFrom(null, 2, 50),
      isRestart: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map((list) => list.map((different, index) => task(`t${index}`, different)));

describe('a plan, whatever was seen', () => {
  test('touches no node that is not up, and uses every task and every agent at most once', () => {
    fc.assert(
      fc.property(sights, sights, attempts, tasks, fc.subarray([1, 2, 3, 4]), (a, b, openNow, ready, paused) => {
        const decided = plan({ a, b, snapshot: { open: openNow, ready, paused: new Set(paused) } });
        const up = new Set([...(isUp(a) ? ['a'] : []), ...(isUp(b) ? ['b'] : [])]);
        const touched = [
          ...decided.start.map(({ node }) => node),
          ...decided.send.map(({ node }) => node),
          ...decided.stop.map(({ attempt }) => attempt.node),
          ...decided.lose.map(({ attempt }) => attempt.node),
          ...decided.openSessions.map(({ node }) => node),
          ...decided.closeSessions.map(({ node }) => node),
        ];
        expect(touched.filter((node) => !up.has(node))).toEqual([]);
        const agents = decided.start.map(({ agent }) => agent);
        expect(new Set(agents).size).toBe(agents.length);
        expect(new Set(decided.start.map((step) => step.task.id)).size).toBe(agents.length);
        const taken = [...paused, ...openNow.map(({ agent }) => agent)];
        expect(agents.filter((agent) => taken.includes(agent))).toEqual([]);
        expect(decided.send.filter((attempt) => decided.lose.some((step) => step.attempt === attempt))).toEqual([]);
      }),
    );
  });
});

const isUp = (node: { state: string; boot: string | null }) => node.state === 'up' && node.boot !== null;
