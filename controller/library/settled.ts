import type { Fleet } from '../config/fleet.ts';
import { FleetError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { readHolder } from '../ledger/lock.ts';
import { readFleetState } from '../ledger/read.ts';
import type { Machine } from '../machine.ts';
import { openContext } from '../operations/ask.ts';
import { readTasksNamed } from '../operations/history.ts';
import { isSettled } from '../task/task.ts';

const LOOK_MS = 100;
/** A controller that is restarted (systemd waits 5 s) is back within this. */
const AWAY_MS_MAX = 10_000;
const IDS_AT_ONCE = 500;

export interface Settling {
  machine: Machine;
  fleet: Fleet;
  ids: readonly string[];
  /** Asked at every look; throws to end the waiting. */
  check(): void;
  /** Nobody has run the fleet for a while: begins, or throws. */
  onAway(): Promise<void>;
  signal: AbortSignal;
}

/** Waits until all tasks are settled. Throws `unlawful` when the fleet was stopped. */
export async function untilSettled({ machine, fleet, ids, check, onAway, signal }: Settling): Promise<void> {
  const { clock } = machine;
  let heardAt = clock.monotonic();
  let settled = 0;
  for (;;) {
    await using context = await openContext(machine, fleet);
    const { ledger } = context;
    if (ledger) settled = await firstOpen(ledger, ids, settled);
    // One that was settled may have been tried again while others ended.
    if (ledger && settled === ids.length) settled = await firstOpen(ledger, ids, 0);
    if (settled === ids.length) return;
    check();
    if (await readHolder(fleet.stateFolder)) heardAt = clock.monotonic();
    else if (ledger && (await readFleetState(ledger)) === 'TERMINATED') throw stopped();
    else if (clock.monotonic() - heardAt > AWAY_MS_MAX) {
      await onAway();
      heardAt = clock.monotonic();
    }
    await clock.sleep(LOOK_MS, signal);
  }
}

function stopped(): FleetError {
  return new FleetError('unlawful', 'the fleet was stopped before all tasks ended', {
    hint: 'What was accepted is kept: the next start goes on with it.',
  });
}

/** Where, from `start`, the first task stands that is not settled; the length of the list when there is none. */
async function firstOpen(ledger: Ledger, ids: readonly string[], start: number): Promise<number> {
  for (let index = start; index < ids.length; index += IDS_AT_ONCE) {
    const some = ids.slice(index, index + IDS_AT_ONCE);
    const found = await readTasksNamed(ledger, some);
    const settled = new Set(found.filter(({ state }) => isSettled(state)).map(({ id }) => id));
    const open = some.findIndex((id) => !settled.has(id));
    if (open >= 0) return index + open;
  }
  return ids.length;
}
