import type { z } from 'zod';
import type { Fleet } from '../config/fleet.ts';
import { FleetError } from '../errors.ts';
import { ledgerPath } from '../fleet/controller.ts';
import { newId } from '../fleet/world.ts';
import { putIntent } from '../ledger/inbox.ts';
import { readHolder } from '../ledger/lock.ts';
import { readIntentResult } from '../ledger/sights.ts';
import { openReader } from '../ledger/sqlite.ts';
import type { IntentResult } from '../ledger/view.ts';
import type { Machine } from '../machine.ts';
import type { Change, Context } from './operation.ts';

/** How a door asks: it reads the ledger itself, and hands in what is to change. */

const ANSWER_MS_MAX = 15_000;
const LOOK_MS = 20;

/** For readers: never writes, never migrates; `ledger` is null where there is none yet. */
export async function openContext({ clock }: Pick<Machine, 'clock'>, fleet: Fleet): Promise<Context & AsyncDisposable> {
  const ledger = openReader(ledgerPath(fleet));
  return { fleet, now: clock.now(), ledger, [Symbol.asyncDispose]: async () => ledger?.destroy() };
}

/** Input as an operation's schema wants it. Throws `usage`, naming every problem. */
export function checkInput<Input>({ name, input: schema }: { name: string; input: z.ZodType<Input> }, input: unknown) {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => [...path.map(String), message].join(': '));
  throw new FleetError('usage', `${name}: ${problems.slice(0, 20).join('; ')}`);
}

export interface Asking {
  machine: Machine;
  fleet: Fleet;
  /** Who asks, for the record: `cli:me`. */
  by: string;
  signal: AbortSignal;
}

/**
 * Hands in a change. Gives its answer, or null when it waits because no controller runs. Throws what it was refused
 * with, and `time-limit` when no answer comes: it is kept all the same.
 */
export async function handIn<Input, Output>(
  { machine, fleet, by, signal }: Asking,
  change: Change<Input, Output>,
  input: unknown,
): Promise<Output | null> {
  const { clock } = machine;
  const wish = { id: newId(machine), operation: change.name, input: checkInput(change, input), by, at: clock.now() };
  await putIntent(fleet.stateFolder, wish);
  if (!(await readHolder(fleet.stateFolder))) return null;
  const until = clock.monotonic() + ANSWER_MS_MAX;
  while (clock.monotonic() < until && !signal.aborted) {
    await using context = await openContext(machine, fleet); // anew: a controller that begins may have no ledger yet
    const result = context.ledger ? await readIntentResult(context.ledger, wish.id) : undefined;
    if (result) return change.output.parse(outputOf(result));
    await clock.sleep(LOOK_MS, signal);
  }
  throw new FleetError(
    'time-limit',
    `handed in, but the controller has not answered${signal.aborted ? ' yet' : ` within ${ANSWER_MS_MAX / 1000} s`}`,
    { hint: 'It is kept and will be obeyed; fleet doctor tells whether the controller is well.' },
  );
}

/** What an intent was answered; throws what it was refused with. */
function outputOf(result: IntentResult): unknown {
  if (result.ok) return result.output;
  const { code, message, hint } = result.error;
  throw new FleetError(code as FleetError['code'], message, hint === null ? {} : { hint });
}

/** For changes that make no sense to wait for: without a controller they are kept and said to be. */
export function noController(what: string): FleetError {
  return new FleetError('no-controller', `${what} is handed in and waits: no controller runs`, {
    hint: 'fleet start begins one.',
  });
}
