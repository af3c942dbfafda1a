import type { FleetEvent } from './event.ts';
import { type Ledger, readMeta, record, type Writing, writeMeta } from './ledger.ts';
import type { AgentView, FleetState, Intent, IntentResult, NodeView } from './view.ts';

/** What was seen and what was wished, written for readers. */

/** What readers see of nodes and agents, from now on. */
export async function saveSights(tx: Writing, nodes: readonly NodeView[], agents: readonly AgentView[]): Promise<void> {
  for (const node of nodes) {
    const row = {
      name: node.name,
      state: node.state,
      via: node.via,
      vcpu: node.vcpu,
      memory_gib: node.memoryGiB,
      boot: node.boot,
      epoch: node.epoch,
      evidence: node.evidence,
      seen_at: node.seenAt,
    };
    await tx
      .insertInto('node')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
  }
  for (const agent of agents) {
    const row = {
      node: agent.node,
      category: agent.category,
      kind: agent.kind,
      state: agent.state,
      task: agent.task,
      since: agent.since,
      evidence: agent.evidence,
    };
    await tx
      .insertInto('agent')
      .values({ number: agent.number, paused: 0, ...row })
      .onConflict((conflict) => conflict.column('number').doUpdateSet(row))
      .execute();
  }
}

export async function pauseAgents(
  tx: Writing,
  numbers: readonly number[],
  paused: boolean,
  now: number,
): Promise<void> {
  for (const number of numbers) {
    await tx
      .updateTable('agent')
      .set({ paused: paused ? 1 : 0 })
      .where('number', '=', number)
      .execute();
  }
  await record(
    tx,
    numbers.map((agent) => ({ at: now, kind: paused ? ('agent_paused' as const) : ('agent_resumed' as const), agent })),
  );
}

export async function moveFleet(tx: Writing, state: FleetState, now: number): Promise<void> {
  const before = await readMeta(tx, 'state');
  if (before === state) return;
  await writeMeta(tx, 'state', state);
  await record(tx, [{ at: now, kind: 'fleet_state', data: { from: before ?? null, to: state } }]);
}

/** The answer to an intent already obeyed; undefined for a new one. */
export async function readIntentResult(ledger: Ledger | Writing, id: string): Promise<IntentResult | undefined> {
  const row = await ledger.selectFrom('intent').select('result').where('id', '=', id).executeTakeFirst();
  return row ? (JSON.parse(row.result) as IntentResult) : undefined;
}

export async function saveIntent(tx: Writing, intent: Intent, result: IntentResult, now: number): Promise<void> {
  const row = {
    id: intent.id,
    operation: intent.operation,
    input: summary(intent.input),
    by: intent.by,
    at: intent.at,
    result: JSON.stringify(result),
  };
  await tx.insertInto('intent').values(row).execute();
  const event: FleetEvent = {
    at: now,
    kind: result.ok ? 'intent_obeyed' : 'intent_refused',
    data: { id: intent.id, operation: intent.operation, by: intent.by },
  };
  await record(tx, [event]);
}

/** The audit trail keeps what was asked, not the megabytes that came with it. */
function summary(input: unknown): string {
  const text = JSON.stringify(input) ?? 'null';
  return text.length <= 4000 ? text : JSON.stringify({ cut: text.slice(0, 4000) });
}
