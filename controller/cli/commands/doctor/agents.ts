import type { Fleet, Origin } from '../../../config/fleet.ts';
import type { Placement } from '../../../fleet/place.ts';
import type { Survey } from '../../../node/survey.ts';
import { counted } from '../../words.ts';
import { bad, edited, type Finding, good, HERE, sentence, typed } from './finding.ts';

/** What only all nodes together show. */

/** Pure: agents that were asked for and fit nowhere. */
export function judgePlacement(
  { agents, file, origins }: Pick<Fleet, 'agents' | 'file' | 'origins'>,
  { counts, unplaced }: Placement,
): Finding[] {
  const check = 'placement';
  const placed = counts.reduce((sum, { count }) => sum + count, 0);
  if (counts.length === 0) return [];
  if (unplaced === 0) return [good(check, `${counted(placed, 'agent')} on ${counted(counts.length, 'node')}`)];
  const full = counts.map(({ name, cap, limit }) => `${name} holds ${cap} (${LIMITS[limit]})`).join(', ');
  const one = unplaced === 1;
  const detail = `${counted(unplaced, 'agent')} of ${placed + unplaced} ${one ? 'fits' : 'fit'} nowhere: ${full}`;
  const raise = `add a node, or raise what limits: ${raiseOf(counts, agents)}`;
  const fewer = fewerLine(origins['agents.count'], placed, file);
  return [bad(check, detail, sentence(placed === 0 ? raise : `${fewer}; or ${raise}`))];
}

/** Where the number was said, it is to be said anew. */
function fewerLine(origin: Origin | undefined, count: number, file: string | null): string {
  if (origin === 'flag') return `ask for fewer: \`--agents ${count}\``;
  if (origin === 'environment') return typed(HERE, `export FLEET_AGENTS=${count}`);
  return edited(file, `agents.count: ${count}`);
}

const LIMITS = { vcpu: 'agents.perVcpu', memory: 'agents.memoryGiBEach', maxAgents: 'its maxAgents' } as const;

function raiseOf(counts: Placement['counts'], { perVcpu, memoryGiBEach }: Fleet['agents']): string {
  const given = { vcpu: `is ${perVcpu}`, memory: `is ${memoryGiBEach}`, maxAgents: 'is the node’s own' };
  return [...new Set(counts.map(({ limit }) => limit))].map((limit) => `${LIMITS[limit]} ${given[limit]}`).join(', ');
}

/** Pure: two nodes that are one machine and one user would take it from each other for ever. */
export function judgeTwins(surveys: readonly { name: string; survey: Survey }[], file: string | null): Finding[] {
  const first = new Map<string, string>();
  return surveys.flatMap(({ name, survey: { place } }) => {
    const twin = place === null ? undefined : first.get(place);
    if (place !== null && twin === undefined) first.set(place, name);
    if (twin === undefined) return [];
    const detail = `${twin} and ${name} are one and the same machine, and one home folder of it`;
    return [bad(`node ${name}: twin`, detail, `Take one of them out of ${file ?? 'the fleet file'}.`)];
  });
}
