import { FleetError } from '../errors.ts';
import type { FleetState, Snapshot } from '../ledger/view.ts';

/** From each state of the fleet, where it may go. A new controller may begin from any: the last one may have been killed. */
const TRANSITIONS: Readonly<Record<FleetState, readonly FleetState[]>> = {
  UNINITIALIZED: ['INITIALIZING'],
  INITIALIZING: ['READY', 'DRAINING', 'FAILED', 'INITIALIZING'],
  READY: ['RUNNING', 'SCALING', 'DRAINING', 'FAILED', 'INITIALIZING'],
  RUNNING: ['SCALING', 'DRAINING', 'FAILED', 'INITIALIZING'],
  SCALING: ['RUNNING', 'DRAINING', 'FAILED', 'INITIALIZING'],
  DRAINING: ['TERMINATED', 'FAILED', 'INITIALIZING'],
  TERMINATED: ['INITIALIZING'],
  FAILED: ['INITIALIZING'],
};

export function mayMove(from: FleetState, to: FleetState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** Whether new attempts may begin. */
export function isStarting(state: FleetState): boolean {
  return state === 'READY' || state === 'RUNNING' || state === 'SCALING';
}

/** Nothing works any more, nor will: windows are closed. */
export function isOver({ state, open }: Pick<Snapshot, 'state' | 'open'>): boolean {
  return state === 'TERMINATED' || (state === 'DRAINING' && open.length === 0);
}

/** Throws `unlawful`, in words, when the fleet's state does not allow the command. */
export function requireState(state: FleetState, allowed: readonly FleetState[], command: string): void {
  if (allowed.includes(state)) return;
  throw new FleetError('unlawful', `${command} is not possible while the fleet is ${state}`, {
    hint: `It is possible while the fleet is ${allowed.join(', ').replace(/, (?=[^,]*$)/, ' or ')}; fleet status shows what it is.`,
  });
}
