import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Status } from '../../controller/operations/status.ts';
import { until } from '../rig/until.ts';
import type { Bench, Measured, Options, Part } from './bench.ts';
import { aFleet, type BenchFleet, cpuOfProcess, removeFleet, standing } from './fleet.ts';
import { AGENTS, cpuOf, type Ground } from './ground.ts';
import { INSPECTABLE, inspectorOf, standingMb } from './heap.ts';
import { rssOf } from './memory.ts';
import type { Begun } from './process.ts';
import { judge } from './verdicts.ts';

/** What a fleet costs while nothing happens. */

const MINUTES = Number(process.env.FLEET_BENCH_REST_MINUTES ?? 10);
/** Part of the time for agents that have no task at all. */
const IDLE_SHARE = 0.2;
/** Time after that in which the heap is watched: a forced collection costs a program its compiled code, which would be counted. */
const HEAP_SHARE = 0.2;
const LOOK_SECONDS = 10;
/** What the beginning left is done by then. */
const SETTLE_SECONDS = 30;
/** More on the heap at the end than at the beginning, each time after a collection: where there is no growth, noise. */
const GROWTH_MB_MAX = 1;

/** One look: what was used since the one before, in ms of CPU a second, and memory. */
interface Look {
  atSeconds: number;
  controller: number;
  machines: number;
  rssMb: number;
}

export const rest: Bench = {
  name: 'rest',
  title: `${AGENTS} quiet agents, ${MINUTES} minutes`,
  run: async (options) => {
    const ground = await options.ground();
    const minutes = options.isQuick ? 1 : MINUTES;
    const fleet = await aFleet(ground, { name: 'rest', controller: INSPECTABLE });
    const controller = await standing(fleet);
    try {
      await delay(SETTLE_SECONDS * 1000);
      const idle = await watch(ground, controller, minutes * IDLE_SHARE, options);
      await fleet.submit(
        Array.from({ length: AGENTS }, (_, index) => ({
          id: `rest-${index}`,
          run: 'exec sleep 36000',
          timeout: '10h',
        })),
      );
      await untilAllRun(fleet);
      await delay(SETTLE_SECONDS * 1000);
      const quiet = await watch(ground, controller, minutes, options);
      const grown = await growth(controller, minutes * HEAP_SHARE);
      return {
        parts: partsOf({ quiet, idle }),
        verdicts: verdictsOf(quiet, grown),
        raw: { ...rawOf(quiet), heapGrownMb: [grown] },
      };
    } finally {
      await removeFleet(fleet, controller);
    }
  },
};

async function untilAllRun(fleet: BenchFleet): Promise<void> {
  const isAll = async () => {
    const { out } = await fleet.call(['status', '--json']).ended;
    return Status.parse(JSON.parse(out)).tasks.running === AGENTS;
  };
  await until('all tasks run', isAll, 120_000);
}

async function growth(controller: Begun, minutes: number): Promise<number> {
  const inspector = await inspectorOf(controller);
  const before = await standingMb(inspector);
  await delay(minutes * 60_000);
  return (await standingMb(inspector)) - before;
}

async function watch(ground: Ground, { pid }: Begun, minutes: number, { say }: Options): Promise<readonly Look[]> {
  const looks: Look[] = [];
  const begun = performance.now();
  const used = async () => ({
    at: performance.now(),
    controller: await cpuOfProcess(pid),
    machines: await ourCpuMs(ground),
  });
  for (let before = await used(); performance.now() - begun < minutes * 60_000; ) {
    await delay(LOOK_SECONDS * 1000);
    const now = await used();
    const seconds = (now.at - before.at) / 1000;
    looks.push({
      atSeconds: (now.at - begun) / 1000,
      controller: (now.controller - before.controller) / seconds,
      machines: (now.machines - before.machines) / seconds,
      rssMb: await rssOf(pid),
    });
    before = now;
  }
  say(`  ${minutes.toFixed(1)} minutes: ${JSON.stringify(looks.at(-1))}`);
  return looks;
}

/** The fleet's user has nothing but the fleet's processes, its connection, its own systemd, and one shell that sleeps. */
async function ourCpuMs({ hosts }: Ground): Promise<number> {
  const all = await Promise.all(hosts.map(({ group }) => cpuOf(join(group, 'payload/user.slice/user-1000.slice'))));
  return all.reduce((sum, us) => sum + us, 0) / 1000;
}

type Looks = readonly Look[];

function partsOf({ quiet, idle }: { quiet: Looks; idle: Looks }): readonly Part[] {
  const part = (title: string, unit: string, field: keyof Look): Part => {
    const of = (name: string, what: string, looks: Looks): Measured => ({
      ...{ name, what, samples: looks.map((look) => ({ value: look[field] })) },
    });
    const measured = [
      of('quiet', 'each agent has a task that says nothing', quiet),
      of('idle', 'no agent has a task', idle),
    ];
    return { title, unit, measured };
  };
  return [
    part(`CPU of the controller, each ${LOOK_SECONDS} s`, 'ms a second', 'controller'),
    part('CPU of the fleet on all machines', 'ms a second', 'machines'),
    part('Memory of the controller (RSS)', 'MB', 'rssMb'),
  ];
}

function verdictsOf(looks: Looks, grown: number) {
  const mean = (field: keyof Look) => looks.reduce((sum, look) => sum + look[field], 0) / looks.length;
  return [
    judge('controller, of a core', mean('controller') / 1000, { atMost: 0.01 }, '%'),
    judge('controller, most memory', Math.max(...looks.map(({ rssMb }) => rssMb)), { atMost: 150 }, 'MB'),
    judge(
      `growth of its heap in ${(MINUTES * HEAP_SHARE).toFixed(1)} min more`,
      grown,
      { atMost: GROWTH_MB_MAX },
      'MB',
    ),
    judge('all machines, CPU a second', mean('machines'), { atMost: 50 }, 'ms'),
  ];
}

function rawOf(looks: Looks) {
  const round = (value: number) => Number(value.toFixed(3));
  return {
    atSeconds: looks.map(({ atSeconds }) => round(atSeconds)),
    rssMb: looks.map(({ rssMb }) => round(rssMb)),
    controllerCpuMs: looks.map(({ controller }) => round(controller)),
    machinesCpuMs: looks.map(({ machines }) => round(machines)),
  };
}
