import { toolOf } from '../agent/tools/index.ts';
import type { Evidence, Reading, Tool } from '../agent/tools/tool.ts';
import { toFleetError } from '../errors.ts';
import { type Settlement, settleAttempts, startAttempts } from '../ledger/attempts.ts';
import { inTransaction } from '../ledger/ledger.ts';
import { readAttempts, readTasks } from '../ledger/read.ts';
import type { AttemptView } from '../ledger/view.ts';
import type { AttemptRecord } from '../node/journal.ts';
import { FAULT_OF, isOpen } from '../task/attempt.ts';
import { afterAttempt, seedOf } from '../task/retry.ts';
import type { Task } from '../task/task.ts';
import { type Sight, stopKey, type World } from './world.ts';

/** Takes what nodes said of attempts into the ledger: read the evidence, decide what it means, commit, acknowledge. */

const TAKEN_AT_ONCE_MAX = 200;
const READ_AT_ONCE_MAX = 16;
/** Longest that a tick waits for the evidence of ends. */
const TAKING_MS_MAX = 100;
const ACKNOWLEDGED_MS = 500;
/** How long a node whose disk was full begins nothing. */
export const FULL_MS = 30_000;

type EndRecord = Extract<AttemptRecord, { is: 'end' }>;

/** A node that answers slowly is waited for only a moment: what it has to say is taken in beside the next ticks. */
export async function takeRecords(world: World): Promise<void> {
  const enough = new AbortController();
  const takings = [...world.sights.values()].flatMap((sight) => beginTaking(world, sight, enough.signal) ?? []);
  if (takings.length === 0) return;
  await Promise.race([Promise.all(takings), world.clock.sleep(TAKING_MS_MAX, enough.signal)]);
  enough.abort();
}

/** `over`: the tick that began it went on without it. */
function beginTaking(world: World, sight: Sight, over: AbortSignal): Promise<void> | undefined {
  if (sight.isTaking || !sight.link || sight.records.length === 0) return undefined;
  sight.isTaking = true;
  const taking = takeFrom(world, sight, over).finally(() => {
    sight.isTaking = false;
    if (sight.records.length > 0) world.wake();
  });
  world.track(taking);
  return taking.catch(() => {}); // whoever tracks it hears of its failure
}

async function takeFrom(world: World, sight: Sight, over: AbortSignal): Promise<void> {
  const { link } = sight;
  if (!link || sight.records.length === 0) return;
  const records = sight.records.splice(0, TAKEN_AT_ONCE_MAX);
  const ends = [...new Map(records.filter((record) => record.is === 'end').map((end) => [end.attempt, end])).values()];
  const readings = await readEnds(world, sight, ends);
  const settlements = readings.filter((reading) => typeof reading === 'object');
  const told = ends.filter((_, index) => readings[index] !== 'later');
  const now = world.clock.now();
  await inTransaction(world.ledger, async (tx) => {
    for (const [startedAt, begun] of Map.groupBy(records, (record) => beginningOf(record, now)))
      if (startedAt !== null)
        await startAttempts(
          tx,
          sight.name,
          begun.map(({ attempt }) => attempt),
          now,
          startedAt,
        );
    await settleAttempts(tx, settlements, now);
  });
  for (const { attempt } of told) {
    sight.progress.delete(attempt);
    sight.asked.delete(stopKey(attempt));
  }
  if (settlements.some(({ reading }) => reading.verdict === 'disk')) restUntilRoom(world, sight);
  if (sight.link === link) keepSettled(world, sight, told);
  if (settlements.length > 0 && over.aborted) world.wake();
}

/** When an attempt must have begun of which a node says this; null: it may not have. */
function beginningOf(record: AttemptRecord, now: number): number | null {
  if (record.is !== 'end') return now;
  return record.how === 'exited' ? now - record.seconds * 1000 : null;
}

/** A node whose disk is full would take every task there is, and fail it: others take them meanwhile. */
export function restUntilRoom(world: World, sight: Sight): void {
  sight.fullUntil = world.clock.monotonic() + FULL_MS;
}

function keepSettled(world: World, sight: Sight, ends: readonly EndRecord[]): void {
  if (sight.settled.size === 0) sight.settledAt = world.clock.monotonic();
  for (const { agent, attempt } of ends) {
    letGo(sight, agent, attempt);
    sight.settled.set(agent, attempt);
  }
}

/** The agent has a later attempt: what it had before is acknowledged by that. */
export function letGo(sight: Sight, agent: number, attempt: string): void {
  const former = sight.settled.get(agent);
  if (former === undefined || former === attempt) return;
  sight.settled.delete(agent);
  sight.attempts.delete(former);
}

/** Not each end by itself, and not yet: an agent's next attempt acknowledges its last one. */
export function acknowledgeLate(world: World, sight: Sight): void {
  const isDue = world.clock.monotonic() - sight.settledAt >= ACKNOWLEDGED_MS;
  if (sight.settled.size > 0 && isDue) world.track(acknowledge(sight));
}

/** Lost with the link: the node tells the ends again at the next greeting. */
export async function acknowledge(sight: Sight): Promise<void> {
  const attempts = [...sight.settled.values()];
  sight.settled = new Map();
  if (!sight.link || attempts.length === 0) return;
  try {
    await sight.link.acknowledge(attempts);
    for (const attempt of attempts) sight.attempts.delete(attempt);
  } catch (error) {
    sight.evidence = toFleetError(error).message;
  }
}

/** What each end means; `later` where the evidence cannot be had now, `known` where the ledger has it already. */
async function readEnds(world: World, sight: Sight, ends: readonly EndRecord[]): Promise<readonly EndReading[]> {
  const readings: EndReading[] = [];
  for (let index = 0; index < ends.length; index += READ_AT_ONCE_MAX) {
    const batch = ends.slice(index, index + READ_AT_ONCE_MAX);
    const attempts = await readAttempts(world.ledger, {
      ids: batch.map(({ attempt }) => attempt),
      limit: batch.length,
    });
    const ids = attempts.map(({ task }) => task);
    const tasks = new Map((await readTasks(world.ledger, { ids, limit: ids.length })).map((task) => [task.id, task]));
    const known = new Map(attempts.map((attempt) => [attempt.id, attempt]));
    const read = (end: EndRecord) => {
      const attempt = known.get(end.attempt);
      return readEnd(world, sight, end, attempt, tasks.get(attempt?.task ?? ''));
    };
    readings.push(...(await Promise.all(batch.map(read))));
  }
  return readings;
}

type EndReading = Settlement | 'later' | 'known';

async function readEnd(
  world: World,
  sight: Sight,
  end: EndRecord,
  attempt: AttemptView | undefined,
  task: Task | undefined,
): Promise<EndReading> {
  // Only its own node can tell of an attempt: a copied folder on another one proves nothing.
  if (!attempt || !isOpen(attempt.state) || attempt.node !== sight.name) return 'known';
  const evidence = await gather(sight, end);
  if (!evidence) return 'later';
  const kind = world.fleet.kinds.find(({ name }) => name === attempt.kind);
  const tool = kind ? toolOf(kind) : undefined;
  const isUnread = end.how === 'never' || !tool;
  const reading = isUnread ? unreadable(end, attempt) : readingOf(tool, evidence, attempt);
  const seconds = end.how === 'exited' ? end.seconds : null;
  const isResumable = tool?.resumable ?? false;
  return { ...settlementOf(world, { attempt, task, reading, exit: evidence.exit, isResumable }), seconds };
}

async function gather(sight: Sight, end: EndRecord): Promise<Evidence | undefined> {
  const nothing = { out: '', err: '', usage: '' };
  const killed = end.exit !== null && end.exit > 128 && end.exit <= 192;
  try {
    const isBare = end.how === 'never' || !end.left;
    const files = isBare ? nothing : ((await sight.link?.evidence(end.attempt)) ?? undefined);
    return (
      files && {
        ...files,
        exit: killed ? null : end.exit,
        signal: killed && end.exit !== null ? end.exit - 128 : null,
        stop: end.stop,
        lost: end.how === 'lost',
      }
    );
  } catch (error) {
    sight.evidence = toFleetError(error).message;
    return undefined;
  }
}

/** One that ended before it said a word, but not because it could not go on, still has what it was to go on with. */
function readingOf(tool: Tool, evidence: Evidence, { conversation }: AttemptView): Reading {
  const reading = tool.read(evidence);
  return evidence.out === '' && reading.verdict !== 'launch' ? { ...reading, conversation } : reading;
}

/** What never began has changed nothing in the conversation that it was to go on with. */
function unreadable(end: EndRecord, { kind, conversation: resumed }: AttemptView): Reading {
  const [message, conversation] =
    end.how === 'never'
      ? ['it never began on its node', resumed]
      : [`its kind ${kind} is not in the fleet file any more`, null];
  const verdict = end.stop === 'cancelled' ? 'cancelled' : end.stop === null ? 'lost' : 'restarted';
  return { verdict, message, answer: null, conversation, usage: [], retryAfterSeconds: null };
}

interface Ended {
  attempt: AttemptView;
  task: Task | undefined;
  reading: Reading;
  exit: number | null;
  isResumable: boolean;
}

/** What the end means for the task. Also for ends without evidence: a lost attempt, a buried one. */
export function settlementOf(world: World, { attempt, task, reading, exit, isResumable }: Ended): Settlement {
  const { retries, platformRetries } = world.fleet.tasks;
  const fault = FAULT_OF[reading.verdict];
  return {
    attempt: attempt.id,
    state:
      reading.verdict === 'cancelled' || reading.verdict === 'restarted'
        ? 'cancelled'
        : reading.verdict === 'lost'
          ? 'lost'
          : 'ended',
    reading: { ...reading, conversation: reading.conversation ?? null },
    exit,
    seconds: null,
    after: afterAttempt({
      policy: { retries: task?.retries ?? retries, platformRetries },
      counters: { faults: task?.faults ?? 0, platformFaults: task?.platformFaults ?? 0, waits: task?.waits ?? 0 },
      verdict: reading.verdict,
      message: reading.message,
      retryAfterSeconds: reading.retryAfterSeconds,
      seed: seedOf(attempt.id),
      now: world.clock.now(),
    }),
    resume: isResumable && (fault === 'platform' || fault === 'wait' || fault === 'person'),
  };
}
