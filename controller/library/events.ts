import { iso } from '../clock.ts';
import type { Fleet } from '../config/fleet.ts';
import type { EventKind } from '../ledger/event.ts';
import type { Machine } from '../machine.ts';
import { openContext } from '../operations/ask.ts';
import type { Happening } from './fleet.ts';
import { inOurWords } from './session.ts';

const LOOK_MS = 100;
const ROWS_AT_ONCE = 500;

export interface Following {
  machine: Machine;
  fleet: Fleet;
  /** Place after which it begins; undefined: what happens from now on. */
  since: number | undefined;
  /** Asked at every look; throws to end it. */
  check(): void;
  signal: AbortSignal;
}

/** What happens, in order, until the signal. Where there is no ledger yet it waits for one. */
export function followEvents(following: Following): AsyncGenerator<Happening, void> {
  const { machine, fleet, since } = following;
  const start = since === undefined ? lastSeq(machine, fleet) : Promise.resolve(since); // now, not at the first look
  start.catch(() => {}); // told to whoever looks
  return eventsAfter(start, following);
}

async function* eventsAfter(
  start: Promise<number>,
  { machine, fleet, check, signal }: Following,
): AsyncGenerator<Happening, void> {
  let seq = await inOurWords(start);
  while (!signal.aborted) {
    check();
    const found = await inOurWords(readEvents(machine, fleet, seq));
    for (const each of found) {
      if (signal.aborted) return;
      seq = each.seq;
      yield each;
    }
    if (found.length < ROWS_AT_ONCE) await machine.clock.sleep(LOOK_MS, signal);
  }
}

async function lastSeq(machine: Machine, fleet: Fleet): Promise<number> {
  await using context = await openContext(machine, fleet);
  const row = await context.ledger
    ?.selectFrom('event')
    .select((of) => of.fn.max('seq').as('last'))
    .executeTakeFirst();
  return Number(row?.last ?? 0);
}

async function readEvents(machine: Machine, fleet: Fleet, since: number): Promise<Happening[]> {
  await using context = await openContext(machine, fleet);
  const rows = await context.ledger
    ?.selectFrom('event')
    .selectAll()
    .where('seq', '>', since)
    .orderBy('seq')
    .limit(ROWS_AT_ONCE)
    .execute();
  return (rows ?? []).map(({ at, kind, data, ...row }) => ({
    ...row,
    at: iso(at),
    kind: kind as EventKind,
    data: JSON.parse(data) as Happening['data'],
  }));
}
