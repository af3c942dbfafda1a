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

/** Makes a queued task the next turn of a conversation. */
export async function goOnWith(tx: Writing, task: string, { id, agent, node }: Conversation): Promise<void> {
  const { category, kind, agents } = await tx
    .selectFrom('task')
    .select(['category', 'kind', 'agents'])
    .where('id', '=', task)
    .executeTakeFirstOrThrow();
  const lane = laneOf(category, kind, numbersIn(agents), agent);
  await tx
    .updateTable('task')
    .set({ conversation: id, resumes_on: agent, resumes_node: node, lane })
    .where('id', '=', task)
    .where('state', '=', 'queued')
    .execute();
}
