import { FleetError } from '../errors.ts';

/** What of an agent a selector can ask for. */
export interface Selectable {
  number: number;
  node: string;
  category: string | null;
  state: string;
}

/** What of a node a selector can ask for. */
export interface SelectableNode {
  name: string;
  labels: readonly string[];
}

/** Names, `label:x`, `all`, several with commas: the nodes meant, in order. */
export function selectNodes<T extends SelectableNode>(nodes: readonly T[], words: readonly string[]): T[] {
  const terms = termsOf(words);
  if (terms.length === 0) throw new FleetError('usage', 'no nodes named', { hint: NODES_HINT });
  const wanted = new Set<T>();
  for (const term of terms) {
    const label = term.startsWith('label:') ? term.slice('label:'.length) : undefined;
    const matches = nodes.filter(({ name, labels }) =>
      label === undefined ? term === 'all' || name === term : labels.includes(label),
    );
    if (matches.length === 0) {
      const hint = `${NODES_HINT} The fleet file has ${nodes.map(({ name }) => name).join(', ')}.`;
      throw new FleetError('not-found', `no node matches ${term}`, { hint, target: term });
    }
    for (const node of matches) wanted.add(node);
  }
  return nodes.filter((node) => wanted.has(node));
}

const NODES_HINT = 'NODES is names of nodes, label:NAME, all, or several with commas.';

function termsOf(words: readonly string[]): string[] {
  return words
    .flatMap((word) => word.split(','))
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** `7`, `3-9`, `node:mugen`, `category:coding`, `state:idle`, `all`, several with commas: the agents meant, in order. */
export function selectAgents<T extends Selectable>(agents: readonly T[], words: readonly string[]): T[] {
  const terms = termsOf(words);
  if (terms.length === 0) throw refusal('no agents named');
  const wanted = new Set<T>();
  for (const term of terms) {
    const matches = agents.filter(matcherOf(term));
    if (matches.length === 0)
      throw new FleetError('not-found', `no agent matches ${term}`, { hint: 'fleet list agents shows what there is.' });
    for (const agent of matches) wanted.add(agent);
  }
  return agents.filter((agent) => wanted.has(agent));
}

function matcherOf(term: string): (agent: Selectable) => boolean {
  if (term === 'all') return () => true;
  const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(term);
  if (range) {
    const from = Number(range[1]);
    const to = Number(range[2] ?? range[1]);
    return ({ number }) => number >= from && number <= to;
  }
  const [key, value = ''] = term.split(':', 2);
  if (key === 'node') return (agent) => agent.node === value;
  if (key === 'category') return (agent) => agent.category === value;
  if (key === 'state') return (agent) => agent.state === value;
  throw refusal(`${term} selects nothing`);
}

function refusal(message: string): FleetError {
  return new FleetError('usage', message, {
    hint: 'AGENTS is 7, 3-9, node:NAME, category:NAME, state:NAME, all, or several with commas.',
  });
}
