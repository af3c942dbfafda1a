import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../rig/until.ts';
import { ROOT } from '../support/sources.ts';
import type { Bench, Sample, Variant } from './bench.ts';
import { watchCommits } from './commits.ts';
import { aFleet, type BenchFleet, removeFleet, standing } from './fleet.ts';
import { AGENTS, execAll, type Ground, type Host, writeAll } from './ground.ts';
import { batch } from './peers/batch.ts';
import { openControl } from './peers/control-master.ts';
import { begin, well } from './process.ts';
import { interleave } from './rounds.ts';
import { quantile } from './stats.ts';
import { judge, ratio } from './verdicts.ts';
import { wallClock } from './wall.ts';

/** Ends of attempts, spread at random, and how long until somebody on this side knows of each. */

/** Until all have begun; then they end one after another. */
const LEAD_SECONDS = 6;
const SPREAD_SECONDS = 20;
const LATE_MS_MAX = 30_000;
const POLL_MS = 1000;

/** Milliseconds from each end until it was known, of all rounds. */
interface Delays {
  parsed: number[];
  committed: number[];
  polled: number[];
  missed: number;
}

export const see: Bench = {
  name: 'see',
  title: `How soon an end is known, ${AGENTS} agents, ends spread over ${SPREAD_SECONDS} s`,
  run: async (options) => {
    const ground = await options.ground();
    const delays: Delays = { parsed: [], committed: [], polled: [], missed: 0 };
    const words = [join(ROOT, 'bin/node'), '--disable-warning=ExperimentalWarning', '--max-semi-space-size=4'];
    const controller = [...words, join(import.meta.dirname, 'tapped.ts')];
    const fleet = await aFleet(ground, { name: 'see', controller });
    await writeAll(ground, '.ender', `sleep "$2"\nexec date +%s%N >~/.ends/"$1"\n`);
    const measured = await interleave([seenByUs(fleet, delays), polled(ground, delays)], options);
    return {
      parts: [{ title: 'From an end until it is known, the median of a round', unit: 'ms', measured }],
      verdicts: verdictsOf(delays),
      raw: { parsedMs: delays.parsed, committedMs: delays.committed, polledMs: delays.polled },
    };
  },
};

function verdictsOf({ parsed, committed, polled: byPoll, missed }: Delays) {
  const of = (values: readonly number[], share: number) => (values.length === 0 ? undefined : quantile(values, share));
  return [
    judge('parsed, p50', of(parsed, 0.5), { atMost: 3 }, 'ms'),
    judge('parsed, p99', of(parsed, 0.99), { atMost: 20 }, 'ms'),
    judge('committed, p99', of(committed, 0.99), { atMost: 40 }, 'ms'),
    judge('ends missed', parsed.length === 0 ? undefined : missed, { atMost: 0 }),
    judge('1 Hz poll ÷ parsed, p50', ratio(of(byPoll, 0.5), of(parsed, 0.5)), { atLeast: 1 }),
  ];
}

const randomSeconds = () => (LEAD_SECONDS + Math.random() * SPREAD_SECONDS).toFixed(3);

function seenByUs(fleet: BenchFleet, delays: Delays): Variant {
  return {
    name: 'fleet',
    what: 'pushed over one stream per host; here: the line is parsed',
    measure: async (round) => {
      const controller = await standing(fleet);
      try {
        await execAll(fleet.ground, 'rm -rf ~/.ends; mkdir ~/.ends');
        using commits = watchCommits(join(fleet.state, 'ledger.db'));
        const tasks = Array.from({ length: AGENTS }, (_, index) => ({
          ...{ id: `see-${round}-${index}`, run: `sh ~/.ender "$FLEET_ATTEMPT" ${randomSeconds()}` },
        }));
        await fleet.submit(tasks);
        const limitMs = (LEAD_SECONDS + SPREAD_SECONDS) * 1000 + LATE_MS_MAX;
        await until('every end is in the ledger', () => commits.ended.size >= AGENTS, limitMs).catch(() => {});
        const ends = await readEnds(fleet.ground);
        controller.signal('SIGTERM');
        const { out } = await controller.ended;
        // Ends are told again until they are acknowledged: the first time counts.
        const parsed = new Map(out.split('\n').toReversed().map(pairOf));
        return sampleOf(ends, parsed, commits.ended, delays);
      } finally {
        await removeFleet(fleet, controller);
      }
    },
  };
}

function pairOf(line: string): [string, number] {
  const [attempt = '', at] = line.split(' ');
  return [attempt, Number(at)];
}

type Moments = ReadonlyMap<string, number>;

function sampleOf(ends: Moments, parsed: Moments, committed: Moments, delays: Delays): Sample {
  const after = (seen: Moments) =>
    [...ends].flatMap(([name, at]) => (seen.has(name) ? [(seen.get(name) ?? 0) - at] : []));
  const [toParsed, toCommitted] = [after(parsed), after(committed)];
  const missed = AGENTS - Math.min(toParsed.length, toCommitted.length);
  delays.parsed.push(...toParsed);
  delays.committed.push(...toCommitted);
  delays.missed += missed;
  const detail = {
    p99Ms: quantile(toParsed, 0.99),
    committedP50Ms: quantile(toCommitted, 0.5),
    committedP99Ms: quantile(toCommitted, 0.99),
    missed,
  };
  return { value: quantile(toParsed, 0.5), detail };
}

/** Wall times in ms at which things ended, by name, as they wrote themselves. */
async function readEnds(ground: Ground): Promise<Moments> {
  const ends = new Map<string, number>();
  for (const { home } of ground.hosts) {
    const folder = join(home, '.ends');
    for (const name of await readdir(folder)) {
      const text = await readFile(join(folder, name), 'utf8');
      ends.set(name, Number(text) / 1e6);
    }
  }
  return ends;
}

/** The same agents in windows, looked for once a second over a kept connection to each host. */
function polled(ground: Ground, delays: Delays): Variant {
  return {
    name: '1 Hz poll',
    what: '`ls` on every host once a second over a kept connection',
    measure: async () => {
      await execAll(ground, 'rm -rf ~/.ends; mkdir ~/.ends');
      await using control = await openControl(ground);
      const jobs = ground.hosts.flatMap((host) =>
        Array.from({ length: host.slots }, (_, index) => {
          const name = `${host.name}-${index}`;
          return { name, host, line: `sh ~/.ender ${name} ${randomSeconds()}` };
        }),
      );
      await using _windows = { [Symbol.asyncDispose]: async () => void (await execAll(ground, 'tmux kill-server; :')) };
      await well(await batch.begin(ground, jobs), 'windows');
      const seen = new Map<string, number>();
      const wall = wallClock();
      const limit = performance.now() + (LEAD_SECONDS + SPREAD_SECONDS) * 1000 + LATE_MS_MAX;
      for (let turn = performance.now(); seen.size < AGENTS && turn < limit; turn += POLL_MS) {
        await delay(Math.max(0, turn - performance.now()));
        await Promise.all(ground.hosts.map((host) => look(host, control.words, ground, seen, wall)));
      }
      const after = [...(await readEnds(ground))].map(([name, at]) => Math.max(0, (seen.get(name) ?? Infinity) - at));
      delays.polled.push(...after);
      return { value: quantile(after, 0.5), detail: { p99Ms: quantile(after, 0.99), missed: AGENTS - seen.size } };
    },
  };
}

async function look(
  { name }: Host,
  ssh: readonly string[],
  { env, folder: cwd }: Ground,
  seen: Map<string, number>,
  wall: () => number,
): Promise<void> {
  const { out } = await begin([...ssh, name, 'ls ~/.ends'], { env, cwd }).ended;
  const at = wall();
  for (const each of out.split('\n')) if (each !== '' && !seen.has(each)) seen.set(each, at);
}
