import type { Agent } from '../agent/agent.ts';
import { sessionName } from '../agent/agent.ts';
import { printable } from '../errors.ts';
import type { FleetEvent } from '../ledger/event.ts';
import { inTransaction, record, type Writing, writeMeta } from '../ledger/ledger.ts';
import { moveFleet, saveSights } from '../ledger/sights.ts';
import type { AgentView, FleetState, NodeView, OpenAttempt, Snapshot } from '../ledger/view.ts';
import type { Desired } from './desired.ts';
import { isUp } from './observation.ts';
import { FULL_MS } from './settle.ts';
import { isOver } from './state.ts';
import type { Plan } from './step.ts';
import { nudge, type Sight, type World } from './world.ts';

/** Writes what was seen where readers look: what changed at once, the rest with the heartbeat. */

const BEAT_MS = 5000;
/** Agents that begin and end all the time are told of together. */
const MERGED_MS = 100;
/** What stands behind it in an evidence changes all the time and is no news. */
const PROGRESS_MARK = '; ';

interface Published {
  beatAt: number;
  /** Monotonic ms of the last writing. */
  at: number;
  nodes: string;
  /** How each node was, as far as it is news: see `standing`. */
  standings: ReadonlyMap<string, string>;
  placement: string;
  agents: Map<number, string>;
}

const published = new WeakMap<World, Published>();

export async function publish(world: World, desired: Desired, snapshot: Snapshot, plan: Plan): Promise<void> {
  const now = world.clock.now();
  const last = published.get(world) ?? {
    beatAt: Number.NEGATIVE_INFINITY,
    at: Number.NEGATIVE_INFINITY,
    nodes: '',
    standings: new Map<string, string>(),
    placement: '',
    agents: new Map<number, string>(),
  };
  const nodes = world.fleet.nodes.map((node) => nodeView(world, node.name, now));
  const isBeat = Math.abs(now - last.beatAt) >= BEAT_MS;
  const agents = agentViews(world, desired, snapshot, now);
  const nodesText = JSON.stringify(nodes.map(({ seenAt, ...node }) => node));
  // How an attempt gets on is told with the heartbeat; what an agent is, at once.
  const changed = agents.filter(
    (agent) => last.agents.get(agent.number) !== keyOf(agent) || (isBeat && agent.task !== null),
  );
  const state = nextState(world, desired, snapshot, plan);
  const placement = JSON.stringify({ ...desired.placement, unsized: desired.unsized });
  const isNews = nodesText !== last.nodes || placement !== last.placement || state !== snapshot.state;
  if (!isBeat && !isNews && changed.length === 0) return;
  if (!isBeat && !isNews && world.clock.monotonic() - last.at < MERGED_MS) return nudge(world);
  await inTransaction(world.ledger, async (tx) => {
    await saveSights(tx, isBeat || nodesText !== last.nodes ? nodes : [], changed);
    if (placement !== last.placement) await writeMeta(tx, 'placement', placement);
    if (isBeat) await beat(tx, world, desired, plan, agents, now);
    if (state !== snapshot.state) await moveFleet(tx, state, now);
    await record(tx, nodeNews(world, last.standings, now));
  });
  published.set(world, {
    beatAt: isBeat ? now : last.beatAt,
    at: world.clock.monotonic(),
    nodes: nodesText,
    standings: new Map([...world.sights.values()].map((sight) => [sight.name, standing(sight)])),
    placement,
    agents: new Map(agents.map((agent) => [agent.number, keyOf(agent)])),
  });
  if (state !== snapshot.state) world.wake();
}

/** Up, tried in vain, tried in vain too often; what else changes about a node is no news. */
function standing({ state, failures }: Sight): string {
  return state === 'unknown' && failures === 0 ? '' : state;
}

function nodeNews(world: World, before: Published['standings'], now: number): FleetEvent[] {
  return [...world.sights.values()]
    .filter((sight) => standing(sight) !== '' && standing(sight) !== before.get(sight.name))
    .map(({ name, state, evidence }) => ({
      at: now,
      kind: state === 'up' ? ('node_up' as const) : ('node_down' as const),
      node: name,
      data: { state, reason: printable(evidence).slice(0, 500) },
    }));
}

async function beat(
  tx: Writing,
  world: World,
  desired: Desired,
  plan: Plan,
  agents: readonly AgentView[],
  now: number,
): Promise<void> {
  await writeMeta(tx, 'beat', String(now));
  // Changes with every start: told with the beat alone, not with each tick.
  const waiting = Object.fromEntries(plan.waiting.map(({ task, reason }) => [task, reason]));
  await writeMeta(tx, 'waiting', JSON.stringify(waiting));
  const names = world.fleet.nodes.map(({ name }) => name);
  await tx
    .deleteFrom('node')
    .where('name', 'not in', names.length > 0 ? names : [''])
    .execute();
  // The fleet has shrunk: who still works stays until its end, and who had worked when it was last written does not.
  const placed = desired.agents.size;
  const working = agents.map(({ number }) => number).filter((number) => number > placed);
  await tx
    .deleteFrom('agent')
    .where('number', '>', placed)
    .where('number', 'not in', [0, ...working])
    .where('paused', '=', 0)
    .execute();
}

/** The fleet's own state machine, as far as it moves by itself. */
function nextState(world: World, desired: Desired, { state, open, ready }: Snapshot, plan: Plan): FleetState {
  // Where sizes are declared or remembered nobody waits for a node that is slow to answer: its agents have their places.
  const isEverySizeKnown = desired.unsized.every((name) => (world.sights.get(name)?.failures ?? 0) > 0);
  const isAnybodyHeard = [...world.sights.values()].some(({ link, failures }) => link || failures > 0);
  if (state === 'INITIALIZING' && isEverySizeKnown && isAnybodyHeard) return 'READY';
  if (state === 'READY' && (open.length > 0 || ready.length > 0)) return 'RUNNING';
  if (state === 'SCALING' && plan.openSessions.length === 0 && plan.closeSessions.length === 0) return 'RUNNING';
  if (state === 'DRAINING' && plan.closeSessions.length === 0 && open.every((attempt) => isBeyondReach(world, attempt)))
    return 'TERMINATED';
  return state;
}

/** Nothing that this controller waits for: parked, or to be ended at once on a node that is not heard. The next start takes it up. */
function isBeyondReach({ sights }: World, { isParked, stopping, node }: OpenAttempt): boolean {
  return isParked || (stopping === 'shutdown' && !isUp(sights.get(node)));
}

function keyOf({ since: _, evidence, ...agent }: AgentView): string {
  return JSON.stringify({ ...agent, evidence: evidence.split(PROGRESS_MARK)[0] });
}

function nodeView(world: World, name: string, now: number): NodeView {
  const node = world.fleet.nodes.find((each) => each.name === name);
  const sight = world.sights.get(name);
  return {
    name,
    state: sight?.state ?? 'unknown',
    via: node?.via.kind ?? 'local',
    vcpu: node?.vcpu ?? sight?.vcpu ?? null,
    memoryGiB: node?.memoryGiB ?? sight?.memoryGiB ?? null,
    boot: sight?.boot ?? null,
    epoch: sight?.epoch ?? 0,
    evidence: printable(evidenceOf(world, sight)),
    seenAt: sight && sight.heardAt > 0 ? Math.round(now - Math.max(0, world.clock.monotonic() - sight.heardAt)) : null,
  };
}

function evidenceOf({ clock }: World, sight: Sight | undefined): string {
  if (!sight) return 'not greeted yet';
  // The same text all the while: one that counts down would be news, and a write, in every tick.
  const isFull = clock.monotonic() < sight.fullUntil;
  return isFull ? `no room left on its disk: begins nothing for up to ${FULL_MS / 1000} s` : sight.evidence;
}

function agentViews(world: World, desired: Desired, snapshot: Snapshot, now: number): AgentView[] {
  const { open, paused } = snapshot;
  const attempts = new Map(open.map((attempt) => [attempt.agent, attempt]));
  const gone = open
    .filter(({ agent }) => !desired.agents.has(agent))
    .map(({ agent, node, kind }) => ({ number: agent, node, kind, category: null }));
  return [...desired.agents.values(), ...gone].map((agent) => {
    const attempt = attempts.get(agent.number);
    const sight = world.sights.get(agent.node);
    return {
      ...agent,
      ...(attempt === undefined && isOver(snapshot)
        ? { state: 'idle' as const, evidence: 'its window is closed, as the fleet stops' }
        : agentState(world, agent, sight, attempt, paused.has(agent.number))),
      task: attempt?.task ?? null,
      since: attempt?.intendedAt ?? now,
    };
  });
}

function agentState(
  world: World,
  agent: Agent,
  sight: Sight | undefined,
  attempt: OpenAttempt | undefined,
  isPaused: boolean,
): Pick<AgentView, 'state' | 'evidence'> {
  if (!isUp(sight)) return { state: 'unknown', evidence: sight?.evidence ?? 'its node was never seen' };
  if (attempt) {
    const rest = isPaused ? '; paused: gets nothing after it' : '';
    return { state: 'busy', evidence: `${busyEvidence(world, agent, sight, attempt)}${rest}` };
  }
  if (isPaused) return { state: 'paused', evidence: 'paused by a person' };
  if (!sight.hasTmux) return { state: 'idle', evidence: 'no tmux on the node: works, but cannot be attached to' };
  if (sight.sessions === null) return { state: 'starting', evidence: 'the node has not reported its windows yet' };
  const name = sessionName(world.fleet.name, agent.number);
  if (sight.sessions.has(name)) return { state: 'idle', evidence: `window ${name} is there` };
  return sight.made.has(name)
    ? { state: 'gone', evidence: `window ${name} is missing; being made` }
    : { state: 'starting', evidence: `window ${name} is being made` };
}

/** An old report must not look like a new one. */
function ageOf({ clock }: World, heardAt: number): string {
  const seconds = Math.round((clock.monotonic() - heardAt) / 1000);
  return seconds > 5 ? ` as told ${seconds} s ago` : '';
}

/** Process, transcript and window are three signals; each is said for itself. */
function busyEvidence(world: World, agent: Agent, sight: Sight, attempt: OpenAttempt): string {
  const what = `try ${attempt.ordinal} ${attempt.state}${attempt.stopping ? `, being ended: ${attempt.stopping}` : ''}`;
  const progress = sight.progress.get(attempt.id);
  const process = sight.attempts.has(attempt.id) ? 'held by its node' : 'being sent';
  const window = sight.sessions?.has(sessionName(world.fleet.name, agent.number)) ? 'window there' : 'window not seen';
  const transcript = progress
    ? `${progress.bytes} bytes of output, silent for ${progress.silentSeconds} s${ageOf(world, progress.heardAt)}`
    : 'no report of its output yet';
  return `${what}${PROGRESS_MARK}${transcript}, ${process}, ${window}; attempt ${attempt.id}`;
}
