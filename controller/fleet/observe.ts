import { FleetError, toFleetError } from '../errors.ts';
import type { Greeting } from '../node/greeting.ts';
import type { AttemptRecord } from '../node/journal.ts';
import { type Link, type LinkEvents, openLink } from '../node/link.ts';
import type { Node } from '../node/node.ts';
import type { ReportLine } from '../node/report.ts';
import type { Observation } from './observation.ts';
import { acknowledgeLate, takeRecords } from './settle.ts';
import { keepTunnels } from './tunnel.ts';
import { newSight, nudge, type Sight, type World } from './world.ts';

/** Nodes are greeted, listened to and given up here; what they say goes into the ledger by `settle.ts`. */

const SILENT_MS_MAX = 15_000;
const BACKOFF_MS = [0, 200, 500, 1000, 2000, 5000];
const FAILURES_UNTIL_DEGRADED = 5;
const ANSWER_SECONDS_MAX = 30;
const TAKE_OVER_MS_MAX = 60_000;
/** Attempts that a node may speak of at once; whoever runs there can write its journal. */
const WORDS_MAX = 20_000;
const FLOOD_MS = 60_000;

/** What is known now. Begins connections that are due; takes what nodes said into the ledger. */
export async function observe(world: World): Promise<Observation> {
  const at = world.clock.monotonic();
  const nodes = new Map(world.fleet.nodes.map((node) => [node.name, node]));
  for (const sight of world.sights.values()) if (!isSameNode(sight, nodes.get(sight.name))) forget(world, sight);
  for (const node of nodes.values()) {
    const sight = world.sights.get(node.name) ?? meet(world, node, at);
    sight.node = node;
    keepLink(world, sight);
    acknowledgeLate(world, sight);
  }
  await takeRecords(world);
  return {
    nodes: world.sights,
    at: world.clock.monotonic(),
    since: world.memory.since,
    isTakingOver: world.identity.takeOver,
  };
}

function meet(world: World, node: Node, now: number): Sight {
  const sight = { ...newSight(node, world.openTransport(node), now), ...world.memory.nodes.get(node.name) };
  world.sights.set(node.name, sight);
  return sight;
}

function isSameNode(sight: Sight, node: Node | undefined): boolean {
  return node !== undefined && (node === sight.node || JSON.stringify(node.via) === JSON.stringify(sight.node.via));
}

function keepLink(world: World, sight: Sight): void {
  const now = world.clock.monotonic();
  if (sight.link && now - sight.heardAt > SILENT_MS_MAX) {
    lose(sight, `silent for ${Math.round((now - sight.heardAt) / 1000)} s`, now);
  }
  keepTunnels(world, sight);
  if (sight.link || sight.connecting || now < sight.retryAt) return;
  sight.connecting = true;
  world.track(connect(world, sight));
}

function forget(world: World, sight: Sight): void {
  world.sights.delete(sight.name);
  sight.link?.close();
  world.track(sight.transport.close());
}

/** Closes what is left of a link: from now on nothing is known of the node. */
function lose(sight: Sight, why: string, now: number): void {
  sight.unheardSince ??= now; // from when we noticed: it is we who may have been asleep
  sight.link?.close();
  sight.link = null;
  sight.boot = null;
  sight.state = sight.failures >= FAILURES_UNTIL_DEGRADED ? 'degraded' : 'unknown';
  sight.evidence = why;
  sight.sessions = null;
  sight.records = [];
  sight.settled = new Map();
  sight.running = new Set();
  sight.inFlight = new Set();
  sight.asked = new Map();
}

async function connect(world: World, sight: Sight): Promise<void> {
  const { transport } = sight;
  const { clock, fleet, program } = world;
  const { heard, events } = listen(world, sight);
  try {
    const setting = { fleet: fleet.name, node: sight.name, transport, program, clock, secondsMax: ANSWER_SECONDS_MAX };
    const takeOver = mayTakeOver(world, sight);
    const link = await openLink(setting, { ...world.identity, takeOver, epoch: sight.epoch }, events);
    if (world.sights.get(sight.name) !== sight) return link.close(); // it left the fleet meanwhile
    refuseTwin(world, sight, link);
    heard.link = link;
    const { greeting } = link;
    Object.assign(sight, {
      link,
      wasOurs: true,
      tunnels: new Map(),
      tunnelsAt: Number.NEGATIVE_INFINITY,
      telling: new Set(),
      prepared: new Map(),
      unheardSince: null,
      refusal: null,
      state: 'up',
      failures: 0,
      boot: greeting.boot,
      epoch: greeting.epoch,
      vcpu: greeting.vcpu,
      memoryGiB: greeting.memoryKiB / 1_048_576,
      hasTmux: greeting.tmux !== '',
      jq: greeting.jq,
      attempts: heard.attempts,
      running: heard.running,
      records: heard.records,
      heardAt: clock.monotonic(),
      evidence: standingOf(greeting),
    });
    world.track(link.ended.then((why) => linkEnded(world, sight, link, why)));
  } catch (error) {
    sight.failures += 1;
    sight.retryAt = clock.monotonic() + backoff(world, sight.failures);
    const failure = toFleetError(error);
    sight.refusal = failure.code === 'owned-by-another' ? failure : null;
    if (failure.code === 'config-invalid') sight.retryAt = Number.POSITIVE_INFINITY; // every try would disturb its twin
    if (sight.refusal && sight.wasOurs) world.memory = { ...world.memory, isTakenOver: true };
    lose(sight, failure.hint ? `${failure.message}. ${failure.hint}` : failure.message, clock.monotonic());
  } finally {
    sight.connecting = false;
    world.wake();
  }
}

/** Two nodes that are one machine would take it from each other for ever. */
function refuseTwin({ sights }: World, sight: Sight, link: Link): void {
  const { boot, folder } = link.greeting;
  const twin = [...sights.values()].find(
    (each) => each !== sight && folder !== '' && each.place === `${boot} ${folder}`,
  );
  if (!twin) {
    sight.place = `${boot} ${folder}`;
    return;
  }
  link.close();
  throw new FleetError('config-invalid', `${sight.name} and ${twin.name} are one and the same machine`, {
    hint: 'Take one of them out of the fleet file, then fleet reload.',
  });
}

/**
 * A person's word to take nodes over counts for a minute, and not after a node of ours follows another: whoever has them
 * then was told so by a person who came later.
 */
function mayTakeOver({ identity, memory, clock }: World, sight: Sight): boolean {
  const isFresh = clock.monotonic() - memory.since < TAKE_OVER_MS_MAX;
  return identity.takeOver && isFresh && !memory.isTakenOver && !sight.wasOurs;
}

/** Folder lines come before the greeting's answer: collected aside, so that a failed greeting leaves nothing behind. */
function listen(world: World, sight: Sight) {
  const heard = {
    link: null as Sight['link'],
    records: [] as AttemptRecord[],
    attempts: new Set<string>(),
    running: new Set<string>(),
  };
  const events: LinkEvents = {
    onRecord: (record) => {
      if (heard.link) return heard.link === sight.link ? takeWord(world, sight, record) : undefined;
      heard.records.push(record);
      note(heard, record);
    },
    onReport: (line) => takeReport(world, sight, line),
  };
  return { heard, events };
}

function standingOf({ epoch, holds }: Greeting): string {
  const doubt = holds === 'session' ? '; a log-out there may end its agents: sudo loginctl enable-linger USER' : '';
  return `greeted, epoch ${epoch}${doubt}`;
}

function linkEnded(world: World, sight: Sight, link: Sight['link'], why: string): void {
  if (sight.link !== link) return;
  sight.failures += 1;
  sight.retryAt = world.clock.monotonic() + backoff(world, sight.failures);
  lose(sight, `the connection ended: ${why}`, world.clock.monotonic());
  world.wake();
}

/** Grows, is bounded, and is never the same for two nodes. */
function backoff(world: World, failures: number): number {
  const base = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)] ?? 5000;
  return base * (0.75 + ((world.random(1)[0] ?? 0) / 256) * 0.5);
}

export function takeWord(world: World, sight: Sight, record: AttemptRecord): void {
  sight.heardAt = world.clock.monotonic();
  note(sight, record);
  sight.records.push(record);
  if (record.is === 'end') world.wake();
  else nudge(world);
  if (Math.max(sight.records.length, sight.running.size, sight.attempts.size) <= WORDS_MAX) return;
  sight.failures += 1;
  sight.retryAt = sight.heardAt + FLOOD_MS;
  lose(sight, 'its journal is flooded with attempts that nobody began', sight.heardAt);
}

function note(at: { attempts: Set<string>; running: Set<string> }, { attempt, is }: AttemptRecord): void {
  at.attempts.add(attempt);
  if (is === 'end') at.running.delete(attempt);
  else at.running.add(attempt);
}

function takeReport(world: World, sight: Sight, line: ReportLine): void {
  const now = world.clock.monotonic();
  sight.heardAt = now;
  if (line.is === 'machine') sight.machine = { load: line.load, availableKiB: line.availableKiB };
  else if (line.is === 'attempt')
    sight.progress.set(line.attempt, { silentSeconds: line.silentSeconds, bytes: line.bytes, heardAt: now });
  else {
    const names = new Set(line.names);
    const changed =
      sight.sessions === null ||
      sight.hasTmux !== (line.names !== null) ||
      names.size !== sight.sessions.size ||
      [...names].some((name) => !sight.sessions?.has(name));
    sight.hasTmux = line.names !== null;
    sight.sessions = names;
    for (const name of names) sight.made.add(name);
    if (changed) world.wake();
  }
}

/** The controller's machine slept: whatever was known is old, and is looked at again. */
export function distrustAll(world: World): void {
  for (const sight of world.sights.values()) {
    sight.retryAt = 0;
    lose(sight, 'this machine slept; looked at again', world.clock.monotonic());
  }
}
