import type { Fleet } from '../config/fleet.ts';
import { FleetError, toFleetError } from '../errors.ts';
import { readAgents } from '../ledger/read.ts';
import type { Machine } from '../machine.ts';
import { type Asking, checkInput, handIn, noController, openContext } from '../operations/ask.ts';
import { OPERATIONS } from '../operations/index.ts';
import type { Change, Look } from '../operations/operation.ts';
import type { Results } from '../operations/results.ts';
import type { Turns } from './turn.ts';

/** What the methods of one open fleet share. */
export interface Session {
  readonly machine: Machine;
  /** As it was opened, or as a reload of ours left it. */
  readonly fleet: Fleet;
  readonly turns: Turns;
  /** Where relative paths begin. */
  readonly cwd: string;
  /** Aborted by `close`. */
  readonly closing: AbortController;
}

/** Whatever fails, as a FleetError. */
export async function inOurWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toFleetError(error);
  }
}

export function refuseClosed({ closing }: Session): void {
  if (!closing.signal.aborted) return;
  throw new FleetError('unlawful', 'this fleet was closed', { hint: 'openFleet opens it again.' });
}

/** The caller's own limit, and the end of the session. */
export function limitOf({ closing }: Session, signal?: AbortSignal): AbortSignal {
  return signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
}

/** Throws when the caller's limit was reached. */
export function refuseLate(signal: AbortSignal | undefined, what: string): void {
  if (!signal?.aborted) return;
  const reason: unknown = signal.reason;
  throw new FleetError('time-limit', what, {
    hint: 'The tasks are kept, and what runs goes on: wait for them, or run them, again.',
    cause: reason,
  });
}

export function look<Input, Output>(session: Session, operation: Look<Input, Output>, input: unknown): Promise<Output> {
  return inOurWords(answer(session, operation, input));
}

async function answer<Input, Output>(
  session: Session,
  operation: Look<Input, Output>,
  input: unknown,
): Promise<Output> {
  refuseClosed(session);
  await using context = await openContext(session.machine, session.fleet);
  return operation.output.parse(await operation.run(context, checkInput(operation, input)));
}

export async function readResults(session: Session, tasks: readonly string[]): Promise<Results> {
  refuseClosed(session);
  await using context = await openContext(session.machine, session.fleet);
  const agents = context.ledger ? (await readAgents(context.ledger)).length : 0;
  return await OPERATIONS.results.run(context, checkInput(OPERATIONS.results, { tasks, agents: Math.max(1, agents) }));
}

export function askingOf(session: Session, signal?: AbortSignal): Asking {
  const { machine, fleet } = session;
  const { USER, LOGNAME } = machine.env;
  return { machine, fleet, by: `library:${USER ?? LOGNAME ?? 'unknown'}`, signal: limitOf(session, signal) };
}

export async function change<Input, Output>(
  session: Session,
  operation: Change<Input, Output>,
  input: unknown,
): Promise<Output> {
  refuseClosed(session);
  const output = await inOurWords(handIn(askingOf(session), operation, input));
  if (output === null) throw noController(operation.name);
  return output;
}
