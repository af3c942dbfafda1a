import type { Sample, Variant } from './bench.ts';
import { aFleet, type BenchTask, cpuOfProcess, removeFleet, runJoined, standing } from './fleet.ts';
import { type Ground, type Host, share } from './ground.ts';
import { type Job, lackOf, type Peer } from './peers/peer.ts';
import { well } from './process.ts';

/** A number of equal tasks, done by the fleet or by a peer. */

export interface Work {
  /** Names its files and its fleet. */
  name: string;
  tasks: number;
  slots: number;
  /** The same shell words for everybody. */
  run: string;
  /** What is compared, of the milliseconds that so many tasks took. */
  score(ms: number, tasks: number): number;
}

function tasksOf({ name, tasks, run }: Work): readonly BenchTask[] {
  return Array.from({ length: tasks }, (_, index) => ({ id: `${name}-${index}`, run }));
}

/** Through a controller that stands: from spawning `fleet run` to its end. */
export function doneByUs(ground: Ground, work: Work): Variant {
  return {
    name: 'fleet',
    what: '`fleet run` through a controller that stands, its agents idle; from its spawning to its end',
    measure: async () => {
      const fleet = await aFleet(ground, { name: work.name, agents: work.slots });
      const file = await fleet.writeTasks('tasks.json', tasksOf(work));
      const controller = await standing(fleet);
      try {
        const before = { controller: await cpuOfProcess(controller.pid), machines: await ground.cpuUsed() };
        const { results, ms } = await runJoined(fleet, file);
        const controllerCpuMs = (await cpuOfProcess(controller.pid)) - before.controller;
        const machinesCpuMs = ((await ground.cpuUsed()) - before.machines) / 1000;
        const { value, detail } = sampleOf(work, ms, results.seconds);
        return { value, detail: { ...detail, controllerCpuMs, machinesCpuMs } };
      } finally {
        await removeFleet(fleet, controller);
      }
    },
  };
}

/** With nothing running before: `fleet run` is the controller, too. */
export function doneCold(ground: Ground, work: Work): Variant {
  return {
    name: 'fleet, cold',
    what: '`fleet run` with nothing running before: it starts the fleet, too',
    measure: async () => {
      const fleet = await aFleet(ground, { name: work.name, agents: work.slots });
      try {
        const { results, ms } = await runJoined(fleet, await fleet.writeTasks('tasks.json', tasksOf(work)));
        return sampleOf(work, ms, results.seconds);
      } finally {
        await removeFleet(fleet);
      }
    },
  };
}

/** Also from the first attempt's beginning to the last one's end, by the fleet's own record. */
function sampleOf({ score, tasks }: Work, ms: number, seconds: number): Sample {
  return { value: score(ms, tasks), detail: { ms, firstToLast: score(seconds * 1000, tasks) } };
}

/** By a peer, from its spawning to its end; `tasks` where it does only a part, because all would take long. */
export function doneBy(
  peer: Peer,
  ground: Ground,
  work: Work,
  { tasks = work.tasks, roundsMax = Infinity } = {},
): Variant {
  return {
    name: peer.name,
    what: tasks === work.tasks ? peer.what : `${peer.what}; ${tasks} of the ${work.tasks} tasks`,
    lack: lackOf(peer),
    roundsMax,
    measure: async () => {
      const before = await ground.cpuUsed();
      const begun = await peer.begin(ground, jobsOf(ground.hosts, { ...work, tasks }, peer.name !== 'xargs'));
      try {
        const { at } = await well(begun, peer.name);
        const ms = at - begun.at;
        const machinesCpuMs = ((await ground.cpuUsed()) - before) / 1000;
        return { value: work.score(ms, tasks), detail: { ms, machinesCpuMs } };
      } finally {
        await peer.tidy?.(ground);
      }
    },
  };
}

/** Tasks dealt out over as many slots; as lines for a shell, or as what is handed to one. */
function jobsOf(hosts: readonly Host[], { name, tasks, slots, run }: Work, isLine: boolean): readonly Job[] {
  const parts = share(slots, hosts.length);
  const places = hosts.flatMap((host, index) => Array.from({ length: parts[index] ?? 0 }, () => host));
  return Array.from({ length: tasks }, (_, index) => ({
    name: `${name}-${index}`,
    host: places[index % places.length] as Host,
    line: isLine ? `sh -c '${run}'` : run,
  }));
}
