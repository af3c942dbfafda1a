import type { Reading } from '../agent/tools/tool.ts';
import { laneOf } from './lane.ts';
import { type Ledger, numbersIn, type Writing } from './ledger.ts';

/** Conversations: kept by a tool on one node, gone on with by the agent that had it. */

export interface Conversation {
  id: string;
  agent: number;
  node: string;
  kind: string;
}

/** What an agent last talked about, with whatever tool keeps conversations; undefined when it never did. */
export async function readLastConversation(ledger: Ledger | Writing, agent: number): Promise<Conversation | undefined> {
  const row = await ledger
    .selectFrom('attempt')
    .select(['conversation', 'node', 'kind'])
    .where('agent', '=', agent)
    .where('conversation', 'is not', null)
    .orderBy('intended_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (!row || row.conversation === null) return undefined;
  return { id: row.conversation, agent, node: row.node, kind: row.kind };
}

/**
 * A CLI says which conversation it began before the task stands in it: killed in that moment, it left one in which
 * nobody asked for anything. An answer proves that the task was heard; so does that it was gone on with before.
 */
export function mayGoOn({ conversation, usage, answer }: Reading, resumed: string | null): boolean {
  return conversation !== null && (conversation === resumed || usage.length > 0 || answer !== null);
}

/** Whether the model has said anything in an attempt of the task that has ended. */
export async function isAnswered(ledger: Ledger, task: string): Promise<boolean> {
  const found = await ledger
    .selectFrom('attempt')
    .leftJoin('usage', 'usage.attempt', 'attempt.id')
    .select('attempt.id')
    .where('attempt.task', '=', task)
    .where((by) => by.or([by('attempt.answer', 'is not', null), by('usage.response', 'is not', null)]))
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

/** Makes a queued task the next turn of a conversation. */
export async function goOnWith(tx: Writing, task: string, { id, agent, node }: Conversation): Promise<void> {
  const lane = await laneIn(tx, task, agent);
  await tx
    .updateTable('task')
    .set({ conversation: id, resumes_on: agent, resumes_node: node, lane })
    .where('id', '=', task)
    .where('state', '=', 'queued')
    .execute();
}

/** The queue a task waits in, given who must take it. */
export async function laneIn(tx: Writing, id: string, resumesOn: number | null): Promise<string> {
  const task = await tx
    .selectFrom('task')
    .select(['category', 'kind', 'agents'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return laneOf(task.category, task.kind, numbersIn(task.agents), resumesOn);
}
