import { FleetError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { readAgents, readAttempts, readTask } from '../ledger/read.ts';
import type { AgentView } from '../ledger/view.ts';
import { isOpen } from '../task/attempt.ts';

/** What people type for an agent, and whom they mean. */

/** `7`, `007`, `miyabi-007` (its window): the number of an agent; undefined where the word is none of these. Pure. */
export function agentNumber(word: string, fleet: string): number | undefined {
  const digits = word.startsWith(`${fleet}-`) ? word.slice(fleet.length + 1) : word;
  return /^\d{1,5}$/.test(digits) ? Number(digits) : undefined;
}

/** Selectors of agents, windows among them as the numbers that selectors know. Pure. */
export function agentWords(words: readonly string[], fleet: string): string[] {
  const term = (text: string) => String(agentNumber(text.trim(), fleet) ?? text);
  return words.map((word) => word.split(',').map(term).join(','));
}

/** `1-3, 7, 9-12`: numbers in order, few words for many. Pure. */
export function spans(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
}

/** As `show` and `logs` know things: a task’s id stays as it is, whatever it looks like; an agent is its number. */
export async function plainName(ledger: Ledger | null, fleet: string, word: string): Promise<string> {
  const number = agentNumber(word, fleet);
  return number === undefined || (ledger && (await readTask(ledger, word))) ? word : String(number);
}

/** The agent meant: by its number or window, by a task that it works on, or by a node where it is the only one. */
export async function findAgent(ledger: Ledger | null, fleet: string, word: string): Promise<AgentView> {
  const agents = ledger ? await readAgents(ledger) : [];
  if (!ledger || agents.length === 0)
    throw new FleetError('not-found', 'this fleet has no agents yet', { hint: 'fleet start sets them up.' });
  const number = agentNumber(word, fleet);
  const named = agents.find((agent) => agent.number === number) ?? agents.find(({ task }) => task === word);
  if (named) return named;
  const there = agents.filter(({ node }) => node === word);
  const [only] = there;
  if (only && there.length === 1) return only;
  if (only)
    throw new FleetError('usage', `${word} has ${there.length} agents: ${spans(there.map((each) => each.number))}`, {
      hint: `Name one of them: fleet attach ${only.number}.`,
    });
  const task = await readTask(ledger, word);
  if (!task) {
    const message = `there is no agent ${word}, and no task or node of that name`;
    const hint = `Agents are ${spans(agents.map((each) => each.number))}; fleet list agents tells more.`;
    throw new FleetError('not-found', message, { hint });
  }
  const [last] = await readAttempts(ledger, { task: word, limit: 1 });
  const worked = last && !isOpen(last.state) ? `; agent ${last.agent} worked on it last` : '';
  throw new FleetError('unlawful', `no agent works on ${word}: it is ${task.state}${worked}`, {
    hint: last ? `fleet logs ${word} shows what it put out.` : `fleet explain ${word} tells why.`,
  });
}
