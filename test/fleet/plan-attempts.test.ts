import { describe, expect, test } from 'vitest';
import type { NodeSight } from '../../controller/fleet/observation.ts';
import type { OpenAttempt } from '../../controller/ledger/view.ts';
import { open, plan } from './sight.ts';

describe('attempts that are committed', () => {
  const intended = open(1, { state: 'intended', startedAt: null });

  test('and not on their node are sent again, under the same id', () => {
    expect(plan({ snapshot: { open: [intended] } })).toMatchObject({ send: [intended], stop: [], lose: [] });
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
    expect(plan({ snapshot: { open: [stopping] } }).stop).toEqual([
      { attempt: stopping, reason: 'cancelled', isOrphan: false },
    ]);
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
