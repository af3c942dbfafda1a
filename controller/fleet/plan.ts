import { sessionName } from '../agent/agent.ts';
import type { Fleet } from '../config/fleet.ts';
import type { OpenAttempt, Snapshot } from '../ledger/view.ts';
import type { Desired } from './desired.ts';
import { isGivenUp, isUp, type Observation } from './observation.ts';
import { type FreeAgent, type Homes, matchTasks } from './plan/agents.ts';
import { brake } from './plan/limits.ts';
import { isOver, isStarting } from './state.ts';
import type { LoseStep, ParkStep, Plan, SessionStep, StopStep } from './step.ts';

/** What to do now. Pure: desired and seen in, piles out; nothing about a node that has not greeted us. */
export function decide(fleet: Fleet, desired: Desired, observation: Observation, snapshot: Snapshot): Plan {
  const reachable = snapshot.open.filter((attempt) => isUp(observation.nodes.get(attempt.node)));
  const orphans = decideOrphans(observation, snapshot);
  const haunted = new Set(orphans.map(({ attempt }) => attempt.node));
  return {
    ...decideStarts(fleet, desired, observation, snapshot, haunted),
    park: decideParking(fleet, observation, snapshot),
    unpark: reachable.filter(({ isParked }) => isParked),
    send: reachable.filter((attempt) => attempt.stopping === null && isUnsent(attempt, observation)),
    stop: [...reachable.flatMap((attempt) => decideStop(attempt, observation)), ...orphans],
    lose: reachable.flatMap((attempt) => decideLoss(attempt, observation)),
    ...decideSessions(fleet, desired, observation, snapshot),
  };
}

function decideStarts(
  fleet: Fleet,
  desired: Desired,
  observation: Observation,
  snapshot: Snapshot,
  haunted: ReadonlySet<string>,
): Pick<Plan, 'start' | 'waiting'> {
  if (!isStarting(snapshot.state)) {
    const reason = `waits: the fleet is ${snapshot.state}`;
    return { start: [], waiting: snapshot.ready.slice(0, 200).map(({ id }) => ({ task: id, reason })) };
  }
  const doubt = doubtAfterTakeOver(fleet, observation, haunted);
  if (doubt !== null)
    return { start: [], waiting: snapshot.ready.slice(0, 200).map(({ id }) => ({ task: id, reason: doubt })) };
  const { ready, held } = brake(snapshot.ready, snapshot.restartsLastMinute, fleet.restartsPerMinute);
  const { start, waiting } = matchTasks(
    ready,
    freeAgents(fleet, desired, observation, snapshot, haunted),
    homesOf(fleet, desired, observation),
  );
  const braked = held.slice(0, 200).map(({ id }) => ({
    task: id,
    reason: `waits: the brake lets ${fleet.restartsPerMinute} restarts begin in a minute`,
  }));
  return { start, waiting: [...waiting, ...braked] };
}

/** After a take-over any node may run a task that this ledger believes to be waiting: begun here, it would run twice. */
function doubtAfterTakeOver(fleet: Fleet, observation: Observation, haunted: ReadonlySet<string>): string | null {
  if (!observation.isTakingOver) return null;
  const silent = [...observation.nodes.values()]
    .filter(({ name, wasOurs }) => !wasOurs && !isGivenUp(observation, name, fleet.lostAfterSeconds))
    .map(({ name }) => name);
  if (silent.length > 0)
    return `nodes were taken over: nothing begins before ${silent.join(', ')} is heard or given up`;
  if (haunted.size === 0) return null;
  return `nodes were taken over: what ${[...haunted].join(', ')} runs unknown to this ledger is being ended first`;
}

/**
 * Agents on nodes that are up, not paused, with nothing open. `haunted`: nodes that run what this ledger does not know,
 * perhaps in the very folder of an agent that looks free; nothing is begun there until that has ended.
 */
function freeAgents(
  fleet: Fleet,
  desired: Desired,
  observation: Observation,
  snapshot: Snapshot,
  haunted: ReadonlySet<string>,
): FreeAgent[] {
  const busy = new Set(snapshot.open.map(({ agent }) => agent));
  const strict = new Set(fleet.agents.categories.filter((category) => category.strict).map(({ name }) => name));
  const sizes = new Map(desired.placement.counts.map(({ name, count }) => [name, count]));
  const used = new Map<string, number>();
  for (const { node } of snapshot.open) used.set(node, (used.get(node) ?? 0) + 1);
  const free: FreeAgent[] = [];
  for (const agent of desired.agents.values()) {
    const node = observation.nodes.get(agent.node);
    if (!isUp(node) || observation.at < node.fullUntil || haunted.has(agent.node)) continue;
    if (busy.has(agent.number) || snapshot.paused.has(agent.number)) continue;
    const count = used.get(agent.node) ?? 0;
    used.set(agent.node, count + 1);
    free.push({
      ...agent,
      boot: node.boot,
      load: count / (sizes.get(agent.node) || 1),
      strict: agent.category !== null && strict.has(agent.category),
    });
  }
  return free;
}

/** Where an agent lives, unless that is a node that nobody waits for any more. */
function homesOf(fleet: Fleet, desired: Desired, observation: Observation): Homes {
  const names = desired.placement.counts.map(({ name }) => name);
  const alive = new Set(names.filter((name) => !isGivenUp(observation, name, fleet.lostAfterSeconds)));
  return (number) => {
    const node = desired.agents.get(number)?.node;
    return node !== undefined && alive.has(node) ? node : undefined;
  };
}

/** Unknown is not dead: what may run on a node that is not heard is neither ended nor begun elsewhere. */
function decideParking(fleet: Fleet, observation: Observation, { open }: Snapshot): ParkStep[] {
  return open.flatMap((attempt) => {
    const { node, task, isParked } = attempt;
    if (isParked || !isGivenUp(observation, node, fleet.lostAfterSeconds)) return [];
    const sight = observation.nodes.get(node);
    const what = sight ? `${node} is not heard (${sight.evidence})` : `${node} is not in the fleet file any more`;
    return [
      {
        attempt,
        why: `${what}; it may still run there: goes on when ${node} is back, or: fleet retry ${task} --assume-dead`,
      },
    ];
  });
}

/** What a node holds as open and the ledger does not: given up by a person's word, or begun by a ledger that was put back. */
function decideOrphans({ nodes }: Observation, { open }: Snapshot): StopStep[] {
  const known = new Set(open.map(({ id }) => id));
  return [...nodes.values()]
    .filter(isUp)
    .flatMap(({ name: node, running, inFlight }) =>
      [...running]
        .filter((id) => !known.has(id) && !inFlight.has(id))
        .map((id) => ({ attempt: { id, node }, reason: 'restarted' as const, isOrphan: true })),
    );
}

/** Committed, of this boot, and the node does not have it: the controller or the link died in between. */
function isUnsent(attempt: OpenAttempt, observation: Observation): boolean {
  const node = observation.nodes.get(attempt.node);
  return (
    isUp(node) &&
    attempt.state === 'intended' &&
    attempt.boot === node.boot &&
    !node.attempts.has(attempt.id) &&
    !node.inFlight.has(attempt.id)
  );
}

function decideStop(attempt: OpenAttempt, observation: Observation): StopStep[] {
  const node = observation.nodes.get(attempt.node);
  if (!isUp(node) || attempt.boot !== node.boot || node.inFlight.has(attempt.id)) return [];
  if (attempt.stopping !== null) return [{ attempt, reason: attempt.stopping, isOrphan: false }];
  // The node had it and does not know it any more: somebody removed its folder. Buried first, so that it can never run.
  if (attempt.state === 'started' && !node.attempts.has(attempt.id))
    return [{ attempt, reason: 'restarted', isOrphan: false }];
  return [];
}

/** Meant for an earlier boot and not among what the node holds: it never ran, or its traces went with that boot. */
function decideLoss(attempt: OpenAttempt, observation: Observation): LoseStep[] {
  const node = observation.nodes.get(attempt.node);
  if (!isUp(node) || attempt.boot === node.boot || node.attempts.has(attempt.id)) return [];
  return [{ attempt, why: `${attempt.node} was rebooted` }];
}

function decideSessions(
  fleet: Fleet,
  desired: Desired,
  observation: Observation,
  snapshot: Snapshot,
): Pick<Plan, 'openSessions' | 'closeSessions'> {
  const wanted = new Map<string, string[]>();
  if (!isOver(snapshot)) {
    for (const agent of desired.agents.values()) {
      const names = wanted.get(agent.node) ?? [];
      names.push(sessionName(fleet.name, agent.number));
      wanted.set(agent.node, names);
    }
  }
  const openSessions: SessionStep[] = [];
  const closeSessions: SessionStep[] = [];
  for (const [name, node] of observation.nodes) {
    if (!isUp(node) || !node.hasTmux || node.sessions === null) continue;
    const names = wanted.get(name) ?? [];
    const missing = names.filter((session) => !node.sessions?.has(session));
    if (missing.length === 0 && node.sessions.size === names.length) continue; // the usual case, at the least cost
    const keep = new Set(names);
    const spare = [...node.sessions].filter((session) => session.startsWith(`${fleet.name}-`) && !keep.has(session));
    const idle = spare.length === 0 ? [] : withoutBusy(fleet, name, spare, snapshot);
    if (missing.length > 0) openSessions.push({ node: name, names: missing });
    if (idle.length > 0) closeSessions.push({ node: name, names: idle });
  }
  return { openSessions, closeSessions };
}

/** Stopped, and nothing runs any more: the windows go too. */
/** A window stays as long as its agent works, also when the fleet has shrunk. */
function withoutBusy(fleet: Fleet, node: string, sessions: readonly string[], { open }: Snapshot): string[] {
  const here = open.filter((attempt) => attempt.node === node);
  const busy = new Set(here.map(({ agent }) => sessionName(fleet.name, agent)));
  return sessions.filter((session) => !busy.has(session));
}
