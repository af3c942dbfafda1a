import type { Fleet } from '../config/fleet.ts';
import { handIn as handInTo } from '../operations/ask.ts';
import { OPERATIONS, type OperationName } from '../operations/index.ts';
import type { Change } from '../operations/operation.ts';
import type { Door } from './door.ts';

export { noController } from '../operations/ask.ts';

/** An intent's answer; null when it was handed in and waits, because no controller runs. */
export function handIn(door: Door, fleet: Fleet, operation: OperationName, input: unknown): Promise<unknown> {
  const by = `cli:${door.env.USER ?? door.env.LOGNAME ?? 'unknown'}`;
  const change = OPERATIONS[operation] as unknown as Change<unknown, unknown>;
  return handInTo({ machine: door, fleet, by, signal: door.signal }, change, input);
}
