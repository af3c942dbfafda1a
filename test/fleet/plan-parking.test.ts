import { describe, expect, test } from 'vitest';
import { open, plan, task } from './sight.ts';

const away = { state: 'unknown' as const, boot: null, unheardSince: 0, evidence: 'silent for 16 s' };

describe('a node that is not heard', () => {
  test('keeps its attempts untouched until the time that the fleet allows, and parks their tasks then with the reason', () => {
    const snapshot = { open: [open(1), open(3)] };
    expect(plan({ b: away, at: 599_999, snapshot }).park).toEqual([]);
    const [step, ...more] = plan({ b: away, at: 600_000, snapshot }).park;
    expect(more).toEqual([]);
    expect(step?.attempt.agent).toBe(3);
    expect(step?.why).toBe(
      'b is not heard (silent for 16 s); it may still run there: goes on when b is back, or: fleet retry task-of-3 --assume-dead',
    );
  });

  test('has its attempts parked once only', () => {
    expect(plan({ b: away, at: 600_000, snapshot: { open: [open(3, { isParked: true })] } }).park).toEqual([]);
  });

  test('gives its queued tasks to other nodes at once', () => {
    const decided = plan({ b: { ...away, unheardSince: 900 }, snapshot: { ready: [task('t1'), task('t2')] } });
    expect(decided.start.map(({ node }) => node)).toEqual(['a', 'a']);
  });

  test('takes up what was parked when it is heard again, and sends what never arrived', () => {
    const parked = open(3, { isParked: true, state: 'intended' });
    const decided = plan({ snapshot: { open: [parked] } });
    expect(decided.unpark).toEqual([parked]);
    expect(decided.send).toEqual([parked]);
  });

  test('that is not in the fleet file any more parks its attempts as well', () => {
    const decided = plan({ at: 600_000, snapshot: { open: [open(9, { node: 'gone' })] } });
    expect(decided.park.map(({ why }) => why)).toEqual([
      expect.stringMatching(/^gone is not in the fleet file any more/),
    ]);
  });
});

describe('an attempt that a node holds and the ledger has closed', () => {
  test('is ended: somebody said that it was dead, and another may be on its way', () => {
    const decided = plan({ a: { running: new Set(['attempt-1', 'ghost']) }, snapshot: { open: [open(1)] } });
    expect(decided.stop.filter(({ attempt }) => attempt.id === 'ghost')).toEqual([
      { attempt: { id: 'ghost', node: 'a' }, reason: 'restarted', isOrphan: true },
    ]);
    expect(decided.stop.filter(({ attempt }) => attempt.id === 'attempt-1' && !('task' in attempt))).toEqual([]);
  });

  test('keeps its node from beginning anything until it has ended: its agent only looks free', () => {
    const decided = plan({ a: { running: new Set(['ghost']) }, snapshot: { ready: [task('t1'), task('t2')] } });
    expect(decided.start.map(({ node }) => node)).toEqual(['b', 'b']);
  });
});

describe('nodes that were taken over', () => {
  const ready = [task('t1')];

  test('begin nothing before every one of them is heard or given up: it may run the very task', () => {
    const away = { state: 'unknown' as const, boot: null, wasOurs: false, unheardSince: 0 };
    const held = plan({ b: away, at: 599_000, isTakingOver: true, snapshot: { ready } });
    expect(held.start).toEqual([]);
    expect(held.waiting).toMatchObject([{ reason: expect.stringContaining('before b is heard or given up') }]);
    expect(plan({ b: away, at: 600_000, isTakingOver: true, snapshot: { ready } }).start).toHaveLength(1);
    expect(plan({ isTakingOver: true, snapshot: { ready } }).start).toHaveLength(1);
  });

  test('begin nothing while one of them runs what the ledger does not know', () => {
    const held = plan({ b: { running: new Set(['ghost']) }, isTakingOver: true, snapshot: { ready } });
    expect(held.start).toEqual([]);
    expect(held.stop).toMatchObject([{ isOrphan: true }]);
  });
});

describe('a node without room', () => {
  test('begins nothing for a while; others do', () => {
    const decided = plan({ a: { fullUntil: 2000 }, snapshot: { ready: [task('t1'), task('t2')] } });
    expect(decided.start.map(({ node }) => node)).toEqual(['b', 'b']);
  });
});
