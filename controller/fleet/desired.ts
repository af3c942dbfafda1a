import type { Agent } from '../agent/agent.ts';
import type { Fleet } from '../config/fleet.ts';
import type { Observation } from './observation.ts';
import { largestRemainder, type Placement, place } from './place.ts';

/** What should be so: which agent stands on which node, and what fits nowhere. */
export interface Desired {
  agents: ReadonlyMap<number, Agent>;
  placement: Placement;
  /** Nodes whose size is neither declared nor known yet: nothing is placed on them. */
  unsized: readonly string[];
}

/** Pure: the fleet as configured, and what nodes said of their size. The same input gives every agent the same place. */
export function desire(fleet: Fleet, observation: Observation): Desired {
  const sized = fleet.nodes.map((node) => {
    const sight = observation.nodes.get(node.name);
    return { node, vcpu: node.vcpu ?? sight?.vcpu ?? null, memoryGiB: node.memoryGiB ?? sight?.memoryGiB ?? null };
  });
  const holders = sized.flatMap(({ node, vcpu, memoryGiB }) =>
    vcpu === null || memoryGiB === null ? [] : [{ name: node.name, vcpu, memoryGiB, maxAgents: node.maxAgents }],
  );
  const placement = place(holders, fleet.agents, fleet.agents.count);
  return {
    agents: numberAgents(fleet, placement),
    placement,
    unsized: sized.filter(({ vcpu, memoryGiB }) => vcpu === null || memoryGiB === null).map(({ node }) => node.name),
  };
}

/** Agents 1 to n, node after node; categories dealt so that every node gets about its share of each. */
function numberAgents(fleet: Fleet, placement: Placement): Map<number, Agent> {
  const total = placement.counts.reduce((sum, { count }) => sum + count, 0);
  const { categories, kind } = fleet.agents;
  const shares = largestRemainder(
    categories.map(({ share }) => share),
    total,
  );
  const left = categories
    .map((category, index) => ({ category, left: shares[index] ?? 0, share: shares[index] ?? 0 }))
    .filter(({ share }) => share > 0); // one that gets nobody would look as if its whole share were still to come
  const agents = new Map<number, Agent>();
  for (const { name, count } of placement.counts) {
    for (let place = 0; place < count; place += 1) {
      const number = agents.size + 1;
      // Whoever has the largest part of its share still to come is next: an even mix all along.
      const next = left.reduce(
        (best, each) => (each.left * best.share > best.left * each.share ? each : best),
        left[0] ?? NOBODY,
      );
      next.left -= 1;
      const category = next === NOBODY ? null : next.category;
      agents.set(number, { number, node: name, category: category?.name ?? null, kind: category?.kind ?? kind });
    }
  }
  return agents;
}

const NOBODY = { category: { name: '', share: 0, kind: null, strict: false }, left: 0, share: 0 };
