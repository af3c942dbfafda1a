import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, type TestContext } from 'vitest';
import { openReader } from '../../controller/ledger/sqlite.ts';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import type { Machine, Rig } from '../rig/rig.ts';
import { type AfarDifference, aFleetAfar, type FleetAfar, linesOn, untilReady } from './afar.ts';
import { type Running, showOf, statusOf, tasksText } from './person.ts';

/** A fleet on machines of a rig, at work, while something goes wrong with it. */

export interface Scene {
  fleet: FleetAfar;
  /** Where it goes wrong. */
  victim: Machine;
  /** The controller that lives now. */
  controller: Running;
  /** All that the ledger recorded so far, oldest first. */
  events(): Promise<SceneEvent[]>;
}

export interface SceneEvent {
  /** Wall time in ms. */
  at: number;
  kind: string;
  task: string | null;
  attempt: string | null;
  node: string | null;
}

/** How long a fault went unnoticed, and until the work went on; null where nothing had to be noticed or done. */
export interface Times {
  seenMs: number | null;
  goneOnMs: number | null;
  /** Attempts beyond one for each task. */
  costs: number;
}

const READY_MS_MAX = 60_000;
/** Beside the home, which a test may fill; each fleet has its own. */
const RECORD = '/var/tmp/record-$FLEET_NAME';
const recordOf = ({ name }: FleetAfar) => `/var/tmp/record-${name}`;

export interface SceneDifference extends AfarDifference {
  /** Done before the controller begins. */
  before?: (fleet: FleetAfar) => Promise<void>;
}

export async function aScene(context: TestContext, rig: Rig, different: SceneDifference = {}): Promise<Scene> {
  const fleet = await aFleetAfar(context, rig, different);
  await different.before?.(fleet);
  const controller = await fleet.start();
  await untilReady(fleet, READY_MS_MAX);
  const [victim] = rig.machines;
  if (!victim) throw new Error('a scene needs a machine');
  for (const machine of rig.machines) await machine.exec(['install', '-m', '666', '/dev/null', recordOf(fleet)]);
  const events = async () => {
    const ledger = openReader(join(fleet.state, 'ledger.db'));
    if (!ledger) return [];
    try {
      return await ledger
        .selectFrom('event')
        .select(['at', 'kind', 'task', 'attempt', 'node'])
        .orderBy('seq')
        .execute();
    } finally {
      await ledger.destroy();
    }
  };
  return { fleet, victim, controller, events };
}

/** Each writes that it begins and that it ends, on its machine, and leaves a process behind that nobody asked for. */
export function recordedTasks(count: number, seconds: number, prefix = 'task') {
  return Array.from({ length: count }, (_, index) => {
    const id = `${prefix}-${String(index).padStart(2, '0')}`;
    const say = (what: string) => `echo "$FLEET_TASK $FLEET_ATTEMPT ${what} $(date +%s%N)" >> ${RECORD}`;
    return { id, run: `setsid sleep 300 & ${say('begin')}; sleep ${seconds}; ${say('end')}` };
  });
}

export async function submitTo({ fleet }: Scene, tasks: readonly { id: string; run: string }[]): Promise<void> {
  const said = await fleet.begin(['submit', '-'], { input: tasksText(tasks) }).ended;
  if (said.exit !== 0) throw new Error(`submit: exit ${said.exit}: ${said.err}`);
}

/** Attempts that write their record on the victim now, and have not ended there. */
async function runningOn({ victim, fleet }: Scene): Promise<string[]> {
  const lines = (await linesOn(victim, recordOf(fleet))).map((line) => line.split(' '));
  const ended = new Set(lines.filter(([, , what]) => what === 'end').map(([, attempt]) => attempt));
  return lines.flatMap(([, attempt = '', what]) => (what === 'begin' && !ended.has(attempt) ? [attempt] : []));
}

export async function untilRunning(scene: Scene, count: number): Promise<string[]> {
  return until(`${count} attempts run on ${scene.victim.name}`, async () => {
    const running = await runningOn(scene);
    return running.length >= count && running;
  });
}

/** Waits for the tasks and checks what was promised: each completed once, by one attempt that wrote its end. */
export async function settled(scene: Scene, tasks: readonly { id: string }[], struckAt: number): Promise<Times> {
  const { fleet } = scene;
  const results = await fleet.ask(Results, 'wait', ...tasks.map(({ id }) => id));
  expect(results.tasks).toMatchObject({ total: tasks.length, completed: tasks.length });
  await checkRecords(scene, tasks);
  for (const { task, attempts } of results.results.filter(({ attempts: tries }) => tries > 1)) {
    const { attempts: tried } = await showOf(fleet, task);
    const why = tried.map(({ verdict, message }) => `${verdict} (${message ?? ''})`);
    process.stdout.write(`  ${task}: ${attempts} attempts: ${why.toReversed().join(', ')}\n`);
  }
  const events = await scene.events();
  const after = events.filter(({ at }) => at >= struckAt);
  const mine = new Set(tasks.map(({ id }) => id));
  const again = after.filter(({ kind, task }) => kind === 'task_retried' && task !== null && mine.has(task));
  const [first] = again;
  const next = first && after.find(({ kind, at }) => kind === 'attempt_started' && at >= first.at);
  return {
    seenMs: first ? first.at - struckAt : null,
    goneOnMs: next ? next.at - struckAt : null,
    costs: results.results.reduce((sum, { attempts }) => sum + attempts - 1, 0),
  };
}

/** From the machines' own records: one end for each task, and no two attempts of a task at once. */
export async function checkRecords({ fleet }: Scene, tasks: readonly { id: string }[]): Promise<void> {
  const lines = (await Promise.all(fleet.rig.machines.map((machine) => linesOn(machine, recordOf(fleet))))).flat();
  const records = lines
    .map((line) => line.split(' '))
    .map(([task, attempt, what, at]) => ({ task, attempt, what, at }));
  for (const { id } of tasks) {
    const mine = records.filter(({ task }) => task === id).sort((a, b) => Number(a.at) - Number(b.at));
    expect(mine.filter(({ what }) => what === 'end').length, `ends of ${id}`).toBe(1);
    const attempts = mine.map(({ attempt }) => attempt);
    // Sorted by time, the lines of one attempt stand together: nothing of another in between.
    expect(attempts.filter((attempt, index) => attempt !== attempts[index - 1]).length, `${id} overlaps itself`).toBe(
      new Set(attempts).size,
    );
  }
}

/** Looks at the status all the time, until told to stop: it never claims what cannot be known. */
export function watchStatus({ fleet, victim }: Scene, isAway: () => boolean) {
  let isOver = false;
  let awaySince: number | undefined;
  const looking = (async () => {
    let looks = 0;
    while (!isOver) {
      const away = isAway();
      awaySince = away ? (awaySince ?? performance.now()) : undefined;
      const status = await statusOf(fleet);
      looks += 1;
      const node = status.nodes.find(({ name }) => name === victim.name);
      // 15 s of silence, a heartbeat of 5 s and the time of a look.
      if (away && isAway() && performance.now() - (awaySince ?? 0) > 25_000) expect(node?.state).not.toBe('up');
      await delay(300);
    }
    return looks;
  })();
  looking.catch(() => {});
  return {
    stop: async () => {
      isOver = true;
      return looking;
    },
  };
}

/** A bash script in the machine, as root, with the fleet's folder as $1. */
export async function onVictim({ victim, fleet }: Scene, script: string, ...rest: string[]): Promise<string> {
  const root = `${victim.home}/.miyabi/${fleet.name}`;
  const { code, stdout, stderr } = await victim.exec(['bash', '-c', script, 'fault', root, ...rest]);
  if (code !== 0) throw new Error(`${script}: ${code}: ${stderr}`);
  return stdout.trim();
}

/** What tasks left behind on the victim and still runs. */
export async function sleepersOf(scene: Scene): Promise<string> {
  return onVictim(scene, 'pgrep -f "^sleep 300$" || :');
}

/** Ends the controller without a word and begins another. */
export async function replaceController(scene: Scene): Promise<void> {
  scene.controller.signal('SIGKILL');
  await scene.controller.ended;
  scene.controller = await scene.fleet.start();
}
