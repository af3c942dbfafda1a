import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../controller/clock.ts';
import { FleetError } from '../../controller/errors.ts';
import type { AttemptRecord } from '../../controller/node/journal.ts';
import { type Identity, type Link, openLink } from '../../controller/node/link.ts';
import type { NodeProgram } from '../../controller/node/program.ts';
import type { StartOrder } from '../../controller/node/shell.ts';
import type { Transport } from '../../controller/transport/transport.ts';

/** What a node owes its controller, whatever it is made of. */

/** A fresh node and the means to look at it. */
export interface Bench {
  transport: Transport;
  clock: Clock;
  program: NodeProgram;
  /** Waits until it is so. Throws after `seconds` of the bench's time. */
  until(is: () => boolean, seconds: number): Promise<void>;
  /** How often a tool really ran for the attempt. */
  runs(attempt: string): number;
  /** Removes the attempt's folder, as a careless tool may. */
  wipe(attempt: string): Promise<void>;
  close(): Promise<void>;
}

/** What tools do on every bench; a pretend node goes by the name, which is the prompt. */
export const DEEDS = {
  quick: 'echo hello',
  fails: 'echo oh >&2; exit 3',
  endless: 'exec sleep 1000',
  deaf: `trap '' TERM; while :; do sleep 1; done`,
} as const;
export type Deed = keyof typeof DEEDS;

export const FLEET = 'c';
const ME: Identity = { ledger: 'L1', machine: 'M1', epoch: 0, takeOver: false };

interface Talk {
  link: Link;
  records: AttemptRecord[];
  ends(attempt: string): Extract<AttemptRecord, { is: 'end' }>[];
}

async function greet({ transport, clock, program }: Bench, identity: Identity = ME): Promise<Talk> {
  const records: AttemptRecord[] = [];
  const setting = { fleet: FLEET, node: 'n', transport, program, clock, secondsMax: 20 };
  const link = await openLink(setting, identity, { onRecord: (record) => records.push(record), onReport: () => {} });
  const ends = (attempt: string) =>
    records.filter((record) => record.is === 'end').filter((end) => end.attempt === attempt);
  return { link, records, ends };
}

function order(talk: Talk, deed: Deed, different: Partial<StartOrder> = {}): StartOrder {
  const run = `echo "$FLEET_ATTEMPT" >>"$HOME/runs"\n${DEEDS[deed]}\n`;
  const launch = { words: [], env: {}, stdin: 'none' as const, gated: false, home: null, collect: null };
  const fixed = { agent: 1, timeoutSeconds: 600, silenceSeconds: 0, tool: 'command', launch, secrets: {} };
  return { attempt: randomUUID(), boot: talk.link.greeting.boot, run, prompt: deed, ...fixed, ...different };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => (error instanceof FleetError ? error.code : String(error)),
  );
}

export function describeNode(kind: string, openBench: () => Promise<Bench>): void {
  const on = (title: string, test: (bench: Bench) => Promise<void>) =>
    it.concurrent(title, async () => {
      const bench = await openBench();
      try {
        await test(bench);
      } finally {
        await bench.close();
      }
    });

  describe(`${kind} keeps its word: an attempt`, () => {
    on('sent twice runs once', async (bench) => {
      const talk = await greet(bench);
      const wanted = order(talk, 'quick');
      expect(await talk.link.start(wanted)).toBe('new');
      await bench.until(() => talk.ends(wanted.attempt).length > 0, 20);
      expect(await talk.link.start(wanted)).toBe('same');
      const other = order(talk, 'quick');
      await talk.link.start(other);
      await bench.until(() => talk.ends(other.attempt).length > 0, 20);
      expect(bench.runs(wanted.attempt)).toBe(1);
    });

    on('sent with another content under its id is refused', async (bench) => {
      const talk = await greet(bench);
      const wanted = order(talk, 'quick');
      await talk.link.start(wanted);
      expect(await codeOf(talk.link.start({ ...wanted, prompt: 'another' }))).toBe('protocol');
      await bench.until(() => talk.ends(wanted.attempt).length > 0, 20);
      expect(bench.runs(wanted.attempt)).toBe(1);
    });

    on('ended before it came can never begin', async (bench) => {
      const talk = await greet(bench);
      const wanted = order(talk, 'quick');
      expect(await talk.link.stop(wanted.attempt, 'cancelled')).toBe('buried');
      expect(await talk.link.start(wanted)).toBe('buried');
      const other = order(talk, 'quick');
      await talk.link.start(other);
      await bench.until(() => talk.ends(other.attempt).length > 0, 20);
      expect(bench.runs(wanted.attempt)).toBe(0);
    });

    on('meant for another boot does not begin', async (bench) => {
      const talk = await greet(bench);
      const wanted = order(talk, 'quick', { boot: 'before' });
      expect(await talk.link.start(wanted)).toBe('boot');
      expect(bench.runs(wanted.attempt)).toBe(0);
    });

    on('tells its exit code and leaves what it said', async (bench) => {
      const talk = await greet(bench);
      const good = order(talk, 'quick');
      const bad = order(talk, 'fails', { agent: 2 });
      await Promise.all([talk.link.start(good), talk.link.start(bad)]);
      await bench.until(() => talk.ends(good.attempt).length + talk.ends(bad.attempt).length === 2, 20);
      expect(talk.ends(good.attempt)[0]).toMatchObject({ how: 'exited', exit: 0, agent: 1, stop: null });
      expect(talk.ends(bad.attempt)[0]).toMatchObject({ how: 'exited', exit: 3, agent: 2, stop: null });
      expect(await talk.link.evidence(good.attempt)).toEqual({ out: 'hello\n', err: '', usage: '' });
      expect(await talk.link.evidence(bad.attempt)).toEqual({ out: '', err: 'oh\n', usage: '' });
    });

    on('asked to end ends, with the reason, also when it does not listen', async (bench) => {
      const talk = await greet(bench);
      const wanted = [order(talk, 'endless'), order(talk, 'deaf', { agent: 2 })];
      for (const each of wanted) await talk.link.start(each);
      await bench.until(() => wanted.every(({ attempt }) => bench.runs(attempt) === 1), 20);
      for (const { attempt } of wanted) expect(await talk.link.stop(attempt, 'cancelled')).toBe('stopping');
      await bench.until(() => wanted.every(({ attempt }) => talk.ends(attempt).length > 0), 20);
      for (const { attempt } of wanted) {
        expect(talk.ends(attempt)[0]).toMatchObject({ how: 'exited', stop: 'cancelled' });
        expect(await talk.link.stop(attempt, 'cancelled')).toBe('ended');
      }
    });

    on('past its time limit is ended by the node itself', async (bench) => {
      const talk = await greet(bench);
      const wanted = order(talk, 'endless', { timeoutSeconds: 2 });
      await talk.link.start(wanted);
      await bench.until(() => talk.ends(wanted.attempt).length > 0, 20);
      expect(talk.ends(wanted.attempt)[0]).toMatchObject({ stop: 'timeout' });
    });

    on('whose folder somebody removed is ended and told as lost', async (bench) => {
      const talk = await greet(bench);
      const wanted = order(talk, 'endless');
      await talk.link.start(wanted);
      await bench.until(() => bench.runs(wanted.attempt) === 1, 20);
      await bench.wipe(wanted.attempt);
      await bench.until(() => talk.ends(wanted.attempt).some(({ how }) => how === 'lost'), 50);
    });

    on('is told, open or ended, when a conversation begins, unless acknowledged', async (bench) => {
      const before = await greet(bench);
      const ended = order(before, 'quick');
      const going = order(before, 'endless', { agent: 2 });
      await before.link.start(ended);
      await before.link.start(going);
      await bench.until(() => before.ends(ended.attempt).length > 0 && bench.runs(going.attempt) === 1, 20);
      before.link.close();
      await before.link.ended;
      const after = await greet(bench);
      expect(after.records.filter(({ attempt }) => attempt === going.attempt)).toMatchObject([
        { is: 'open', agent: 2 },
      ]);
      expect(after.ends(ended.attempt)).toMatchObject([{ how: 'exited', exit: 0 }]);
    });

    on('that ended is told again until it is acknowledged, and then no more', async (bench) => {
      const first = await greet(bench);
      const wanted = order(first, 'quick');
      await first.link.start(wanted);
      await bench.until(() => first.ends(wanted.attempt).length > 1, 40);
      await first.link.acknowledge([wanted.attempt]);
      const second = await greet(bench);
      expect(second.ends(wanted.attempt)).toEqual([]);
    });

    on('sent in an old conversation does not begin once there is a new one', async (bench) => {
      const old = await greet(bench);
      const late = order(old, 'quick');
      const now = await greet(bench, { ...ME, epoch: old.link.greeting.epoch });
      expect(now.link.greeting.epoch).toBeGreaterThan(old.link.greeting.epoch);
      expect(await codeOf(old.link.start(late))).toMatch(/unreachable|locked/);
      await old.link.ended;
      const other = order(now, 'quick');
      await now.link.start(other);
      await bench.until(() => now.ends(other.attempt).length > 0, 20);
      expect(bench.runs(late.attempt)).toBe(0);
    });

    on('of another owner is refused with its greeting, unless that takes the node over', async (bench) => {
      const talk = await greet(bench);
      const stranger = { ...ME, ledger: 'L2' };
      expect(await codeOf(greet(bench, stranger))).toBe('owned-by-another');
      const wanted = order(talk, 'quick');
      expect(await talk.link.start(wanted)).toBe('new'); // the refused one disturbed nobody
      const taken = await greet(bench, { ...stranger, takeOver: true });
      expect(taken.link.greeting.epoch).toBeGreaterThan(talk.link.greeting.epoch);
      expect(await codeOf(greet(bench))).toBe('owned-by-another');
    });
  });
}
