import type { Fleet } from '../../config/fleet.ts';
import { FleetError } from '../../errors.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { readHolder } from '../../ledger/lock.ts';
import { countOpen } from '../../ledger/parking.ts';
import { readAgents, readFleetState, readNodes } from '../../ledger/read.ts';
import type { AgentView, NodeView } from '../../ledger/view.ts';
import type { OperationName } from '../../operations/index.ts';
import type { Context } from '../../operations/operation.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { handIn, noController } from '../hand-in.ts';
import { agentWords } from '../naming.ts';
import { openContext, readFleet } from '../session.ts';
import { counted } from '../words.ts';
import {
  listed,
  previewAgents,
  previewCancel,
  previewReload,
  previewRetry,
  previewTell,
  restartNotes,
} from './preview.ts';

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

/** What `--dry-run` of a subcommand looks at. */
async function preview(
  door: Door,
  options: ChangeOptions,
  look: (context: Context) => Promise<number>,
): Promise<number> {
  await using context = await openContext(door, await readFleet(door, options));
  return await look(context);
}

export async function cancelTasks(door: Door, tasks: readonly string[], options: ChangeOptions): Promise<number> {
  if (options.dryRun) return preview(door, options, (context) => previewCancel(door, context, tasks));
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
  const { assumeDead = false } = options;
  if (options.dryRun) return preview(door, options, (context) => previewRetry(door, context, tasks, assumeDead));
  const { queued } = (await change(door, options, 'retry', { tasks, assumeDead })) as { queued: string[] };
  door.say(`tried again: ${listed(queued)}`);
  return 0;
}

/** pause, resume, restart. */
export async function changeAgents(
  door: Door,
  operation: 'pause' | 'resume' | 'restart',
  words: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  if (options.dryRun) return preview(door, options, (context) => previewAgents(door, context, operation, words));
  const fleet = await readFleet(door, options);
  const before = operation === 'restart' ? await readSights(door, fleet) : null;
  const input = { agents: agentWords(words, fleet.name) };
  const { agents } = (await change(door, options, operation, input)) as { agents: number[] };
  door.say(`${operation}: agent ${listed(agents)}`);
  const chosen = before?.agents.filter(({ number }) => agents.includes(number)) ?? [];
  for (const line of restartNotes(chosen, before?.nodes ?? [])) door.say(line);
  return 0;
}

/** As they are before anything is changed. */
async function readSights(door: Door, fleet: Fleet): Promise<{ agents: AgentView[]; nodes: NodeView[] }> {
  await using context = await openContext(door, fleet);
  const { ledger } = context;
  return ledger ? { agents: await readAgents(ledger), nodes: await readNodes(ledger) } : { agents: [], nodes: [] };
}

export async function tellAgents(
  door: Door,
  words: readonly string[],
  text: string,
  options: ChangeOptions,
): Promise<number> {
  if (options.dryRun) return preview(door, options, (context) => previewTell(door, context, words));
  const { name } = await readFleet(door, options);
  const { told } = (await change(door, options, 'tell', { agents: agentWords(words, name), text })) as {
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
  if (options.dryRun) return preview(door, options, (context) => previewReload(door, context));
  const before = await nodesBefore(door, fleet);
  const now = (await change(door, options, 'reload', {})) as { agents: number | 'auto'; nodes: number };
  const gone = before.filter((name) => !fleet.nodes.some((node) => node.name === name));
  for (const name of gone)
    door.say(
      `${name} left the fleet; what was put there (~/.miyabi/${fleet.name}) stays until fleet remove ${name} with it in the file`,
    );
  const agents = now.agents === 'auto' ? 'as many agents as fit' : counted(now.agents, 'agent');
  door.say(`reloaded: ${agents} on ${counted(now.nodes, 'node')}`);
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
  if (options.now && options.drain)
    throw new FleetError('usage', '--now and --drain exclude each other', {
      hint: '--drain lets what runs finish; --now ends it and keeps its tasks queued.',
    });
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
        ? `would end ${counted(busy, 'running attempt')}; their tasks stay queued`
        : `would let ${counted(busy, 'running attempt')} finish, then end`,
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
