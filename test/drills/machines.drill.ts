import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../bootstrap/ground.ts';
import { FAULTS, suffer } from '../doors/faults.ts';
import { countOf, untilStatus } from '../doors/person.ts';
import {
  aScene,
  recordedTasks,
  replaceController,
  type Scene,
  settled,
  submitTo,
  type Times,
  untilRunning,
  watchStatus,
} from '../doors/scene.ts';
import { openRig, type Rig } from '../rig/rig.ts';
import { addDrills, type Drilled } from './record.ts';

const TIMES = Number(process.env.FLEET_DRILL_TIMES ?? 5);
const DRILL_MS_MAX = 1_800_000;
const KILLS = 60;

describe('drills', () => {
  let rig: Rig;
  const drilled: Drilled[] = [];
  let failures = 0;
  beforeAll(async () => {
    rig = await openRig({ machines: [{ name: 'mugen', diskMiB: 64 }, { name: 'majin' }] });
  }, DRILL_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
    if (failures === 0) addDrills(drilled);
  });

  const drill = (what: string, run: (scene: Scene) => Promise<Omit<Drilled, 'what'>>) =>
    it(
      what,
      async (context) => {
        failures += 1;
        const result = { what, ...(await run(await aScene(context, rig))) };
        process.stdout.write(`${JSON.stringify(result)}\n`);
        drilled.push(result);
        failures -= 1;
      },
      DRILL_MS_MAX,
    );

  for (const fault of FAULTS)
    drill(fault.what, async (scene) => {
      const times: Times[] = [];
      for (let round = 0; round < TIMES; round += 1)
        times.push(await suffer(scene, fault, recordedTasks(24, 3, `r${round}`)));
      return { times };
    });

  drill(`the controller is killed at ${KILLS} random instants during 60 tasks`, async (scene) => {
    const tasks = recordedTasks(60, 2);
    await submitTo(scene, tasks);
    const struckAt = Date.now();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await delay(Math.random() * 700);
      await replaceController(scene);
    }
    return { times: [await settled(scene, tasks, struckAt)], note: `${KILLS} controllers` };
  });

  drill('the link is cut for 30 s', async (scene) => {
    const tasks = recordedTasks(24, 10);
    await submitTo(scene, tasks);
    await untilRunning(scene, 6);
    let isCut = true;
    const watching = watchStatus(scene, () => isCut);
    await scene.victim.cutLink();
    await delay(30_000);
    await scene.victim.mendLink();
    isCut = false;
    const mendedAt = Date.now();
    const times = await settled(scene, tasks, mendedAt);
    await watching.stop();
    return { times: [times], note: `all done ${((Date.now() - mendedAt) / 1000).toFixed(1)} s after it was mended` };
  });

  drill('the machine loses its power for 60 s', async (scene) => {
    const tasks = recordedTasks(24, 5);
    await submitTo(scene, tasks);
    await untilRunning(scene, 6);
    const watching = watchStatus(scene, () => !scene.victim.isOn);
    await scene.victim.powerCut();
    await delay(60_000);
    const struckAt = Date.now();
    await scene.victim.powerOn();
    const times = await settled(scene, tasks, struckAt);
    await watching.stop();
    return { times: [times], note: 'from power on' };
  });
});

describe('200 agents over four machines', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ machines: Array.from({ length: 4 }, (_, index) => ({ name: `n${index + 1}` })) });
  }, DRILL_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it(
    'take up new work less than 3 s after their controller was begun anew, while 190 go on with theirs',
    async (context) => {
      const nodes = rig.machines.map(({ name }) => ({
        ...{ name, ssh: { host: name, config: rig.sshConfig }, vcpu: 50, memoryGiB: 100 },
      }));
      const scene = await aScene(context, rig, { file: { nodes, agents: { count: 200, kind: 'command' } } });
      const tasks = recordedTasks(190, 60, 'old');
      await submitTo(scene, tasks);
      await untilStatus(scene.fleet, 'all run', (status) => countOf(status).running === 190, 120_000);
      scene.controller.signal('SIGKILL');
      await scene.controller.ended;
      const later = recordedTasks(1, 0, 'new');
      await submitTo(scene, later);
      const begunAt = Date.now();
      scene.controller = scene.fleet.begin(['start']);
      const started = await until('the new task begins', async () =>
        (await scene.events()).find(({ kind, task }) => kind === 'attempt_started' && task === later[0]?.id),
      );
      const times = { seenMs: null, goneOnMs: started.at - begunAt, costs: 0 };
      process.stdout.write(`${JSON.stringify(times)}\n`);
      addDrills([
        { what: 'the controller of 200 agents is killed; another begins, and takes up new work', times: [times] },
      ]);
      expect(times.goneOnMs).toBeLessThan(3000);
      expect(await settled(scene, tasks, begunAt)).toMatchObject({ costs: 0 });
    },
    DRILL_MS_MAX,
  );
});
