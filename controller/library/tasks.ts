import { FleetError } from '../errors.ts';
import { listInbox } from '../ledger/inbox.ts';
import { readHolder } from '../ledger/lock.ts';
import { handIn, openContext } from '../operations/ask.ts';
import { readTasksNamed } from '../operations/history.ts';
import { OPERATIONS } from '../operations/index.ts';
import type { Results } from '../operations/results.ts';
import { refuseUnknownKinds } from '../operations/submit.ts';
import type { Submitted, Tasks, WaitOptions } from './fleet.ts';
import { readTasks } from './given.ts';
import { askingOf, change, limitOf, readResults, refuseClosed, refuseLate, type Session } from './session.ts';
import { untilSettled } from './settled.ts';
import type { Seat } from './turn.ts';

/** Handing tasks in and waiting for them. */

const LOOK_MS = 100;
const TASKS_MAX = 100_000;

export async function runTasks(session: Session, tasks: Tasks, { signal }: WaitOptions): Promise<Results> {
  refuseClosed(session);
  const planned = await readTasks(tasks, session.cwd);
  const ids = planned.map(({ id }) => id);
  if (ids.length === 0) return readResults(session, ids);
  refuseLate(signal, 'nothing was handed in: the time was up before');
  let seat = await takeSeat(session);
  try {
    await handIn(askingOf(session, signal), OPERATIONS.submit, { tasks: planned });
    await settle(session, ids, signal, async () => {
      seat = await takeSeat(session);
    });
    return await readResults(session, ids);
  } finally {
    await seat?.leave();
  }
}

/** A seat in this process's turn as the controller; undefined while another process is the controller. */
async function takeSeat(session: Session): Promise<Seat | undefined> {
  const { turns, fleet } = session;
  if (!turns.isOn && (await readHolder(fleet.stateFolder))) return undefined;
  refuseClosed(session);
  try {
    return await turns.join();
  } catch (error) {
    if (error instanceof FleetError && error.code === 'locked') return undefined; // another was quicker
    throw error;
  }
}

export async function submitTasks(session: Session, tasks: Tasks): Promise<Submitted> {
  refuseClosed(session);
  const planned = await readTasks(tasks, session.cwd);
  const nothing = { accepted: [], known: [], waiting: [] };
  if (planned.length === 0) return nothing;
  if (!(await readHolder(session.fleet.stateFolder))) refuseUnknownKinds(planned, session.fleet);
  const answer = await handIn(askingOf(session), OPERATIONS.submit, { tasks: planned });
  return answer === null ? { ...nothing, waiting: planned.map(({ id }) => id) } : { ...answer, waiting: [] };
}

export async function waitTasks(
  session: Session,
  tasks: readonly string[] | undefined,
  { signal }: WaitOptions,
): Promise<Results> {
  refuseClosed(session);
  if (tasks) await refuseUnknown(session, tasks);
  const ids = tasks ?? (await openTasks(session));
  await settle(session, ids, signal, async () => {
    throw new FleetError('no-controller', 'no controller runs: nothing begins or ends', {
      hint: 'fleet start begins one; so do start() and run().',
    });
  });
  return readResults(session, ids);
}

function settle(
  session: Session,
  ids: readonly string[],
  signal: AbortSignal | undefined,
  onAway: () => Promise<void>,
): Promise<void> {
  const { machine, fleet, turns } = session;
  const check = () => {
    turns.check();
    refuseClosed(session);
    refuseLate(signal, 'not all tasks ended within the time allowed');
  };
  return untilSettled({ machine, fleet, ids, check, onAway, signal: limitOf(session, signal) });
}

/** Nobody knows them, and nothing is handed in that could bring them: they would be waited for in vain. */
async function refuseUnknown({ machine, fleet }: Session, ids: readonly string[]): Promise<void> {
  if ((await listInbox(fleet.stateFolder)).length > 0) return;
  await using context = await openContext(machine, fleet);
  const found = context.ledger ? await readTasksNamed(context.ledger, ids) : [];
  const known = new Set(found.map(({ id }) => id));
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length > 0)
    throw new FleetError('not-found', `no such task: ${unknown.slice(0, 10).join(', ')}`, {
      hint: "list('tasks') gives what there is.",
    });
}

async function openTasks({ machine, fleet }: Session): Promise<string[]> {
  await using context = await openContext(machine, fleet);
  const rows = await context.ledger
    ?.selectFrom('task')
    .select('id')
    .where('state', 'in', ['queued', 'blocked', 'running'])
    .limit(TASKS_MAX)
    .execute();
  return (rows ?? []).map(({ id }) => id);
}

export async function stopFleet(session: Session, mode: 'drain' | 'now', { signal }: WaitOptions): Promise<void> {
  refuseClosed(session);
  const { machine, fleet } = session;
  const holder = await readHolder(fleet.stateFolder);
  if (!holder)
    throw new FleetError('no-controller', 'no controller runs: there is nothing to stop', {
      hint: 'What was left running on nodes is taken up by the next controller.',
    });
  await change(session, OPERATIONS.stop, { mode, since: holder.since });
  while ((await readHolder(fleet.stateFolder))?.since === holder.since) {
    refuseClosed(session);
    refuseLate(signal, 'the controller has not ended within the time allowed');
    await machine.clock.sleep(LOOK_MS, limitOf(session, signal));
  }
}
