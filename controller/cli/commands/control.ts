import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fleet } from '../../config/fleet.ts';
import type { Flags } from '../../config/load.ts';
import { FleetError } from '../../errors.ts';
import { run } from '../../fleet/run.ts';
import type { World } from '../../fleet/world.ts';
import { readHolder, takeLock } from '../../ledger/lock.ts';
import { countOpen } from '../../ledger/parking.ts';
import type { Intent } from '../../ledger/view.ts';
import { operationOf } from '../../operations/index.ts';
import type { Change } from '../../operations/operation.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { type Follower, followTasks } from '../follow.ts';
import { type Controller, openController, readFleet } from '../session.ts';

const SETTLE_MS_MAX = 3000;

export interface ControlSetting {
  fleet: Fleet;
  takeOver: boolean;
  /** Read again on `reload`. */
  readAgain: () => Promise<Fleet>;
  /** Called once the lock is held and the ledger open. */
  onReady?: (controller: Controller) => Promise<void>;
  isDone?: (controller: Controller) => Promise<boolean>;
  signal: AbortSignal;
}

/** Is the controller until the signal, until `isDone`, or until the fleet is stopped. Throws `locked` when there is one. */
export async function control(door: Door, setting: ControlSetting): Promise<'stopped' | 'done' | 'terminated'> {
  const { fleet, takeOver, signal } = setting;
  const lock = await takeLock(fleet.stateFolder, door.clock.now());
  try {
    const controller = await openController(door, fleet, takeOver);
    try {
      await setting.onReady?.(controller);
      return await run({
        world: controller.world,
        bell: controller.bell,
        inbox: fleet.stateFolder,
        obey: (intent, world) => obey(door, controller, intent, world, setting.readAgain),
        onRefused: ({ operation, by }, why) => door.say(`refused: ${operation} by ${by}: ${why}`),
        signal,
        isDone: async () => {
          controller.check();
          refuseWhenRefused(controller);
          return (await setting.isDone?.(controller)) ?? false;
        },
      });
    } finally {
      await controller.settle(SETTLE_MS_MAX);
      await controller.ledger.destroy();
    }
  } finally {
    await lock.release();
  }
}

/** No node will have this ledger: nothing could ever be done, and a person must decide. */
function refuseWhenRefused({ world }: Controller): void {
  const refusals = [...world.sights.values()].map(({ refusal }) => refusal);
  const [first] = refusals;
  if (first && refusals.every((refusal) => refusal !== null)) throw first;
}

/** One intent, checked by its operation's own schema. */
export async function obey(
  door: Door,
  controller: Controller,
  intent: Intent,
  world: World,
  readAgain: () => Promise<Fleet>,
): Promise<unknown> {
  const operation = operationOf(intent.operation);
  if (operation?.is !== 'change') throw new FleetError('usage', `there is no change called ${intent.operation}`);
  const change = operation as Change<unknown, unknown>;
  const input = change.input.safeParse(intent.input);
  if (!input.success) throw new FleetError('usage', `${intent.operation}: ${input.error.message}`);
  const reload = async () => {
    const fleet = await readAgain();
    if (fleet.name !== controller.world.fleet.name)
      throw new FleetError(
        'unlawful',
        `the fleet is called ${controller.world.fleet.name}: its folders and windows bear that name`,
        {
          hint: 'fleet stop, fleet remove all, then start it under the new name.',
        },
      );
    await refuseLeftWork(world, controller.world.fleet, fleet);
    controller.world.fleet = fleet;
    return controller.world.fleet;
  };
  return change.output.parse(await change.run({ world, now: door.clock.now(), reload }, input.data));
}

/** A node leaves the fleet, or is reached another way, only when nothing runs there: its end would never be seen. */
async function refuseLeftWork({ ledger }: World, before: Fleet, after: Fleet): Promise<void> {
  const kept = new Map(after.nodes.map(({ name, via }) => [name, JSON.stringify(via)]));
  const open = await countOpen(ledger);
  const left = before.nodes.filter(({ name, via }) => open.has(name) && kept.get(name) !== JSON.stringify(via));
  if (left.length === 0) return;
  const list = left.map(({ name }) => `${open.get(name)} attempts run on ${name}`).join(', ');
  throw new FleetError('unlawful', `${list}: it cannot leave the fleet now`, {
    hint: 'fleet pause node:NAME gives it nothing new; reload when it is idle, or cancel what runs there.',
  });
}

export interface StartOptions extends GlobalOptions {
  agents?: string;
  kind?: string;
  detach?: boolean;
  takeOver?: boolean;
  dryRun?: boolean;
}

/** `fleet start`: the controller in the foreground; submits nothing. */
export async function start(door: Door, options: StartOptions): Promise<number> {
  const flags: Flags = { agents: options.agents, kind: options.kind };
  const readAgain = () => readFleet(door, options, flags);
  const fleet = await readAgain();
  if (options.dryRun) {
    const { placementText } = await import('../placement.ts');
    door.say(await placementText(fleet));
    return 0;
  }
  if (options.detach) return startDetached(door, fleet, options);
  let follower: Follower | undefined;
  const how = await control(door, {
    fleet,
    takeOver: options.takeOver ?? false,
    readAgain,
    signal: door.signal,
    isDone: async () => {
      await follower?.look(); // what happens to nodes is told here; what happens to tasks, to whoever waits for them
      return false;
    },
    onReady: async ({ ledger }) => {
      follower = followTasks(door, ledger, [], false);
      await follower.look();
      door.say(
        `fleet ${fleet.name}: controller ready, state in ${fleet.stateFolder}. Ctrl-C ends the controller, not the agents' work.`,
      );
    },
  });
  door.say(
    how === 'terminated'
      ? 'The fleet is stopped.'
      : 'The controller ended; what runs on the nodes goes on. fleet start takes it up again.',
  );
  return 0;
}

const DETACHED_MS_MAX = 20_000;

async function startDetached(door: Door, fleet: Fleet, options: StartOptions): Promise<number> {
  const holder = await readHolder(fleet.stateFolder);
  if (holder)
    throw new FleetError(
      'locked',
      `this fleet already has a controller: process ${holder.pid} on ${holder.host}, since ${holder.since}`,
    );
  const log = join(fleet.stateFolder, 'controller.log');
  const words = Object.entries(options).flatMap(([name, value]) => {
    if (name === 'detach' || value === undefined) return [];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [flag] : [flag, String(value)];
  });
  await door.detach(['start', ...words], log);
  const until = door.clock.monotonic() + DETACHED_MS_MAX;
  while (door.clock.monotonic() < until) {
    const now = await readHolder(fleet.stateFolder);
    if (now) {
      door.say(`fleet ${fleet.name}: controller ${now.pid} runs; its log is ${log}`);
      return 0;
    }
    await door.clock.sleep(50);
  }
  const tail = (await readFile(log, 'utf8')).split('\n').slice(-5).join('\n');
  throw new FleetError('time-limit', `the controller did not come up:\n${tail}`, { hint: `See ${log}.` });
}
