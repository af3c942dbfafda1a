import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fleet } from '../../config/fleet.ts';
import type { Flags } from '../../config/load.ts';
import { FleetError } from '../../errors.ts';
import { type Controller, type ControlSetting, control as controlFleet } from '../../fleet/controller.ts';
import type { World } from '../../fleet/world.ts';
import { readHolder } from '../../ledger/lock.ts';
import type { Intent } from '../../ledger/view.ts';
import { obey as obeyIntent } from '../../operations/obey.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { type Follower, followTasks } from '../follow.ts';
import { readFleet } from '../session.ts';

export interface TerminalSetting extends Omit<ControlSetting, 'obey' | 'onRefused'> {
  /** Read again on `reload`. */
  readAgain: () => Promise<Fleet>;
}

/** Is the controller, and says what it refuses. Throws `locked` when there is one. */
export function control(door: Door, setting: TerminalSetting): ReturnType<typeof controlFleet> {
  return controlFleet(door, {
    ...setting,
    obey: (controller, intent, world) => obey(door, controller, intent, world, setting.readAgain),
    onRefused: ({ operation, by }, why) => door.say(`refused: ${operation} by ${by}: ${why}`),
  });
}

export function obey(
  _: Door,
  { world: live }: Controller,
  intent: Intent,
  world: World,
  readAgain: () => Promise<Fleet>,
): Promise<unknown> {
  return obeyIntent(intent, { live, world, readAgain });
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
      { hint: 'Use it (fleet status, run, submit), or end it first: fleet stop.' },
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
  throw new FleetError('time-limit', `the controller did not come up:\n${tail}`, {
    hint: `All that it said is in ${log}; fleet doctor tells what is wrong here.`,
  });
}
