import { availableParallelism, totalmem } from 'node:os';
import type { Fleet } from '../config/fleet.ts';
import { desire } from '../fleet/desired.ts';
import { newSight } from '../fleet/world.ts';

/** What `start` would set up, without touching a node: sizes not declared are this machine's. */
export async function placementText(fleet: Fleet): Promise<string> {
  const sights = fleet.nodes.map((node) => ({
    ...newSight(node.name),
    vcpu: availableParallelism(),
    memoryGiB: totalmem() / 2 ** 30,
  }));
  const { placement, agents } = desire(fleet, { nodes: new Map(sights.map((sight) => [sight.name, sight])) });
  const lines = placement.counts.map(
    ({ name, count, cap, limit }) => `node ${name}: ${count} agents of at most ${cap} (limit: ${limit})`,
  );
  const categories = new Map<string, number>();
  for (const { category } of agents.values())
    categories.set(category ?? 'any', (categories.get(category ?? 'any') ?? 0) + 1);
  lines.push(`categories: ${[...categories].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  if (placement.unplaced > 0)
    lines.push(`${placement.unplaced} agents fit nowhere: add a node, or raise agents.perVcpu`);
  return lines.join('\n');
}
