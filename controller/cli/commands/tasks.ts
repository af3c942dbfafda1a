import { parseDuration } from '../../clock.ts';
import type { Fleet } from '../../config/fleet.ts';
import type { Flags } from '../../config/load.ts';
import { FleetError, printable } from '../../errors.ts';
import { obeyOnce } from '../../fleet/run.ts';
import { newId } from '../../fleet/world.ts';
import { listInbox } from '../../ledger/inbox.ts';
import { readHolder } from '../../ledger/lock.ts';
import { readAgents, readTasks } from '../../ledger/read.ts';
import type { Results } from '../../operations/results.ts';
import { results } from '../../operations/results.ts';
import type { Plan } from '../../task/plan-file.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { followTasks } from '../follow.ts';
import { handIn, noController } from '../hand-in.ts';
import { reportText } from '../report.ts';
import { openContext, readFleet } from '../session.ts';
import { counted } from '../words.ts';
import { control, obey } from './control.ts';
import { placeReports, writeReports } from './report.ts';
import { printLayers, readPlan, sayKnown } from './submit.ts';

const LOOK_MS = 100;
const HOLDER_LOOK_MS = 2000;

export interface RunOptions extends GlobalOptions {
  json?: boolean;
  agents?: string;
  kind?: string;
  timeout?: string;
  dryRun?: boolean;
  quiet?: boolean;
  report?: string[];
}

/** `fleet run FILE…`: hands in and waits; is the controller itself when there is none. */
export async function runTasks(door: Door, files: readonly string[], options: RunOptions): Promise<number> {
  const flags: Flags = { agents: options.agents, kind: options.kind };
  const readAgain = () => readFleet(door, options, flags);
  const fleet = await readAgain();
  if (options.timeout !== undefined) secondsOf(options.timeout); // refused before anything is handed in
  await placeReports(door, options.report ?? []); // this, too
  const plan = await readPlan(door, files);
  if (options.dryRun) return printLayers(door, plan);
  return (await readHolder(fleet.stateFolder))
    ? runJoined(door, fleet, plan, options)
    : runAlone(door, fleet, plan, options, readAgain);
}

async function runJoined(door: Door, fleet: Fleet, plan: Plan, options: RunOptions): Promise<number> {
  const ids = plan.tasks.map(({ id }) => id);
  const answer = await handIn(door, fleet, 'submit', { tasks: plan.tasks });
  if (answer === null) throw noController('submit');
  sayKnown(door, answer);
  door.say(`${counted(ids.length, 'task')} handed in to the controller that runs; Ctrl-C leaves them running.`);
  return waitFor(door, fleet, ids, options);
}

/** Is the controller of a fleet put together by the caller, until the plan's tasks are settled; then reports. */
export function runPlan(
  door: Door,
  fleet: Fleet,
  plan: Plan,
  options: RunOptions & { farewell: string },
): Promise<number> {
  return runAlone(door, fleet, plan, options, async () => fleet);
}

async function runAlone(
  door: Door,
  fleet: Fleet,
  plan: Plan,
  options: RunOptions & { farewell?: string },
  readAgain: () => Promise<Fleet>,
): Promise<number> {
  const ids = plan.tasks.map(({ id }) => id);
  const over = new AbortController();
  const limit = options.timeout === undefined ? undefined : secondsOf(options.timeout);
  if (limit !== undefined) void door.clock.sleep(limit * 1000, over.signal).then(() => over.abort());
  let follower: ReturnType<typeof followTasks> | undefined;
  const how = await control(door, {
    fleet,
    takeOver: false,
    readAgain,
    signal: AbortSignal.any([door.signal, over.signal]),
    onReady: async (controller) => {
      follower = followTasks(door, controller.ledger, ids, options.quiet ?? options.json ?? false);
      await follower.look();
    },
    isDone: async (controller) => {
      await submitOnce(door, controller, plan, readAgain);
      return (await follower?.look()) ?? false;
    },
  });
  over.abort();
  if (how === 'stopped' && door.signal.aborted) {
    door.say(
      options.farewell ??
        'Interrupted: what runs goes on, what waits is kept. fleet start, or fleet run with the same files, goes on.',
    );
    return door.signalExit();
  }
  const exit = await report(door, fleet, ids, options);
  if (how === 'terminated')
    throw new FleetError('unlawful', 'the fleet was stopped before all tasks ended', {
      hint: 'What was accepted is kept: fleet start goes on with it.',
    });
  if (how === 'stopped')
    throw new FleetError('time-limit', `not all tasks ended within ${options.timeout}`, {
      hint: 'They are kept: fleet start goes on with them.',
    });
  return exit;
}

const submitted = new WeakSet<Plan>();

/** After the first look, so that the fleet is INITIALIZING when the tasks come, as behind every other door. */
async function submitOnce(
  door: Door,
  controller: Parameters<typeof obey>[1],
  plan: Plan,
  readAgain: () => Promise<Fleet>,
): Promise<void> {
  if (submitted.has(plan)) return;
  submitted.add(plan);
  const intent = {
    id: newId(door),
    operation: 'submit',
    input: { tasks: plan.tasks },
    by: 'cli',
    at: door.clock.now(),
  };
  const result = await obeyOnce(
    { world: controller.world, obey: (each, world) => obey(door, controller, each, world, readAgain) },
    intent,
  );
  if (!result.ok)
    throw new FleetError(result.error.code as FleetError['code'], result.error.message, {
      ...(result.error.hint ? { hint: result.error.hint } : {}),
    });
  sayKnown(door, result.output);
}

export interface WaitOptions extends GlobalOptions {
  json?: boolean;
  timeout?: string;
  quiet?: boolean;
  report?: string[];
}

/** `fleet wait [TASK…]`: until they are settled; all that are not, where none is named. */
export async function waitTasks(door: Door, tasks: readonly string[], options: WaitOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  if (tasks.length > 0) await refuseUnknown(door, fleet, tasks);
  return waitFor(door, fleet, tasks.length > 0 ? [...new Set(tasks)] : await openTasks(door, fleet), options);
}

/** Nobody knows them, and nothing is handed in that could bring them: they would be waited for in vain. */
async function refuseUnknown(door: Door, fleet: Fleet, ids: readonly string[]): Promise<void> {
  if ((await listInbox(fleet.stateFolder)).length > 0) return;
  await using context = await openContext(door, fleet);
  const found = context.ledger ? await readTasks(context.ledger, { ids, limit: 100_000 }) : [];
  const known = new Set(found.map(({ id }) => id));
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length > 0)
    throw new FleetError('not-found', `no such task: ${unknown.slice(0, 10).join(', ')}`, {
      hint: 'fleet list tasks shows what there is.',
    });
}

async function openTasks(door: Door, fleet: Fleet): Promise<string[]> {
  await using context = await openContext(door, fleet);
  const rows = await context.ledger
    ?.selectFrom('task')
    .select('id')
    .where('state', 'in', ['queued', 'blocked', 'running'])
    .limit(100_000)
    .execute();
  return (rows ?? []).map(({ id }) => id);
}

async function waitFor(door: Door, fleet: Fleet, ids: readonly string[], options: WaitOptions): Promise<number> {
  await using context = await openContext(door, fleet);
  const { ledger } = context;
  if (!ledger)
    throw new FleetError('not-found', 'nothing was ever started or submitted here', {
      hint: 'fleet run FILE or fleet submit FILE hands tasks in.',
    });
  const tellController = controllerTeller(door, fleet);
  const follower = followTasks(door, ledger, ids, options.quiet ?? options.json ?? false);
  const until =
    options.timeout === undefined
      ? Number.POSITIVE_INFINITY
      : door.clock.monotonic() + secondsOf(options.timeout) * 1000;
  while (!(await follower.look())) {
    await tellController();
    if (door.signal.aborted) return door.signalExit();
    if (door.clock.monotonic() > until)
      throw new FleetError('time-limit', `not all ended within ${options.timeout}`, {
        hint: 'They go on; fleet wait waits for them again.',
      });
    await door.clock.sleep(LOOK_MS, door.signal);
  }
  return await report(door, fleet, ids, options);
}

/** Says when there is no controller, and when there is one again: without one it would be waited for in vain. */
function controllerTeller(door: Door, fleet: Fleet): () => Promise<void> {
  let isThere = true;
  let lookAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (door.clock.monotonic() < lookAt) return;
    lookAt = door.clock.monotonic() + HOLDER_LOOK_MS;
    const before = isThere;
    isThere = (await readHolder(fleet.stateFolder)) !== null;
    if (isThere === before) return;
    door.say(isThere ? 'A controller runs again.' : 'No controller runs: nothing begins or ends until fleet start.');
  };
}

function secondsOf(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined)
    throw new FleetError('usage', `--timeout ${text}: expected a duration such as 90s, 30m or 2h`);
  return seconds;
}

async function report(
  door: Door,
  fleet: Fleet,
  ids: readonly string[],
  options: { json?: boolean; farewell?: string; report?: string[] },
): Promise<number> {
  const outcome = await readResults(door, fleet, ids);
  door.live('');
  if (options.json) door.out(`${JSON.stringify(outcome)}\n`);
  else door.out(`${reportText(door, outcome)}\n`);
  if (options.farewell === undefined) tellNext(door, outcome); // a rehearsal leaves nothing to try again
  const known = outcome.results.map(({ task }) => task);
  return keepReports(door, fleet, known, options.report ?? [], exitOf(outcome));
}

/** The tasks are over, whatever becomes of a file: one that cannot be written is told, and fails only what went well. */
async function keepReports(
  door: Door,
  fleet: Fleet,
  tasks: readonly string[],
  files: readonly string[],
  exit: number,
): Promise<number> {
  try {
    await writeReports(door, fleet, tasks, files);
    return exit;
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    door.say(`fleet: ${printable(error.message)}${error.hint === undefined ? '' : `\n  → ${error.hint}`}`);
    return exit === 0 ? error.exit : exit;
  }
}

export async function readResults(door: Door, fleet: Fleet, ids: readonly string[]): Promise<Results> {
  await using context = await openContext(door, fleet);
  const agents = context.ledger ? (await readAgents(context.ledger)).length : 0;
  return await results.run(context, { tasks: [...ids], agents: Math.max(1, agents) });
}

/** What did not complete is not begun again by itself, also when it is handed in again. */
function tellNext(door: Door, { results: all }: Results): void {
  const over = all.find(({ state }) => state === 'failed' || state === 'parked' || state === 'cancelled');
  if (over) door.say(`fleet show ${over.task} tells more; fleet retry ${over.task} tries it again.`);
}

/** 0 all done, 1 something failed or was cancelled, 3 something is parked or open. */
export function exitOf({ tasks }: Results): number {
  if (tasks.failed + tasks.cancelled > 0) return 1;
  return tasks.completed === tasks.total ? 0 : 3;
}
