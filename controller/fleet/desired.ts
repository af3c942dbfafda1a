import type { Agent } from '../agent/agent.ts';
import type { Fleet } from '../config/fleet.ts';
import { largestRemainder, type Placement, place } from './place.ts';

/** What should be so: which agent stands on which node, and what fits nowhere. */
export interface Desired {
  agents: ReadonlyMap<number, Agent>;
  placement: Placement;
  /** Nodes whose size is neither declared nor known yet: nothing is placed on them. */
  unsized: readonly string[];
}

/** How large a node says it is; null while it has not said. */
export interface Size {
  vcpu: number | null;
  memoryGiB: number | null;
}

/**
 * Pure: the fleet as configured, and what nodes said of their size. `places`: on which node each agent was until now; it
 * stays there while that node has room for it, whatever becomes known of others.
 */
export function desire(
  fleet: Fleet,
  sizes: ReadonlyMap<string, Size>,
  places: ReadonlyMap<number, string> = new Map(),
): Desired {
  const sized = fleet.nodes.map((node) => {
    const size = sizes.get(node.name);
    return { node, vcpu: node.vcpu ?? size?.vcpu ?? null, memoryGiB: node.memoryGiB ?? size?.memoryGiB ?? null };
  });
  const holders = sized.flatMap(({ node, vcpu, memoryGiB }) =>
    vcpu === null || memoryGiB === null ? [] : [{ name: node.name, vcpu, memoryGiB, maxAgents: node.maxAgents }],
  );
  const placement = place(holders, fleet.agents, fleet.agents.count);
  return {
    agents: numberAgents(fleet, placement, places),
    placement,
    unsized: sized.filter(({ vcpu, memoryGiB }) => vcpu === null || memoryGiB === null).map(({ node }) => node.name),
  };
}

/** Agents 1 to n; categories dealt node after node, so that every node gets about its share of each. */
function numberAgents(fleet: Fleet, placement: Placement, places: ReadonlyMap<number, string>): Map<number, Agent> {
  const total = placement.counts.reduce((sum, { count }) => sum + count, 0);
  const numbers = shareNumbers(placement, places, total);
  const { categories, kind } = fleet.agents;
  const shares = largestRemainder(
    categories.map(({ share }) => share),
    total,
  );
  const left = categories
    .map((category, index) => ({ category, left: shares[index] ?? 0, share: shares[index] ?? 0 }))
    .filter(({ share }) => share > 0); // one that gets nobody would look as if its whole share were still to come
  const agents = new Map<number, Agent>();
  for (const { name } of placement.counts) {
    for (const number of numbers.get(name) ?? []) {
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

/** Which numbers each node gets: first those it had, as far as it has room, then the free ones, node after node. */
function shareNumbers(
  { counts }: Placement,
  places: ReadonlyMap<number, string>,
  total: number,
): Map<string, number[]> {
  const shares = new Map(counts.map(({ name }) => [name, [] as number[]]));
  const room = new Map(counts.map(({ name, count }) => [name, count]));
  const free: number[] = [];
  for (let number = 1; number <= total; number += 1) {
    const name = places.get(number) ?? '';
    const share = shares.get(name);
    if (share && share.length < (room.get(name) ?? 0)) share.push(number);
    else free.push(number);
  }
  let next = 0;
  for (const { name, count } of counts) {
    const share = shares.get(name) ?? [];
    const more = free.slice(next, next + count - share.length);
    next += more.length;
    shares.set(
      name,
      [...share, ...more].sort((a, b) => a - b),
    );
  }
  return shares;
}

const NOBODY = { category: { name: '', share: 0, kind: null, strict: false }, left: 0, share: 0 };
