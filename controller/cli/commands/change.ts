import type { Fleet } from '../../config/fleet.ts';
import { FleetError } from '../../errors.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { readHolder } from '../../ledger/lock.ts';
import { countOpen } from '../../ledger/parking.ts';
import { readAgents, readFleetState, readNodes, readTasks } from '../../ledger/read.ts';
import type { OperationName } from '../../operations/index.ts';
import { selectAgents } from '../../operations/selector.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { handIn, noController } from '../hand-in.ts';
import { openContext, readFleet } from '../session.ts';

export interface ChangeOptions extends GlobalOptions {
  json?: boolean;
  dryRun?: boolean;
}

async function change(door: Door, options: ChangeOptions, operation: OperationName, input: unknown): Promise<unknown> {
  const fleet = await readFleet(door, options);
  const output = await handIn(door, fleet, operation, input);
  if (output === null) throw noController(operation);
  if (options.json) door.out(`${JSON.stringify(output)}\n`);
  return output;
}

function listed(ids: readonly (string | number)[]): string {
  return `${ids.slice(0, 10).join(', ')}${ids.length > 10 ? `, … (${ids.length})` : ''}`;
}

export async function cancelTasks(door: Door, tasks: readonly string[], options: ChangeOptions): Promise<number> {
  if (options.dryRun) return previewTasks(door, tasks, options, 'would cancel');
  const { cancelled, stopping, ended } = (await change(door, options, 'cancel', { tasks })) as {
    cancelled: string[];
    stopping: string[];
    ended: string[];
  };
  if (cancelled.length > 0) door.say(`cancelled: ${listed(cancelled)}`);
  if (stopping.length > 0) door.say(`being ended: ${listed(stopping)}`);
  if (ended.length > 0) door.say(`had ended already: ${listed(ended)}`);
  return 0;
}

export interface RetryOptions extends ChangeOptions {
  assumeDead?: boolean;
}

export async function retryTasks(door: Door, tasks: readonly string[], options: RetryOptions): Promise<number> {
  if (options.dryRun) return previewTasks(door, tasks, options, 'would try again');
  const { assumeDead = false } = options;
  const { queued } = (await change(door, options, 'retry', { tasks, assumeDead })) as { queued: string[] };
  door.say(`tried again: ${listed(queued)}`);
  return 0;
}

async function previewTasks(
  door: Door,
  tasks: readonly string[],
  options: ChangeOptions,
  words: string,
): Promise<number> {
  await using context = await openContext(door, await readFleet(door, options));
  const found = context.ledger ? await readTasks(context.ledger, { ids: tasks, limit: 100_000 }) : [];
  const unknown = tasks.filter((id) => !found.some((task) => task.id === id));
  if (unknown.length > 0) throw new FleetError('not-found', `no such task: ${listed(unknown)}`);
  for (const task of found) door.say(`${words} ${task.id} (${task.state})`);
  return 0;
}

async function previewAgents(
  door: Door,
  operation: OperationName,
  words: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  await using context = await openContext(door, await readFleet(door, options));
  const chosen = selectAgents(context.ledger ? await readAgents(context.ledger) : [], words);
  door.say(`would ${operation}: agent ${listed(chosen.map(({ number }) => number))}`);
  return 0;
}

/** pause, resume, restart. */
export async function changeAgents(
  door: Door,
  operation: 'pause' | 'resume' | 'restart',
  words: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  if (options.dryRun) return previewAgents(door, operation, words, options);
  const { agents } = (await change(door, options, operation, { agents: words })) as { agents: number[] };
  door.say(`${operation}: agent ${listed(agents)}`);
  return 0;
}

export async function tellAgents(
  door: Door,
  words: readonly string[],
  text: string,
  options: ChangeOptions,
): Promise<number> {
  if (options.dryRun) return previewAgents(door, 'tell', words, options);
  const { told } = (await change(door, options, 'tell', { agents: words, text })) as {
    told: { agent: number; task: string }[];
  };
  for (const { agent, task } of told.slice(0, 20)) door.say(`told agent ${agent}: task ${task}`);
  if (told.length > 20) door.say(`… ${told.length} in all`);
  return 0;
}

async function nodesBefore(door: Door, fleet: Fleet): Promise<string[]> {
  await using context = await openContext(door, fleet);
  return context.ledger ? (await readNodes(context.ledger)).map(({ name }) => name) : [];
}

export async function reload(door: Door, options: ChangeOptions): Promise<number> {
  const fleet = await readFleet(door, options); // a bad file is told here, before anybody is asked
  if (options.dryRun) {
    const { placementText } = await import('../placement.ts');
    door.say(await placementText(fleet));
    return 0;
  }
  const before = await nodesBefore(door, fleet);
  await change(door, options, 'reload', {});
  const gone = before.filter((name) => !fleet.nodes.some((node) => node.name === name));
  for (const name of gone)
    door.say(
      `${name} left the fleet; what was put there (~/.miyabi/${fleet.name}) stays until fleet remove ${name} with it in the file`,
    );
  door.say(`reloaded: ${fleet.agents.count} agents on ${fleet.nodes.length} nodes`);
  return 0;
}

export interface StopOptions extends ChangeOptions {
  drain?: boolean;
  now?: boolean;
  timeout?: string;
}

const LOOK_MS = 100;
const LOOKS_A_TELLING = 20;

/** What a stop waits for, node by node. */
async function waitsOf(ledger: Ledger | null): Promise<string> {
  const open = ledger ? await countOpen(ledger) : new Map<string, number>();
  const states = new Map((ledger ? await readNodes(ledger) : []).map(({ name, state }) => [name, state]));
  const list = [...open].map(([node, count]) => {
    const doubt = states.get(node) === 'up' ? '' : ' (not heard: parked after lostAfter, then left to the next start)';
    return `${count} on ${node}${doubt}`;
  });
  return list.length === 0 ? '' : `  waits for what runs: ${list.join(', ')}`;
}

/** `fleet stop`: drains by default, and waits until the controller is gone. */
export async function stop(door: Door, options: StopOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  if (options.now && options.drain) throw new FleetError('usage', '--now and --drain exclude each other');
  const holder = await readHolder(fleet.stateFolder);
  if (!holder)
    throw new FleetError('no-controller', 'no controller runs: there is nothing to stop', {
      hint: 'What was left running on nodes is taken up by fleet start.',
    });
  if (options.dryRun) {
    await using context = await openContext(door, fleet);
    const busy = context.ledger ? (await readAgents(context.ledger)).filter(({ task }) => task !== null).length : 0;
    door.say(
      options.now
        ? `would end ${busy} running attempts; their tasks stay queued`
        : `would let ${busy} running attempts finish, then end`,
    );
    return 0;
  }
  await change(door, options, 'stop', { mode: options.now ? 'now' : 'drain', since: holder.since });
  door.say(options.now ? 'Ending what runs …' : 'Draining: nothing new begins, what runs finishes …');
  await using context = await openContext(door, fleet);
  let told = '';
  for (let look = 0; await readHolder(fleet.stateFolder); look += 1) {
    if (door.signal.aborted) return door.signalExit();
    const waits = look % LOOKS_A_TELLING === LOOKS_A_TELLING - 1 ? await waitsOf(context.ledger) : told;
    if (waits !== told) door.say(waits);
    told = waits;
    await door.clock.sleep(LOOK_MS, door.signal);
  }
  door.say(`The fleet is ${context.ledger ? await readFleetState(context.ledger) : 'gone'}.`);
  return 0;
}
