import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isEmpty } from '../../controller/fleet/step.ts';
import { FLEET_STATES } from '../../controller/ledger/view.ts';
import { aFleet } from '../support/builders.ts';
import { open, plan, starts, task, two } from './sight.ts';

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
      expect(decided.waiting).toEqual([{ task: 't1', reason: `waits: the fleet is ${state}` }]);
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
    expect(numbers.slice(0, 2).toSorted((one, other) => one - other)).toEqual([2, 4]);
    expect([1, 3]).toContain(numbers[2]);
  });

  test('that are strict take only their own tasks, and their tasks may still go elsewhere', () => {
    const fleet = shared(true);
    const others = ['t1', 't2', 't3'].map((id) => task(id, { category: 'support' }));
    expect(
      plan({ fleet, snapshot: { ready: others } })
        .start.map(({ agent }) => agent)
        .toSorted((one, other) => one - other),
    ).toEqual([2, 4]);
    const own = ['t1', 't2', 't3'].map((id) => task(id, { category: 'coding' }));
    expect(plan({ fleet, snapshot: { ready: own } }).start).toHaveLength(3);
    expect(plan({ fleet, snapshot: { ready: [task('t'), task('u'), task('v')] } }).start).toHaveLength(2);
  });
});

describe('a conversation that was cut off', () => {
  const cut = task('t1', { resumesOn: { agent: 3, node: 'b' } });

  test('goes on at the agent that holds it, and waits for that one', () => {
    expect(starts(plan({ snapshot: { ready: [cut] } }))).toEqual([['t1', 3]]);
    const decided = plan({ b: { attempts: new Set(['attempt-3']) }, snapshot: { ready: [cut], open: [open(3)] } });
    expect(decided.start).toEqual([]);
    expect(decided.waiting).toEqual([{ task: 't1', reason: 'waits for agent 3, which holds its conversation' }]);
  });

  test('begins anew at any agent when the fleet has no such agent any more', () => {
    const gone = task('t1', { resumesOn: { agent: 77, node: 'b' } });
    expect(starts(plan({ snapshot: { ready: [gone] } }))).toHaveLength(1);
  });

  test('begins anew when that agent has moved to another node', () => {
    const moved = task('t1', { resumesOn: { agent: 3, node: 'a' } });
    expect(starts(plan({ snapshot: { ready: [moved] } }))).toHaveLength(1);
  });

  test('waits for its node while that is not heard, and is begun elsewhere when the node is given up', () => {
    const away = { state: 'unknown' as const, boot: null };
    expect(starts(plan({ b: { ...away, unheardSince: 1 }, at: 600_000, snapshot: { ready: [cut] } }))).toEqual([]);
    expect(starts(plan({ b: { ...away, unheardSince: 0 }, at: 600_000, snapshot: { ready: [cut] } }))).toHaveLength(1);
  });
});

describe('the brake', () => {
  test('lets only so many restarts begin in a minute, says so of the rest, and holds nothing else back', () => {
    const fleet = aFleet({ ...two, restartsPerMinute: 3 });
    const ready = [...['r1', 'r2'].map((id) => task(id, { isRestart: true })), task('new')];
    const decided = plan({ fleet, snapshot: { ready, restartsLastMinute: 2 } });
    expect(decided.start.map((step) => step.task.id)).toEqual(['r1', 'new']);
    expect(decided.waiting).toEqual([{ task: 'r2', reason: 'waits: the brake lets 3 restarts begin in a minute' }]);
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
const attempts = fc.subarray([1, 2, 3, 4]).chain((agents) =>
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
      resumesOn: fc.constantFrom(null, { agent: 2, node: 'a' }, { agent: 2, node: 'b' }, { agent: 50, node: 'a' }),
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
