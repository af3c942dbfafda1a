/** A node as placement sees it. */
export interface Holder {
  name: string;
  vcpu: number;
  memoryGiB: number;
  /** Operator's limit; null: 100. */
  maxAgents: number | null;
}

export interface Ratio {
  perVcpu: number;
  memoryGiBEach: number;
}

export type Limit = 'vcpu' | 'memory' | 'maxAgents';

export interface Cap {
  name: string;
  cap: number;
  /** The limit that binds, and what it says. */
  limit: Limit;
}

export interface Placement {
  /** Agents for each node, in the order the nodes were given. */
  counts: readonly { name: string; count: number; cap: number; limit: Limit }[];
  /** Agents that fit nowhere. */
  unplaced: number;
}

const AGENTS_PER_NODE_MAX = 100;
/** Kept for the machine itself. */
const MEMORY_GIB_RESERVED = 1;

/** How many agents a node can hold, and which limit says so. */
export function capOf(node: Holder, ratio: Ratio): Cap {
  const byVcpu = Math.floor(node.vcpu * ratio.perVcpu + 1e-9);
  const byMemory = Math.floor((node.memoryGiB - MEMORY_GIB_RESERVED) / ratio.memoryGiBEach + 1e-9);
  const byOperator = node.maxAgents ?? AGENTS_PER_NODE_MAX;
  const cap = Math.max(0, Math.min(byVcpu, byMemory, byOperator));
  const limit = cap === byOperator ? 'maxAgents' : cap === byVcpu ? 'vcpu' : 'memory';
  return { name: node.name, cap, limit };
}

/**
 * Spreads `count` agents by vCPU with capped largest remainders: every node gets its exact share rounded down, the rest
 * goes to the largest remainders, nobody gets more than its cap, and what a full node cannot take is shared among the others.
 */
export function place(nodes: readonly Holder[], ratio: Ratio, count: number | 'auto'): Placement {
  const caps = nodes.map((node) => ({ ...capOf(node, ratio), vcpu: node.vcpu }));
  const room = caps.reduce((sum, { cap }) => sum + cap, 0);
  const wanted = count === 'auto' ? room : count;
  const given = share(caps, Math.min(wanted, room));
  return {
    counts: caps.map(({ name, cap, limit }, index) => ({ name, cap, limit, count: given[index] ?? 0 })),
    unplaced: Math.max(0, wanted - room),
  };
}

function share(caps: readonly { cap: number; vcpu: number }[], count: number): number[] {
  const given = caps.map(() => 0);
  const full = new Set<number>();
  // Each round fills at least one node for good, so there are at most as many rounds as nodes.
  for (let round = 0; round <= caps.length; round += 1) {
    const left = count - [...full].reduce((sum, index) => sum + (given[index] ?? 0), 0);
    const open = caps.map((cap, index) => ({ ...cap, index })).filter(({ index }) => !full.has(index));
    const shares = largestRemainder(
      open.map(({ vcpu }) => vcpu),
      left,
    );
    open.forEach(({ index }, place) => {
      given[index] = shares[place] ?? 0;
    });
    const over = open.filter(({ index, cap }) => (given[index] ?? 0) > cap);
    if (over.length === 0) return given;
    for (const { index, cap } of over) {
      given[index] = cap;
      full.add(index);
    }
  }
  return given;
}

/** Splits a whole number by weights; sums up exactly. Ties go to the earlier. */
export function largestRemainder(weights: readonly number[], count: number): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total <= 0) return weights.map((_, index) => (index === 0 ? count : 0));
  const exact = weights.map((weight) => (weight / total) * count);
  const given = exact.map((value) => Math.floor(value + 1e-9));
  const left = count - given.reduce((sum, value) => sum + value, 0);
  const order = exact
    .map((value, index) => ({ index, rest: value - (given[index] ?? 0) }))
    .sort((a, b) => b.rest - a.rest || a.index - b.index);
  for (const { index } of order.slice(0, left)) given[index] = (given[index] ?? 0) + 1;
  return given;
}
