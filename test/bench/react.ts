import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { putIntent } from '../../controller/ledger/inbox.ts';
import { until } from '../rig/until.ts';
import type { Bench, Variant } from './bench.ts';
import { aFleet, type BenchFleet, removeFleet, standing } from './fleet.ts';
import { AGENTS, execAll, type Ground } from './ground.ts';
import { openControl } from './peers/control-master.ts';
import { begin, well } from './process.ts';
import { interleave } from './rounds.ts';
import { quantile } from './stats.ts';
import { judge } from './verdicts.ts';
import { wallClock } from './wall.ts';

/** One task at a time, handed in at a random moment, and how long until it runs. */

/** In all rounds together, at least. */
const TASKS = 400;
const QUICK_TASKS = 40;
const PAUSE_MS = { least: 100, more: 200 };
const BEGIN_MS_MAX = 20_000;

export const react: Bench = {
  name: 'react',
  title: `From handing a task in until it runs, on an idle fleet of ${AGENTS}`,
  run: async (options) => {
    const ground = await options.ground();
    const fleet = await aFleet(ground, { name: 'react' });
    const count = options.isQuick ? QUICK_TASKS : Math.ceil(TASKS / options.runs);
    const all: number[] = [];
    const measured = await interleave([handedIn(fleet, count, all), oneSsh(ground, count)], options);
    const of = (share: number) => (all.length === 0 ? undefined : quantile(all, share));
    return {
      parts: [
        { title: 'Until the task writes the time as its first act, the median of a round', unit: 'ms', measured },
      ],
      verdicts: [judge('p50', of(0.5), { atMost: 40 }, 'ms'), judge('p99', of(0.99), { atMost: 150 }, 'ms')],
      raw: { fleetMs: all },
    };
  },
};

const pause = () => delay(PAUSE_MS.least + Math.random() * PAUSE_MS.more);

function handedIn(fleet: BenchFleet, count: number, all: number[]): Variant {
  return {
    name: 'fleet',
    what: 'the intent put in the inbox, as `fleet submit` does, until the task writes',
    measure: async () => {
      const controller = await standing(fleet);
      try {
        await execAll(fleet.ground, 'rm -rf ~/.began; mkdir ~/.began');
        const handed = new Map<string, number>();
        const wall = wallClock();
        for (let index = 0; index < count; index += 1) {
          await pause();
          const id = randomUUID();
          handed.set(id, wall());
          const input = { tasks: [{ id, run: 'exec date +%s%N >~/.began/$FLEET_TASK' }] };
          await putIntent(fleet.state, { id, operation: 'submit', input, by: 'bench', at: Date.now() });
        }
        const began = await until('every task has begun', () => readBegan(fleet.ground, handed.keys()), BEGIN_MS_MAX);
        const after = [...handed].map(([id, at]) => (began.get(id) ?? Number.NaN) - at);
        all.push(...after);
        return { value: quantile(after, 0.5), detail: { p99Ms: quantile(after, 0.99) } };
      } finally {
        await removeFleet(fleet, controller);
      }
    },
  };
}

/** Wall times in ms that tasks wrote; undefined while one has not. */
async function readBegan(ground: Ground, ids: Iterable<string>): Promise<ReadonlyMap<string, number> | undefined> {
  const began = new Map<string, number>();
  for (const id of ids) {
    const texts = ground.hosts.map(({ home }) => readFile(join(home, '.began', id), 'utf8').catch(() => ''));
    const text = (await Promise.all(texts)).join('').trim();
    if (text === '') return undefined;
    began.set(id, Number(text) / 1e6);
  }
  return began;
}

/** What a person does who knows which host to take, and needs no record of it. */
function oneSsh(ground: Ground, count: number): Variant {
  return {
    name: 'one ssh',
    what: 'one `ssh` through a kept connection to a host one has chosen oneself',
    measure: async () => {
      await using control = await openControl(ground);
      const after: number[] = [];
      const wall = wallClock();
      for (let index = 0; index < count; index += 1) {
        await pause();
        const host = ground.hosts[index % ground.hosts.length]?.name ?? '';
        const at = wall();
        const call = begin([...control.words, host, 'exec date +%s%N'], { env: ground.env, cwd: ground.folder });
        after.push(Number((await well(call, 'ssh')).out) / 1e6 - at);
      }
      return { value: quantile(after, 0.5), detail: { p99Ms: quantile(after, 0.99) } };
    },
  };
}
