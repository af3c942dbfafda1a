import { describe, expect, test } from 'vitest';
import { FleetError } from '../../controller/errors.ts';
import { isStarting, mayMove, requireState } from '../../controller/fleet/state.ts';
import { FLEET_STATES, type FleetState } from '../../controller/ledger/view.ts';

const LAWFUL: Readonly<Record<FleetState, readonly FleetState[]>> = {
  UNINITIALIZED: ['INITIALIZING'],
  INITIALIZING: ['INITIALIZING', 'READY', 'DRAINING', 'FAILED'],
  READY: ['INITIALIZING', 'RUNNING', 'SCALING', 'DRAINING', 'FAILED'],
  RUNNING: ['INITIALIZING', 'SCALING', 'DRAINING', 'FAILED'],
  SCALING: ['INITIALIZING', 'RUNNING', 'DRAINING', 'FAILED'],
  DRAINING: ['INITIALIZING', 'TERMINATED', 'FAILED'],
  TERMINATED: ['INITIALIZING'],
  FAILED: ['INITIALIZING'],
};

describe('the state of the fleet', () => {
  test.each(FLEET_STATES)('moves from %s only where it may', (from) => {
    expect(FLEET_STATES.filter((to) => mayMove(from, to)).toSorted()).toEqual(LAWFUL[from].toSorted());
  });

  test('lets a new controller begin from any state: the last one may have been killed in it', () => {
    for (const state of FLEET_STATES) expect(mayMove(state, 'INITIALIZING')).toBe(true);
  });

  test('lets work begin only while it is ready, running or scaling', () => {
    expect(FLEET_STATES.filter(isStarting)).toEqual(['READY', 'RUNNING', 'SCALING']);
  });

  test('refuses a command in the wrong state by saying the state and where it is possible', () => {
    expect(() => requireState('RUNNING', ['READY', 'RUNNING'], 'pause')).not.toThrow();
    try {
      requireState('DRAINING', ['READY', 'RUNNING'], 'pause');
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      expect(error).toMatchObject({ code: 'unlawful', exit: 4 });
      expect(error.message).toContain('pause is not possible while the fleet is DRAINING');
      expect(error.hint).toContain('READY or RUNNING');
    }
  });
});
