import { basename } from 'node:path';
import { FleetError, toFleetError } from '../errors.ts';
import { readInbox, removeIntent, setAside, type Waiting, watchInbox } from '../ledger/inbox.ts';
import { inTransaction, type Writing } from '../ledger/ledger.ts';
import { readFleetState } from '../ledger/read.ts';
import { moveFleet, readIntentResult, saveIntent } from '../ledger/sights.ts';
import type { Intent, IntentResult } from '../ledger/view.ts';
import { distrustAll } from './observe.ts';
import { acknowledge } from './settle.ts';
import { mayMove } from './state.ts';
import type { Plan } from './step.ts';
import { tick } from './tick.ts';
import type { World } from './world.ts';

/** The loop: a tick when something happened, at once, and every few seconds when nothing did. */

const COALESCE_MS = 10;
const QUIET_MS_MAX = 5000;
const SCAN_MS = 1000;
const SLEPT_MS = 10_000;
const LEAVE_MS_MAX = 1000;

export interface RunSetting {
  world: World;
  /** Resolves whenever `world.wake` was called. */
  bell: Bell;
  /** Where intents come in; null: they are handed in by the caller alone. */
  inbox: string | null;
  /** Obeys one intent in the world given, whose ledger is a transaction. Throws a FleetError to refuse it. */
  obey: (intent: Intent, world: World) => Promise<unknown>;
  /** Told of every intent that was refused: whoever handed it in may be gone. */
  onRefused?: (intent: Intent, why: string) => void;
  signal: AbortSignal;
  /** Asked after every tick; true ends the loop. */
  isDone?: (plan: Plan) => Promise<boolean>;
}

/** A bell that remembers being rung while nobody listened. */
export interface Bell {
  ring(): void;
  /** Resolves when rung, or never; `clear` first. */
  rung(): Promise<void>;
  readonly isRinging: boolean;
  clear(): void;
}

export function createBell(): Bell {
  let ringing = false;
  let next = Promise.withResolvers<void>();
  return {
    ring: () => {
      ringing = true;
      next.resolve();
    },
    rung: () => next.promise,
    get isRinging() {
      return ringing;
    },
    clear: () => {
      ringing = false;
      next = Promise.withResolvers<void>();
    },
  };
}

/** Runs until the signal, until `isDone`, or until the fleet is TERMINATED. Agents' work goes on in every case. */
export async function run(setting: RunSetting): Promise<'stopped' | 'done' | 'terminated'> {
  const { world, bell, inbox, signal } = setting;
  await begin(world);
  const watcher = inbox === null ? undefined : await watchInbox(inbox, bell.ring);
  signal.addEventListener('abort', bell.ring);
  try {
    let drift = world.clock.now() - world.clock.monotonic();
    while (!signal.aborted) {
      bell.clear();
      const now = world.clock.now() - world.clock.monotonic();
      if (Math.abs(now - drift) > SLEPT_MS) distrustAll(world);
      drift = now;
      if (inbox !== null) await takeIntents(setting, inbox);
      const { plan, dueAt } = await tick(world);
      if ((await readFleetState(world.ledger)) === 'TERMINATED') return 'terminated';
      if (await setting.isDone?.(plan)) return 'done';
      await rest(setting, dueAt);
    }
    return 'stopped';
  } catch (error) {
    await fail(world, error);
    throw error;
  } finally {
    watcher?.close();
    signal.removeEventListener('abort', bell.ring);
    await takeLeave(world);
    for (const sight of world.sights.values()) sight.link?.close();
  }
}

/** Nodes hear what is in the ledger: whoever looks at them later must not take it for work that nobody knows of. */
async function takeLeave(world: World): Promise<void> {
  const enough = new AbortController();
  const told = Promise.all([...world.sights.values()].map(acknowledge));
  await Promise.race([told, world.clock.sleep(LEAVE_MS_MAX, enough.signal)]);
  enough.abort();
}

async function begin(world: World): Promise<void> {
  await inTransaction(world.ledger, (tx) => moveFleet(tx, 'INITIALIZING', world.clock.now()));
}

/** The last word of a loop that broke; when even the ledger cannot be written, the error itself has to do. */
async function fail(world: World, error: unknown): Promise<void> {
  const failure = toFleetError(error);
  if (failure.code === 'disk-full' || failure.code === 'ledger-unreadable') return;
  if (mayMove(await readFleetState(world.ledger), 'FAILED'))
    await inTransaction(world.ledger, (tx) => moveFleet(tx, 'FAILED', world.clock.now()));
}

/** Waits for the bell, for what comes due, or for the next look; then a moment more, so that what comes together is taken together. */
async function rest({ world, bell, inbox, signal }: RunSetting, dueAt: number | null): Promise<void> {
  const until = dueAt === null ? QUIET_MS_MAX : Math.max(COALESCE_MS, dueAt - world.clock.now());
  const woken = new AbortController();
  const longest = Math.min(until, inbox === null ? QUIET_MS_MAX : SCAN_MS);
  await Promise.race([bell.rung(), world.clock.sleep(longest, woken.signal)]);
  woken.abort();
  if (bell.isRinging && !signal.aborted) await world.clock.sleep(COALESCE_MS);
}

/** Takes in what others wished, each once, whatever was killed when. */
async function takeIntents(setting: RunSetting, folder: string): Promise<void> {
  for (const waiting of await readInbox(folder)) {
    if (waiting.is === 'refused') {
      await tellRefusal(setting.world, waiting);
      await setAside(folder, waiting.file);
      continue;
    }
    const result = await obeyOnce(setting, waiting.intent);
    if (!result.ok) setting.onRefused?.(waiting.intent, result.error.message);
    await removeIntent(waiting.file);
  }
}

/** Kept under the file's name, where whoever handed it in looks for the answer. */
async function tellRefusal(world: World, { file, reason }: Extract<Waiting, { is: 'refused' }>): Promise<void> {
  const id = basename(file, '.json');
  if (await readIntentResult(world.ledger, id)) return;
  const now = world.clock.now();
  const hint = 'It was set aside. If fleet was updated since the controller began: fleet stop, then fleet start.';
  const error = new FleetError('usage', `what was handed in cannot be read: ${reason}`, { hint }).toJSON();
  const intent = { id, operation: 'unknown', input: null, by: 'unknown', at: now };
  await inTransaction(world.ledger, (tx) => saveIntent(tx, intent, { ok: false, error }, now));
}

/**
 * Obeys an intent and keeps its result, in one transaction: a kill in between leaves neither. One that was obeyed before
 * gets the same result.
 */
export async function obeyOnce(
  { world, obey }: Pick<RunSetting, 'world' | 'obey'>,
  intent: Intent,
): Promise<IntentResult> {
  const before = await readIntentResult(world.ledger, intent.id);
  if (before) return before;
  const keep = async (tx: Writing, result: IntentResult) => {
    await saveIntent(tx, intent, result, world.clock.now());
    return result;
  };
  try {
    return await inTransaction(world.ledger, async (tx) =>
      keep(tx, { ok: true, output: (await obey(intent, { ...world, ledger: tx })) ?? null }),
    );
  } catch (error) {
    if (!(error instanceof FleetError) || error.code === 'disk-full') throw error;
    return inTransaction(world.ledger, (tx) => keep(tx, { ok: false, error: error.toJSON() }));
  }
}
