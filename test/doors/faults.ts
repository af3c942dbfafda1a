import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRig, RIG_MS_MAX, type Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import {
  aScene,
  onVictim,
  recordedTasks,
  replaceController,
  type Scene,
  settled,
  sleepersOf,
  submitTo,
  type Times,
  untilRunning,
  watchStatus,
} from './scene.ts';

/** Something that goes wrong on the victim while it works; the work goes on by itself. */
interface Fault {
  what: string;
  strike(scene: Scene): Promise<unknown>;
  /** What a person does about it. */
  mend?(scene: Scene): Promise<unknown>;
  /** How many attempts it must cost; any where absent. */
  costs?: { least: number; most: number };
}

/** Kills the process whose id stands first in a file of the fleet's folder, `-9`. */
const killIn = (file: string) => (scene: Scene) => onVictim(scene, `read -r pid _ <"$1"/${file} && kill -9 "$pid"`);

/** Kills what stands on a line of the files of attempts that have not ended, `-9`. */
const killOf = (part: 'tool' | 'worker', most: number) => (scene: Scene) =>
  onVictim(
    scene,
    `cd "$1"; n=0; for file in open/*; do
       read -r attempt _ <"$file"; [ -n "$attempt" ] && [ -z "$(sed -n '4s/ //gp' "attempts/$attempt")" ] || continue
       pid=$(sed -n "$3" "attempts/$attempt"); pid=\${pid#worker }
       [ "$n" -lt "$2" ] && kill -9 "\${pid%% *}" && n=$((n + 1)); done 2>/dev/null; [ "$n" -gt 0 ]`,
    String(most),
    part === 'tool' ? '2p' : '5p',
  );

const journalIs = (script: string) => (scene: Scene) => onVictim(scene, `cd "$1" && ${script}`);
const NONE = { least: 0, most: 0 };

/** Something of the fleet is killed. Each costs at most the attempts that it kills, and no task. */
export const KILLS: readonly Fault[] = [
  { what: 'a tool is killed', strike: killOf('tool', 1), costs: { least: 1, most: 1 } },
  { what: 'a worker is killed', strike: killOf('worker', 1), costs: { least: 1, most: 1 } },
  { what: 'all workers are killed', strike: killOf('worker', 100), costs: { least: 1, most: 12 } },
  { what: 'the sweep is killed', strike: killIn('sweep.pid'), costs: NONE },
  { what: 'the node’s side of the connection is killed', strike: killIn('serve.pid'), costs: NONE },
  {
    what: 'the tmux server is killed',
    strike: (scene) =>
      onVictim(
        scene,
        // One that was killed before may not be back yet.
        `for try in {1..100}; do pid=$(tmux -S "$1/tmux.sock" display-message -p "#{pid}" 2>/dev/null) && break; sleep 0.2; done
         kill -9 "$pid"`,
      ),
    costs: NONE,
  },
  { what: 'every SSH connection is killed', strike: ({ victim }) => victim.killSshd('sessions'), costs: NONE },
  { what: 'the SSH server is killed', strike: ({ victim }) => victim.killSshd('server'), costs: NONE },
  { what: 'the controller is killed', strike: replaceController, costs: NONE },
];

/** The machine goes away, or what it keeps is spoilt. */
export const LOSSES: readonly Fault[] = [
  { what: 'the machine reboots', strike: ({ victim }) => victim.reboot(), costs: { least: 1, most: 12 } },
  {
    what: 'the machine loses its power',
    strike: ({ victim }) => victim.powerCut(),
    mend: ({ victim }) => victim.powerOn(),
    costs: { least: 1, most: 12 },
  },
  { what: 'the journal is torn', strike: journalIs('truncate -s -20 journal'), costs: NONE },
  { what: 'the journal is doubled', strike: journalIs('cat journal > j && cat j >> journal'), costs: NONE },
  { what: 'the journal is emptied', strike: journalIs('truncate -s 0 journal'), costs: NONE },
  {
    what: 'the journal is replaced by another',
    strike: journalIs('head -c 300 /dev/urandom > j && mv j journal'),
    costs: NONE,
  },
];

export const FAULTS: readonly Fault[] = [...KILLS, ...LOSSES];

export const FAULT_MS_MAX = 180_000;
/** One for each agent. */
export const TASKS = 18;
const SECONDS = 3;

/** Two machines for the tests of a suite; the first is where it goes wrong. */
export function aRigForAll(): () => Rig {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ machines: [{ name: 'mugen', diskMiB: 64 }, { name: 'majin' }] });
  }, RIG_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });
  return () => rig;
}

/** A test for each: the fault falls while tasks are at work. */
export function endsEveryTask(faults: readonly Fault[], rig: () => Rig): void {
  for (const fault of faults) {
    const { what } = fault;
    it(
      `ends every task once, by its own evidence, when ${what}`,
      async (context) => {
        const scene = await aScene(context, rig());
        const times = await suffer(scene, fault, recordedTasks(TASKS, SECONDS));
        process.stdout.write(`${what}: ${JSON.stringify(times)}\n`);
        await until('nothing of the tasks runs on', async () => (await sleepersOf(scene)) === '');
      },
      FAULT_MS_MAX,
    );
  }
}

/** The fault falls while these tasks are at work; every promise is checked, and what it may cost. */
export async function suffer(
  scene: Scene,
  { strike, mend, costs }: Fault,
  tasks: readonly { id: string; run: string }[],
): Promise<Times> {
  await submitTo(scene, tasks);
  await untilRunning(scene, 6);
  const watching = watchStatus(scene, () => !scene.victim.isOn);
  try {
    const struckAt = Date.now();
    await strike(scene);
    await mend?.(scene);
    const times = await settled(scene, tasks, struckAt);
    expect(times.costs).toBeGreaterThanOrEqual(costs?.least ?? 0);
    expect(times.costs).toBeLessThanOrEqual(costs?.most ?? tasks.length);
    return times;
  } finally {
    expect(await watching.stop()).toBeGreaterThan(0);
  }
}
