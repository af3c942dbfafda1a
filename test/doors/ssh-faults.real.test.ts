import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, type TestContext } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { describeWith } from '../support/capability.ts';
import { aRigForAll, FAULT_MS_MAX, TASKS } from './faults.ts';
import { countOf, statusOf, taskOf, untilStatus } from './person.ts';
import {
  aScene,
  checkRecords,
  onVictim,
  recordedTasks,
  type Scene,
  settled,
  sleepersOf,
  submitTo,
  untilRunning,
} from './scene.ts';

/** How long a controller stands still while another takes over; longer in drills. */
const FROZEN_MS = Number(process.env.FLEET_FROZEN_SECONDS ?? 3) * 1000;

describeWith(['rig', 'tmux'], 'a fleet over SSH that loses its link, its room, its clock or its owner', () => {
  const rig = aRigForAll();

  it(
    'works on unseen while its cable is out, says that it does not know, and tells all ends when it is back',
    async (context) => {
      const scene = await aScene(context, rig(), { file: { tasks: { retries: 0 } } });
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
      const scene = await aScene(context, rig(), { file: { lostAfter: '3s' } });
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
      const scene = await aScene(context, rig());
      const tasks = recordedTasks(2 * TASKS, 2); // some are still to be given when there is no room
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
    'keeps its limits and loses nothing while the clock of the machine’s programs jumps back three hours and on by a day',
    async (context) => {
      const clock = '/var/tmp/clock';
      const victim = rig().machine('mugen');
      const jump = (by: string) => victim.exec(['sh', '-c', 'echo "$1" >"$2" && chmod 644 "$2"', 'jump', by, clock]);
      // The node program cleans its environment: what loads the clock stands in the place of its shell.
      const shell = [
        '#!/bin/sh',
        'export LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME_NO_CACHE=1',
        `export FAKETIME_TIMESTAMP_FILE=${clock} FAKETIME_DONT_FAKE_MONOTONIC=1`,
        'exec "/usr/bin/$(basename "$0")" "$@"',
      ];
      const lay =
        'mkdir -p /opt/clock; printf "%s\\n" "$2" >/opt/clock/bash; chmod 755 /opt/clock/bash; cp /opt/clock/bash /opt/clock/systemd-run; cp "$1" "$1.kept"';
      const first = 'printf "%s\\n" "PATH=/opt/clock:\\$PATH" | cat - "$1.kept" >"$1"';
      const profile = `${victim.home}/.bashrc`;
      await jump('+0');
      await victim.exec(['bash', '-c', `${lay}; ${first}`, 'clock', profile, shell.join('\n')]);
      try {
        const scene = await aScene(context, rig());
        const tasks = recordedTasks(TASKS, 4).map((task) => ({ ...task, timeout: '60s' }));
        const begunAt = Date.now();
        await submitTo(scene, tasks);
        await untilRunning(scene, 6);
        expect(
          await onVictim(
            scene,
            'tr "\\0" "\\n" <"/proc/$(head -1 "$1/serve.pid" | cut -d" " -f1)/environ" | grep -c LD_PRELOAD',
          ),
        ).toBe('1');
        await jump('-3h');
        await delay(2000);
        await jump('+1d');
        expect(await settled(scene, tasks, begunAt)).toMatchObject({ costs: 0 });
        const downs = (await scene.events()).filter(({ kind, at }) => kind === 'node_down' && at >= begunAt);
        expect(downs).toEqual([]);
      } finally {
        await victim.exec(['sh', '-c', 'mv "$1.kept" "$1"', 'clock', profile]);
      }
    },
    FAULT_MS_MAX,
  );

  it(
    'loses nothing when the disk of its ledger is full: it says so, and goes on when there is room and a controller again',
    async (context) => {
      const scene = await aScene(context, rig(), { before: (fleet) => mountSmall(context, fleet.state) });
      const { fleet } = scene;
      const tasks = recordedTasks(TASKS, 4);
      await submitTo(scene, tasks);
      await untilRunning(scene, 6);
      await fill(join(fleet.state, 'filler'));
      const said = await scene.controller.ended;
      expect(said).toMatchObject({ exit: 3, err: expect.stringMatching(/ledger cannot be written|No room|no room/) });
      rmSync(join(fleet.state, 'filler'));
      scene.controller = await fleet.start();
      expect(await settled(scene, tasks, Date.now())).toMatchObject({ costs: 0 });
    },
    FAULT_MS_MAX,
  );

  it(
    'obeys one controller only: one that was frozen while a copy of its ledger took the nodes over is refused by them',
    async (context) => {
      const scene = await aScene(context, rig());
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
      await delay(FROZEN_MS);
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

/** A file system of 4 MiB in the place of a folder; it goes with the test. */
async function mountSmall(context: TestContext, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  context.onTestFinished(() => void execFileSync('umount', ['-l', folder]));
}

/** Takes every byte that is left. */
async function fill(file: string): Promise<void> {
  for (const bytes of [65_536, 4096, 1])
    for (;;) {
      try {
        appendFileSync(file, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        break;
      }
    }
}

/** The program itself, not the launcher before it. */
async function controllerPid(fleet: Scene['fleet']): Promise<number> {
  const { controller } = await statusOf(fleet);
  if (!controller) throw new Error('no controller');
  return controller.pid;
}
