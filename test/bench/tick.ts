import { mkdtemp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { tick as turn } from '../../controller/fleet/tick.ts';
import type { World } from '../../controller/fleet/world.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { machineClock } from '../../controller/machine.ts';
import type { Bench, Options, Sample, Variant } from './bench.ts';
import { aWorldOfIdleAgents } from './idle-world.ts';
import { attemptOf, occupy, sayRunning } from './queue.ts';
import { interleave } from './rounds.ts';

/** What one tick costs in which nothing happens, by the size of the fleet: for docs/scale.md. */

export const AGENTS_EACH = 28;
export const SIZES = [7, 50, 500];
const TICKS = 100;
const TICKS_TO_WARM_UP = 10;

export const tick: Bench = {
  name: 'tick',
  title: `One tick, every agent at work, ${AGENTS_EACH} agents a node`,
  run: async (options) => {
    const folder = await mkdtemp(join(homedir(), '.bench-'));
    try {
      const variants = SIZES.map(
        (nodes): Variant => ({
          name: `${nodes} nodes`,
          what: `${(nodes * AGENTS_EACH).toLocaleString('en-US')} agents; observe, desire, plan, apply, publish`,
          measure: (round) => costOf(nodes, join(folder, `${nodes}-${round}.db`), options),
        }),
      );
      const measured = await interleave(variants, options);
      return { parts: [{ title: 'CPU of one tick', unit: 'ms', measured }], verdicts: [] };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** The mean of some ticks: milliseconds of this thread's CPU, which is counted too coarsely for one, and by the clock. */
async function costOf(nodes: number, path: string, { isQuick }: Options): Promise<Sample> {
  const ledger = openSqlite({ path, readOnly: false });
  const agents = Array.from({ length: nodes }, () => AGENTS_EACH);
  const world = aWorldOfIdleAgents({ ledger, agents, categories: ['coding'] });
  const count = isQuick ? TICKS / 4 : TICKS;
  try {
    await sayRunning(ledger);
    await occupy(ledger, world.memory.places);
    for (const [number, node] of world.memory.places)
      for (const set of ['attempts', 'running'] as const) world.sights.get(node)?.[set].add(attemptOf(number));
    for (let index = 0; index < TICKS_TO_WARM_UP; index += 1) await turnQuietly(world);
    const begun = { cpu: cpuMs(), wall: performance.now() };
    for (let index = 0; index < count; index += 1) await turnQuietly(world);
    const byTheClockMs = (performance.now() - begun.wall) / count;
    return { value: (cpuMs() - begun.cpu) / count, detail: { byTheClockMs } };
  } finally {
    await ledger.destroy();
  }
}

async function turnQuietly(world: World): Promise<void> {
  for (const sight of world.sights.values()) sight.heardAt = machineClock.monotonic();
  const { plan } = await turn(world);
  const steps = plan.start.length + plan.send.length + plan.stop.length + plan.lose.length;
  if (steps > 0) throw new Error(`${steps} steps in a tick that has nothing to do`);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
