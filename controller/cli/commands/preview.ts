import { toolOf } from '../../agent/tools/index.ts';
import type { Fleet } from '../../config/fleet.ts';
import { FleetError } from '../../errors.ts';
import { readLastConversation } from '../../ledger/conversation.ts';
import { readHolder } from '../../ledger/lock.ts';
import { countOpen } from '../../ledger/parking.ts';
import { readAgents, readNodes, readTasks } from '../../ledger/read.ts';
import { refuseRetry } from '../../ledger/tasks.ts';
import type { AgentView, NodeView } from '../../ledger/view.ts';
import type { Context } from '../../operations/operation.ts';
import { selectAgents } from '../../operations/selector.ts';
import type { Task, TaskState } from '../../task/task.ts';
import type { Door } from '../door.ts';
import { noController } from '../hand-in.ts';
import { agentWords, spans } from '../naming.ts';
import { placementText } from '../placement.ts';
import { counted } from '../words.ts';

/** What a change would do, for `--dry-run`: as far as it can be told, and refused where the change itself would be. */

const LISTED_MAX = 10;

export function listed(ids: readonly (string | number)[]): string {
  return `${ids.slice(0, LISTED_MAX).join(', ')}${ids.length > LISTED_MAX ? `, … (${ids.length})` : ''}`;
}

/** Handed in all the same, and obeyed when there is one. */
async function sayWhetherHeard(door: Door, { stateFolder }: Fleet): Promise<void> {
  if (await readHolder(stateFolder)) return;
  door.say('No controller runs: it would wait until fleet start.');
}

async function readWanted({ ledger }: Context, ids: readonly string[]): Promise<Task[]> {
  const found = ledger ? await readTasks(ledger, { ids, limit: 100_000 }) : [];
  const unknown = ids.filter((id) => !found.some((task) => task.id === id));
  if (unknown.length === 0) return found;
  throw new FleetError('not-found', `no such task: ${listed(unknown)}`, {
    hint: 'fleet list tasks shows what there is.',
  });
}

const ENDED: readonly TaskState[] = ['completed', 'failed', 'cancelled'];

export async function previewCancel(door: Door, context: Context, ids: readonly string[]): Promise<number> {
  for (const { id, state } of await readWanted(context, ids))
    door.say(ENDED.includes(state) ? `${id} has ended already (${state})` : `would cancel ${id} (${state})`);
  await sayWhetherHeard(door, context.fleet);
  return 0;
}

export async function previewRetry(
  door: Door,
  context: Context,
  ids: readonly string[],
  assumeDead: boolean,
): Promise<number> {
  const tasks = await readWanted(context, ids);
  if (context.ledger) await refuseRetry(context.ledger, ids, assumeDead);
  for (const { id, state } of tasks) door.say(`would try again ${id} (${state})`);
  await sayWhetherHeard(door, context.fleet);
  return 0;
}

async function readChosen({ ledger, fleet }: Context, words: readonly string[]): Promise<AgentView[]> {
  return selectAgents(ledger ? await readAgents(ledger) : [], agentWords(words, fleet.name));
}

export async function previewAgents(
  door: Door,
  context: Context,
  operation: 'pause' | 'resume' | 'restart',
  words: readonly string[],
): Promise<number> {
  const chosen = await readChosen(context, words);
  door.say(`would ${operation}: agent ${listed(chosen.map(({ number }) => number))}`);
  const nodes = context.ledger ? await readNodes(context.ledger) : [];
  if (operation === 'restart') for (const line of restartNotes(chosen, nodes)) door.say(line);
  await sayWhetherHeard(door, context.fleet);
  return 0;
}

/** Pure: what a restart cannot do at once, or has nothing to do with. */
export function restartNotes(
  agents: readonly Pick<AgentView, 'number' | 'node' | 'task'>[],
  nodes: readonly Pick<NodeView, 'name' | 'state' | 'evidence'>[],
): string[] {
  const idle = agents.filter(({ task }) => task === null).map(({ number }) => number);
  const waits = nodes
    .filter(({ state }) => state !== 'up')
    .flatMap(({ name, state, evidence }) => {
      const there = agents.filter(({ node, task }) => node === name && task !== null).map(({ number }) => number);
      if (there.length === 0) return [];
      return [
        `  agent ${spans(there)} waits: ${name} is ${state} (${evidence}); what runs there is ended when it is heard again`,
      ];
    });
  return [
    ...(idle.length > 0 ? [`  agent ${spans(idle)} has no task: nothing there is to be begun again`] : []),
    ...waits,
  ];
}

/** All are told, or none: one that cannot be told refuses it, as the change itself does. */
export async function previewTell(door: Door, context: Context, words: readonly string[]): Promise<number> {
  const { ledger, fleet } = context;
  const chosen = await readChosen(context, words);
  const kinds = new Map(fleet.kinds.map((kind) => [kind.name, kind]));
  const [heard, silent]: [number[], string[]] = [[], []];
  for (const { number } of chosen) {
    const last = ledger ? await readLastConversation(ledger, number) : undefined;
    const kind = last && kinds.get(last.kind);
    if (!last) silent.push(`agent ${number} had no conversation yet`);
    else if (!kind || !toolOf(kind).resumable)
      silent.push(`agent ${number} last ran ${last.kind}, which cannot be told anything`);
    else heard.push(number);
  }
  if (silent.length > 0)
    throw new FleetError('unlawful', listed(silent), {
      hint: 'Name only agents that worked on a task with a coding tool; fleet list agents shows what there is.',
    });
  door.say(`would tell agent ${spans(heard)}: queued as the next turn of what each last talked about`);
  await sayWhetherHeard(door, fleet);
  return 0;
}

/**
 * What a reload would set up. The controller reads the file with its own environment and with the flags that it was
 * started with: what these say counts there, and cannot be seen from here.
 */
export async function previewReload(door: Door, { ledger, fleet }: Context): Promise<number> {
  if (!(await readHolder(fleet.stateFolder))) throw noController('reload');
  const open = ledger ? await countOpen(ledger) : new Map<string, number>();
  const left = [...open].filter(([name]) => !fleet.nodes.some((node) => node.name === name));
  if (left.length > 0) {
    const list = left.map(([name, count]) => `${counted(count, 'attempt runs', 'attempts run')} on ${name}`).join(', ');
    throw new FleetError('unlawful', `a node at work cannot leave the fleet: ${list}`, {
      hint: 'Put it back into the fleet file; fleet pause node:NAME gives it nothing new, and once it is idle it may go.',
    });
  }
  door.say(await placementText(fleet));
  door.say('So it is read here; the flags and the environment of the controller count over the file, as at its start.');
  return 0;
}
