import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { openRig, type Rig } from '../rig/rig.ts';
import { describeWith } from '../support/capability.ts';
import { FAULTS } from './faults.ts';
import { countOf, statusOf, taskOf, untilStatus } from './person.ts';
import {
  aScene,
  checkRecords,
  onVictim,
  recordedTasks,
  runningOn,
  type Scene,
  settled,
  submitTo,
  type Times,
  untilRunning,
  watchStatus,
} from './scene.ts';

const RIG_MS_MAX = 600_000;
const FAULT_MS_MAX = 180_000;
const TASKS = 24;
const SECONDS = 3;

const shown = (times: Times) => JSON.stringify(times);

describeWith(['rig', 'tmux'], 'a fleet over SSH on which something is killed or unplugged', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ machines: [{ name: 'mugen', diskMiB: 64 }, { name: 'majin' }] });
  }, RIG_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  for (const { what, strike, mend, costs } of FAULTS) {
    it(
      `ends every task once, by its own evidence, when ${what}`,
      async (context) => {
        const scene = await aScene(context, rig);
        const tasks = recordedTasks(TASKS, SECONDS);
        await submitTo(scene, tasks);
        await untilRunning(scene, 6);
        const watching = watchStatus(scene, () => !scene.victim.isOn);
        const struckAt = Date.now();
        await strike(scene);
        await mend?.(scene);
        const times = await settled(scene, tasks, struckAt);
        process.stdout.write(`${what}: ${shown(times)}\n`);
        if (costs) expect(times.costs).toBeGreaterThanOrEqual(costs.least);
        if (costs) expect(times.costs).toBeLessThanOrEqual(costs.most);
        expect(await watching.stop()).toBeGreaterThan(0);
        await until('nothing of the tasks runs on', async () => (await sleepersOf(scene)) === '');
      },
      FAULT_MS_MAX,
    );
  }

  it(
    'works on unseen while its cable is out, says that it does not know, and tells all ends when it is back',
    async (context) => {
      const scene = await aScene(context, rig, { file: { tasks: { retries: 0 } } });
      const tasks = recordedTasks(12, 4);
      await submitTo(scene, tasks);
      await untilRunning(scene, 6);
      await scene.victim.cutLink();
      try {
        const status = await untilStatus(scene.fleet, 'it is unknown', (each) => each.nodes[1]?.state !== 'up');
        expect(status.agents.filter(({ node, state }) => node === 'mugen' && state !== 'unknown')).toEqual([]);
      } finally {
        await scene.victim.mendLink();
      }
      expect(await settled(scene, tasks, Date.now())).toMatchObject({ costs: 0 });
    },
    FAULT_MS_MAX,
  );

  it(
    'parks what runs on a machine that is gone for good, with exit 3, and a person’s word or its return settles it',
    async (context) => {
      const scene = await aScene(context, rig, { file: { lostAfter: '3s' } });
      const { fleet, victim } = scene;
      const tasks = recordedTasks(18, 15, 'gone');
      await submitTo(scene, tasks);
      const lost = (await untilRunning(scene, 12)).length;
      await victim.cutLink();
      try {
        await untilStatus(fleet, 'they are parked', (each) => countOf(each).parked === lost);
        const parked = (await fleet
          .ask(Results, 'wait', '--timeout', '90s', ...tasks.map(({ id }) => id))
          .catch((error: Error) => error.message)) as string;
        expect(parked).toContain('exit 3');
        const ids = tasks.map(({ id }) => id);
        const states = await Promise.all(ids.map(async (id) => (await taskOf(fleet, id))?.state));
        const [one = '', two = ''] = ids.filter((_, index) => states[index] === 'parked');
        expect((await taskOf(fleet, one))?.reason).toMatch(/mugen is not heard .*--assume-dead/);
        expect(await fleet.fleet('retry', one)).toMatchObject({ exit: 4 });
        expect(await fleet.fleet('retry', one, '--assume-dead')).toMatchObject({ exit: 0 });
        await until('it runs elsewhere', async () => (await taskOf(fleet, one))?.state === 'running');
        await victim.mendLink();
        await untilStatus(fleet, 'nothing is parked', (each) => !countOf(each).parked);
        expect((await taskOf(fleet, two))?.state).toMatch(/running|completed/);
        const results = await fleet.ask(Results, 'wait', ...ids);
        expect(results.tasks).toMatchObject({ total: 18, completed: 18 });
      } finally {
        await victim.mendLink();
      }
      await until('nothing of the tasks runs on', async () => (await sleepersOf(scene)) === '');
    },
    FAULT_MS_MAX,
  );

  it(
    'loses no end on a machine whose home is full, gives the work to others, and says why',
    async (context) => {
      const scene = await aScene(context, rig);
      const tasks = recordedTasks(TASKS, 2);
      await submitTo(scene, tasks);
      await untilRunning(scene, 6);
      await scene.victim.fillHome();
      try {
        await until('the node says so', async () =>
          (await statusOf(scene.fleet)).nodes.some(({ evidence }) => /no room/.test(evidence)),
        );
      } finally {
        await scene.victim.freeHome();
      }
      await settled(scene, tasks, Date.now());
    },
    FAULT_MS_MAX,
  );

  it(
    'obeys one controller only: one that was frozen while a copy of its ledger took the nodes over is refused by them',
    async (context) => {
      const scene = await aScene(context, rig);
      const { fleet, controller } = scene;
      const tasks = recordedTasks(18, 8);
      await submitTo(scene, tasks);
      await untilRunning(scene, 6);
      process.kill(await controllerPid(fleet), 'SIGSTOP');
      const copy = join(fleet.desk, 'copy');
      mkdirSync(copy, { mode: 0o700 });
      for (const file of readdirSync(fleet.state).filter((name) => name.startsWith('ledger.db')))
        copyFileSync(join(fleet.state, file), join(copy, file));
      const refused = fleet.begin(['start', '--home', copy]);
      expect((await refused.ended).exit).toBe(4);
      const other = fleet.begin(['start', '--home', copy, '--take-over']);
      await until('the other controller', () => other.said().err.includes('controller ready'));
      await delay(3000);
      process.kill(await controllerPid(fleet), 'SIGCONT');
      expect((await controller.ended).exit).toBe(4);
      const ids = tasks.map(({ id }) => id);
      const results = await fleet.ask(Results, 'wait', '--home', copy, ...ids);
      expect(results.tasks).toMatchObject({ total: 18, completed: 18 });
      expect(results.results.map(({ attempts }) => attempts)).toEqual(ids.map(() => 1));
      await checkRecords(scene, tasks);
      other.signal('SIGTERM');
      await other.ended;
    },
    FAULT_MS_MAX,
  );
});

/** The program itself, not the launcher before it. */
async function controllerPid(fleet: Scene['fleet']): Promise<number> {
  const { controller } = await statusOf(fleet);
  if (!controller) throw new Error('no controller');
  return controller.pid;
}

/** What tasks left behind on the victim and still runs. */
async function sleepersOf(scene: Scene): Promise<string> {
  if ((await runningOn(scene)).length > 0 && !scene.victim.isOn) return 'it is off';
  return onVictim(scene, 'pgrep -f "^sleep 300$" || :');
}
