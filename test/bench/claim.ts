import { mkdtemp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { startTasks } from '../../controller/fleet/apply/start.ts';
import { desire } from '../../controller/fleet/desired.ts';
import { decide } from '../../controller/fleet/plan.ts';
import { PER_LANE_MAX } from '../../controller/fleet/tick.ts';
import type { World } from '../../controller/fleet/world.ts';
import { readSnapshot } from '../../controller/ledger/read.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { machineClock } from '../../controller/machine.ts';
import type { Bench, Options, Sample } from './bench.ts';
import { AGENTS, MACHINES, share } from './ground.ts';
import { aWorldOfIdleAgents, forgetBegun } from './idle-world.ts';
import { endAll, queueTasks, sayRunning } from './queue.ts';
import { interleave, middle } from './rounds.ts';
import { quantile } from './stats.ts';
import { judge } from './verdicts.ts';

/** How fast queued tasks become attempts that are committed and handed to their nodes' connections. */

const TASKS = 100_000;
const CATEGORIES = ['coding', 'business', 'research', 'support'];
/** Ticks of one round, after some that warm up. */
const TICKS = 200;
const TICKS_TO_WARM_UP = 20;

export const claim: Bench = {
  name: 'claim',
  title: `Claims, ${TASKS.toLocaleString('en-US')} tasks queued, ledger on disk, synchronous = FULL`,
  run: async (options) => {
    const ticks: number[] = [];
    // Not in /tmp, which is memory on many machines.
    const folder = await mkdtemp(join(homedir(), '.bench-'));
    try {
      const measure = (round: number) => claimInTicks(join(folder, `${round}.db`), options, ticks);
      const measured = await interleave([{ name: 'fleet', what: WHAT, measure }], options);
      return {
        parts: [{ title: 'Claims', unit: 'a second', measured }],
        verdicts: [
          judge('claims a second', middle(measured, 'fleet'), { atLeast: 10_000 }),
          judge("one tick's claim, p99", ticks.length === 0 ? undefined : quantile(ticks, 0.99), { atMost: 20 }, 'ms'),
        ],
        raw: { tickMs: ticks.map((ms) => Number(ms.toFixed(3))) },
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

const WHAT = `ticks of ${AGENTS} claims: look into the ledger, plan, orders built, one transaction, handed over`;

/**
 * Ticks in which every agent is idle. Between two of them, not measured, all that ran ends and as many tasks are queued
 * anew; by the same connection, because another's writing would empty its cache.
 */
async function claimInTicks(path: string, { isQuick }: Options, all: number[]): Promise<Sample> {
  const ledger = openSqlite({ path, readOnly: false });
  const world = aWorldOfIdleAgents({ ledger, agents: share(AGENTS, MACHINES), categories: CATEGORIES });
  const times: number[] = [];
  try {
    await sayRunning(ledger);
    await queueTasks(ledger, 0, TASKS, CATEGORIES);
    for (let tick = 0; tick < (isQuick ? TICKS / 4 : TICKS) + TICKS_TO_WARM_UP; tick += 1) {
      const ms = await claimOnce(world);
      if (tick >= TICKS_TO_WARM_UP) times.push(ms);
      await endAll(ledger);
      forgetBegun(world);
      await queueTasks(ledger, TASKS + tick * AGENTS, AGENTS, CATEGORIES);
    }
  } finally {
    await ledger.destroy();
  }
  all.push(...times);
  const seconds = times.reduce((sum, ms) => sum + ms, 0) / 1000;
  return {
    value: (times.length * AGENTS) / seconds,
    detail: { tickP50Ms: quantile(times, 0.5), tickP99Ms: quantile(times, 0.99) },
  };
}

/** The part of a tick that claims. Milliseconds. */
async function claimOnce(world: World): Promise<number> {
  const begun = performance.now();
  const snapshot = await readSnapshot(world.ledger, world.clock.now(), PER_LANE_MAX);
  const observation = { nodes: world.sights, at: machineClock.monotonic(), since: 0, isTakingOver: false };
  const desired = desire(world.fleet, observation.nodes, world.memory.places);
  const plan = decide(world.fleet, desired, observation, snapshot);
  await startTasks(world, plan.start);
  const ms = performance.now() - begun;
  if (plan.start.length !== AGENTS) throw new Error(`${plan.start.length} claims in a tick, and not ${AGENTS}`);
  return ms;
}
