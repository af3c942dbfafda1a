import type { ExpressionBuilder } from 'kysely';
import type { Verdict } from '../task/attempt.ts';
import { laneOf } from './lane.ts';
import { type Ledger, numbersIn, type Writing } from './ledger.ts';
import type { Tables } from './tables.ts';

/** Conversations: kept by a tool on one node, gone on with by the agent that had it. */

export interface Conversation {
  id: string;
  agent: number;
  node: string;
  kind: string;
}

/** The tool said itself how its turn ended: the model was asked, and the task stands in the conversation. */
const ASKED: readonly Verdict[] = ['rate-limit', 'overloaded', 'network'];

/** What an agent last talked about, with whatever tool keeps conversations; undefined when it never did. */
export async function readLastConversation(ledger: Ledger | Writing, agent: number): Promise<Conversation | undefined> {
  const row = await ledger
    .selectFrom('attempt')
    .select(['conversation', 'node', 'kind'])
    .where('agent', '=', agent)
    .where('conversation', 'is not', null)
    .where(wasHeard)
    .orderBy('intended_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (!row || row.conversation === null) return undefined;
  return { id: row.conversation, agent, node: row.node, kind: row.kind };
}

/**
 * Whether a next attempt goes on with the conversation of one that has ended, its usage saved. A CLI says which one it
 * began before the task stands in it: killed in that moment, it left one in which nobody asked for anything, or none. One
 * that it went on with is there all the same; and on a full disk nothing can be proven.
 */
export async function mayGoOn(ledger: Writing, attempt: string): Promise<boolean> {
  const found = await ledger
    .selectFrom('attempt')
    .select('id')
    .where('id', '=', attempt)
    .where('conversation', 'is not', null)
    .where((by) => by.or([wasHeard(by), by('verdict', '=', 'disk')]))
    .executeTakeFirst();
  return found !== undefined;
}

/** Whether the task is known to stand in the conversation of one of its attempts, which has ended. */
export async function isHeard(ledger: Ledger, task: string): Promise<boolean> {
  const found = await ledger
    .selectFrom('attempt')
    .select('id')
    .where('task', '=', task)
    .where(isProven)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

type AttemptBuilder = ExpressionBuilder<Tables, 'attempt'>;

function isProven(by: AttemptBuilder) {
  const used = by.selectFrom('usage').select('response').whereRef('usage.attempt', '=', 'attempt.id');
  return by.or([by('answer', 'is not', null), by('verdict', 'in', [...ASKED]), by.exists(used)]);
}

function wasHeard(by: AttemptBuilder) {
  return by.or([by('resumes', '=', by.ref('conversation')), isProven(by)]);
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
