import type { Fleet } from '../config/fleet.ts';
import { FleetError } from '../errors.ts';
import { newId } from '../fleet/world.ts';
import { putIntent } from '../ledger/inbox.ts';
import { readHolder } from '../ledger/lock.ts';
import { readIntentResult } from '../ledger/sights.ts';
import type { OperationName } from '../operations/index.ts';
import type { Door } from './door.ts';
import { openContext } from './session.ts';

const ANSWER_MS_MAX = 15_000;
const LOOK_MS = 20;

/** An intent's answer; null when it was handed in and waits, because no controller runs. */
export async function handIn(door: Door, fleet: Fleet, operation: OperationName, input: unknown): Promise<unknown> {
  const intent = { id: newId(door), operation, input, by: whoOf(door), at: door.clock.now() };
  await putIntent(fleet.stateFolder, intent);
  if (!(await readHolder(fleet.stateFolder))) return null;
  const until = door.clock.monotonic() + ANSWER_MS_MAX;
  await using context = await openContext(door, fleet);
  while (door.clock.monotonic() < until && !door.signal.aborted) {
    const result = context.ledger ? await readIntentResult(context.ledger, intent.id) : undefined;
    if (result?.ok === false)
      throw new FleetError(result.error.code as FleetError['code'], result.error.message, {
        ...(result.error.hint ? { hint: result.error.hint } : {}),
      });
    if (result?.ok) return result.output;
    await door.clock.sleep(LOOK_MS, door.signal);
  }
  throw new FleetError(
    'time-limit',
    `handed in, but the controller has not answered within ${ANSWER_MS_MAX / 1000} s`,
    {
      hint: 'It is kept and will be obeyed; fleet status shows whether the controller is well.',
    },
  );
}

function whoOf(door: Door): string {
  return `cli:${door.env.USER ?? door.env.LOGNAME ?? 'unknown'}`;
}

/** For changes that make no sense to wait for: without a controller they are kept and said to be. */
export function noController(what: string): FleetError {
  return new FleetError('no-controller', `${what} is handed in and waits: no controller runs`, {
    hint: 'fleet start begins one.',
  });
}
