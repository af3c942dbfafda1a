import { availableParallelism, totalmem } from 'node:os';
import type { Fleet } from '../config/fleet.ts';
import { desire } from '../fleet/desired.ts';
import { counted } from './words.ts';

/** What `start` would set up, without touching a node: of sizes not declared only this machine's is known. */
export async function placementText(fleet: Fleet): Promise<string> {
  const here = { vcpu: availableParallelism(), memoryGiB: totalmem() / 2 ** 30 };
  const local = fleet.nodes.filter(({ via }) => via.kind === 'local').map(({ name }) => [name, here] as const);
  const { placement, agents, unsized } = desire(fleet, new Map(local));
  const lines = placement.counts.map(
    ({ name, count, cap, limit }) => `node ${name}: ${counted(count, 'agent')} of at most ${cap} (limit: ${limit})`,
  );
  lines.push(
    ...unsized.map(
      (name) => `node ${name}: its size is asked when it is reached (declare vcpu and memoryGiB to plan with it)`,
    ),
  );
  const categories = new Map<string, number>();
  for (const { category } of agents.values())
    categories.set(category ?? 'any', (categories.get(category ?? 'any') ?? 0) + 1);
  lines.push(`categories: ${[...categories].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  if (placement.unplaced > 0)
    lines.push(
      `${counted(placement.unplaced, 'agent fits', 'agents fit')} nowhere: add a node, or raise agents.perVcpu, memory or maxAgents`,
    );
  return lines.join('\n');
}
