import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Results } from '../../controller/operations/results.ts';
import { Status } from '../../controller/operations/status.ts';
import { until } from '../rig/until.ts';
import { ROOT } from '../support/sources.ts';
import { AGENTS, execAll, type Ground, type Host } from './ground.ts';
import { type Begun, begin, type Ended, well } from './process.ts';

/** The fleet as people have it: `bin/fleet` called as a program, a fleet file on a desk, machines over SSH. */

export const FLEET = join(ROOT, 'bin/fleet');
const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 30_000;

export interface FleetOrder {
  name: string;
  agents?: number;
  hosts?: readonly Host[];
  /** Instead of the ground's, for whoever reaches the hosts another way. */
  sshConfig?: string;
  /** Fields of the fleet file, over the usual ones. */
  file?: Readonly<Record<string, unknown>>;
  /** Words that become the controller; `bin/fleet start` where absent. */
  controller?: readonly string[];
}

export interface BenchTask {
  id: string;
  [field: string]: unknown;
}

export type BenchFleet = Awaited<ReturnType<typeof aFleet>>;

/** A desk with a fleet file for `agents` command agents, dealt out evenly. Nothing is begun. */
export async function aFleet(ground: Ground, order: FleetOrder) {
  const { name, agents = AGENTS, hosts = ground.hosts, sshConfig = ground.sshConfig } = order;
  const desk = join(ground.folder, name);
  await mkdir(desk, { recursive: true });
  const vcpu = Math.ceil(agents / hosts.length);
  const nodes = hosts.map((host) => ({
    ...{ name: host.name, ssh: { host: host.name, config: sshConfig } },
    ...{ vcpu, memoryGiB: 2 * vcpu },
  }));
  const file = { name, nodes, agents: { count: agents, kind: 'command' }, ...order.file };
  await writeFile(join(desk, 'fleet.yaml'), JSON.stringify(file, null, 2));
  const around = { env: ground.env, cwd: desk };
  const call = (words: readonly string[], input?: string): Begun =>
    begin([FLEET, ...words], { ...around, ...(input === undefined ? {} : { input }) });
  return {
    ...{ name, agents, desk, state: join(desk, '.fleet'), ground },
    call,
    submit: async (tasks: readonly BenchTask[]): Promise<Ended> =>
      well(call(['submit', '-'], JSON.stringify({ tasks })), 'submit'),
    /** Writes a task file; gives its name. */
    writeTasks: async (file: string, tasks: readonly BenchTask[]): Promise<string> => {
      await writeFile(join(desk, file), JSON.stringify({ tasks }));
      return file;
    },
    /** The controller, as it was begun. */
    start: (): Begun => begin(order.controller ?? [FLEET, 'start'], { ...around, msMax: 2 ** 31 - 1 }),
  };
}

/** A controller with every agent idle, that has worked before: so many tasks that do nothing. */
export async function standing(fleet: BenchFleet): Promise<Begun> {
  const controller = fleet.start();
  await ready(fleet, controller);
  const tasks = Array.from({ length: fleet.agents }, (_, index) => ({
    id: `warm-${index}`,
    kind: 'command',
    run: 'true',
  }));
  await runJoined(fleet, await fleet.writeTasks('warm.json', tasks));
  return controller;
}

/** Until every agent is idle, by the fleet's own word. */
async function ready(fleet: BenchFleet, controller: Begun): Promise<void> {
  let last = '';
  const idle = async () => {
    const { out } = await fleet.call(['status', '--json']).ended;
    last = out;
    const status = Status.safeParse(out === '' ? null : JSON.parse(out));
    return status.success && status.data.agents.filter(({ state }) => state === 'idle').length === fleet.agents;
  };
  try {
    await until('every agent is idle', idle, READY_MS_MAX);
  } catch (error) {
    throw new Error(`${controller.said().err.slice(-500)} ${last.slice(0, 1500)}`, { cause: error });
  }
}

/** What `run --json` told, and the ms from its spawning to its end. Throws unless every task completed. */
export async function runJoined(fleet: BenchFleet, file: string): Promise<{ results: Results; ms: number }> {
  const called = fleet.call(['run', file, '--quiet', '--json']);
  const { out, at } = await well(called, 'run');
  const results = Results.parse(JSON.parse(out));
  if (results.tasks.completed !== results.tasks.total) throw new Error(`not all completed: ${out.slice(0, 200)}`);
  return { results, ms: at - called.at };
}

/** Ends the controller, then everything of the fleet on the machines and here. */
export async function removeFleet(fleet: BenchFleet, controller?: Begun): Promise<void> {
  if (controller) await end(controller);
  await well(fleet.call(['remove', 'all', '--now']), 'remove');
  await rm(fleet.state, { recursive: true, force: true });
  const left = await execAll(fleet.ground, `ls -d ~/.miyabi/${fleet.name} 2>/dev/null || :`);
  if (left.join('') !== '') throw new Error(`something of ${fleet.name} is left: ${left.join(' ')}`);
}

async function end(controller: Begun): Promise<void> {
  controller.signal('SIGTERM');
  const limit = setTimeout(() => controller.signal('SIGKILL'), STOP_MS_MAX);
  await controller.ended;
  clearTimeout(limit);
}

/** How many windows the fleet has on all machines: asked of each tmux by its socket, which costs a machine next to nothing. */
export async function windowsOf({ ground, name }: BenchFleet): Promise<number> {
  const counts = ground.hosts.map(async ({ home }) => {
    const socket = join(home, '.miyabi', name, 'tmux.sock');
    const words = ['tmux', '-S', socket, 'list-sessions', '-F', '#{session_name}'];
    const { out } = await begin(words, { env: ground.env, cwd: ground.folder }).ended;
    return out.split('\n').filter((line) => line !== '').length;
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

const TICKS_PER_SECOND = 100;

/** Milliseconds of CPU that a process of this machine has used. */
export async function cpuOfProcess(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}
