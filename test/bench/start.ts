import { setTimeout as delay } from 'node:timers/promises';
import { agentLine, openRoll, type Roll } from './alive.ts';
import type { Bench, Measured, Options, Sample, Variant } from './bench.ts';
import { aFleet, type BenchFleet, cpuOfProcess, removeFleet, windowsOf } from './fleet.ts';
import { AGENTS, execAll, type Ground, type Host } from './ground.ts';
import { rssOf } from './memory.ts';
import { ansible } from './peers/ansible.ts';
import { batch } from './peers/batch.ts';
import { controlMaster } from './peers/control-master.ts';
import { naive } from './peers/naive.ts';
import { parallel } from './peers/parallel.ts';
import { type Job, lackOf, type Peer } from './peers/peer.ts';
import type { Begun } from './process.ts';
import { interleave, middle } from './rounds.ts';
import { judge, ratio } from './verdicts.ts';

const ALIVE_MS_MAX = 180_000;
const AFTER_END_MS = 5000;
const WINDOW_LOOK_MS = 10;
/** Rounds of those that take half a minute each. */
const SLOW_ROUNDS = 2;

export const start: Bench = {
  name: 'start',
  title: `${AGENTS} agents alive on seven hosts`,
  run: async (options) => {
    const ground = await options.ground();
    await using roll = await openRoll(ground);
    const fleet = await aFleet(ground, { name: 'start' });
    const peers = (options.isQuick ? [batch] : [batch, controlMaster, ansible, parallel, naive]).map((peer) =>
      startedBy(peer, ground, roll, AGENTS, peer === naive || peer === parallel ? SLOW_ROUNDS : undefined),
    );
    const variants = [startedByUs(fleet, roll), ...peers];
    await warmUp(variants, options);
    const measured = await interleave(variants, options);
    return {
      parts: [{ title: `Until ${AGENTS} agents are alive`, unit: 'ms', measured }],
      verdicts: verdictsOf(measured),
    };
  },
};

function verdictsOf(measured: readonly Measured[]) {
  const ours = middle(measured, 'fleet');
  const times = (name: string) => ratio(middle(measured, name), ours);
  return [
    judge('time ÷ ssh batch', ratio(ours, middle(measured, batch.name)), { atMost: 1.5 }),
    judge('GNU parallel ÷ time', times(parallel.name), { atLeast: 20 }),
    judge('Ansible ÷ time', times(ansible.name), { atLeast: 8 }),
    judge('naive ssh ÷ time', times(naive.name), { atLeast: 30 }),
  ];
}

/** The first round of anything reads programs from disk; it is not counted. */
export async function warmUp(variants: readonly Variant[], { say }: Pick<Options, 'say'>): Promise<void> {
  say('  warming up: the first two once, not counted');
  for (const variant of variants.slice(0, 2)) await variant.measure(-1);
}

const numbersTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** From spawning `fleet start`, with nothing of the fleet on any machine, until all agents' commands are alive. */
export function startedByUs(fleet: BenchFleet, roll: Roll): Variant {
  const { ground, agents } = fleet;
  return {
    name: 'fleet',
    what: '`fleet start`: connecting, the node program placed, windows, journal and ledger included',
    measure: async () => {
      await roll.clear();
      await fleet.submit(numbersTo(agents).map((number) => ({ id: `agent-${number}`, run: agentLine(number) })));
      const cpu = await ground.cpuUsed();
      const controller = fleet.start();
      try {
        const aliveAt = await whenAlive(roll, agents, controller);
        const at = await whenOpen(fleet, aliveAt);
        const sample = await sampleOf(ground, controller.at, at, cpu);
        const [controllerCpuMs, rssMb] = [await cpuOfProcess(controller.pid), await rssOf(controller.pid)];
        await roll.check(numbersTo(agents));
        return { ...sample, detail: { ...sample.detail, aliveMs: aliveAt - controller.at, controllerCpuMs, rssMb } };
      } finally {
        await removeFleet(fleet, controller);
      }
    },
  };
}

/** Monotonic ms when every agent's window is open, at the earliest `at`. */
async function whenOpen(fleet: BenchFleet, at: number): Promise<number> {
  const limit = at + ALIVE_MS_MAX;
  for (let seenAt = at; ; await delay(WINDOW_LOOK_MS), seenAt = performance.now()) {
    const count = await windowsOf(fleet);
    if (count >= fleet.agents) return seenAt;
    if (seenAt > limit) throw new Error(`${count} of ${fleet.agents} windows`);
  }
}

/** From spawning a peer until all its windows' commands are alive. */
export function startedBy(peer: Peer, ground: Ground, roll: Roll, agents: number, roundsMax?: number): Variant {
  const { name, what } = peer;
  return {
    ...{ name, what, lack: lackOf(peer) },
    ...(roundsMax === undefined ? {} : { roundsMax }),
    measure: async () => {
      await roll.clear();
      const jobs = windowJobs(ground.hosts, agents, peer !== batch);
      const cpu = await ground.cpuUsed();
      const begun = await peer.begin(ground, jobs);
      try {
        const at = await whenAlive(roll, agents, begun);
        const sample = await sampleOf(ground, begun.at, at, cpu);
        await begun.ended;
        await roll.check(numbersTo(agents));
        const windows = await execAll(ground, 'tmux list-sessions 2>/dev/null | wc -l');
        const count = windows.reduce((sum, text) => sum + Number(text), 0);
        if (count !== agents) throw new Error(`${count} windows instead of ${agents}`);
        return sample;
      } finally {
        begun.signal('SIGKILL');
        await begun.ended;
        await roll.kill();
        await execAll(ground, 'tmux kill-server 2>/dev/null; :');
        await peer.tidy?.(ground);
      }
    },
  };
}

/** What has ended brings nobody to life any more, but for who is on the way. */
async function whenAlive(roll: Roll, agents: number, begun: Begun): Promise<number> {
  const late = begun.ended.then(() => delay(AFTER_END_MS)).then(() => Number.NaN);
  const over = new AbortController();
  try {
    const at = await Promise.race([roll.whenAlive(agents, ALIVE_MS_MAX, over.signal), late]);
    if (Number.isNaN(at)) throw new Error('it ended before all were alive');
    return at;
  } catch (error) {
    const { out, err } = begun.said();
    throw new Error(`${(error as Error).message}; it said: ${troubleIn(err + out)}`, { cause: error });
  } finally {
    over.abort();
  }
}

/** The lines that tell of a failure, else the last ones. */
function troubleIn(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const bad = lines.filter((line) => /error|fail|unreachable|refused|denied/i.test(line));
  return (bad.length > 0 ? bad : lines).slice(-3).join('; ').slice(-300);
}

async function sampleOf(ground: Ground, from: number, to: number, cpuBefore: number): Promise<Sample> {
  return { value: to - from, detail: { machinesCpuMs: ((await ground.cpuUsed()) - cpuBefore) / 1000 } };
}

/** A window for each agent, dealt out over the hosts in turn; whole commands, or what a batch of windows makes of them. */
function windowJobs(hosts: readonly Host[], agents: number, isWhole: boolean): readonly Job[] {
  const most = Math.max(...hosts.map(({ slots }) => slots));
  const rounds = Array.from({ length: most }, (_, turn) => hosts.filter(({ slots }) => slots > turn));
  return rounds
    .flat()
    .slice(0, agents)
    .map((host, index) => {
      const [name, line] = [`agent-${index + 1}`, agentLine(index + 1)];
      return { name, host, line: isWhole ? `tmux new-session -d -s ${name} '${line}'` : line };
    });
}
