import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { desire } from '../../controller/fleet/desired.ts';
import type { NodeSight, Observation } from '../../controller/fleet/observation.ts';
import { decide } from '../../controller/fleet/plan.ts';
import { PER_LANE_MAX } from '../../controller/fleet/tick.ts';
import { readSnapshot } from '../../controller/ledger/read.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { aFleet, aNode } from '../support/builders.ts';

const TASKS = 100_000;
/** What ended long ago must not cost a tick anything. */
const ENDED = 50_000;
const AGENTS_EACH = 100;
const TICK_MS_MAX = 50;
const TICKS = 5;
/** Ticks before those that are measured: a controller runs for days, its first ones say nothing. */
const TICKS_TO_WARM_UP = 5;
const CATEGORIES = ['coding', 'business', 'research', 'support'];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fleet-scale-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('planning', () => {
  test(`10,000 agents and 100,000 queued tasks, the look into the ledger included, costs less than ${TICK_MS_MAX} ms a tick`, async () => {
    const costs: number[] = [];
    for (const agents of [100, 1000, 10_000]) {
      const { least, cpu, wall, look } = await costOfTick(agents);
      process.stdout.write(
        `planning ${agents} agents: ${cpu.toFixed(1)} ms of CPU a tick (look ${look.toFixed(1)}), ${wall.toFixed(1)} ms by the clock\n`,
      );
      costs.push(least);
    }
    expect(costs.at(-1)).toBeLessThan(TICK_MS_MAX);
  });
});

/** Milliseconds, medians; judged by the least CPU time of a tick: what else the machine does only ever adds to it. */
async function costOfTick(agents: number): Promise<{ least: number; cpu: number; wall: number; look: number }> {
  const path = join(folder, `${agents}.db`);
  const fleet = aFleet({
    nodes: nodeNames(agents).map((name) => aNode({ name, vcpu: AGENTS_EACH, memoryGiB: 2 * AGENTS_EACH })),
    agents: { count: agents, categories: CATEGORIES.map((name) => ({ name, share: 25, kind: null, strict: false })) },
  });
  const observation = everythingUp(agents);
  const free = fillLedger(path, agents);
  const ledger = openSqlite({ path, readOnly: true });
  const costs = { cpu: [] as number[], wall: [] as number[], look: [] as number[] };
  for (let round = 0; round < TICKS_TO_WARM_UP + TICKS; round += 1) {
    const begun = { cpu: cpuMs(), wall: performance.now() };
    const snapshot = await readSnapshot(ledger, 1_000_000, PER_LANE_MAX);
    costs.look.push(cpuMs() - begun.cpu);
    const plan = decide(fleet, desire(fleet, observation.nodes), observation, snapshot);
    costs.cpu.push(cpuMs() - begun.cpu);
    costs.wall.push(performance.now() - begun.wall);
    expect(snapshot.open).toHaveLength(agents - free);
    expect(plan.start).toHaveLength(free);
    expect(plan).toMatchObject({ send: [], stop: [], lose: [], openSessions: [], closeSessions: [] });
  }
  await ledger.destroy();
  return { least: Math.min(...costs.cpu), cpu: median(costs.cpu), wall: median(costs.wall), look: median(costs.look) };
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return values.slice(TICKS_TO_WARM_UP).toSorted((a, b) => a - b)[Math.floor(TICKS / 2)] ?? Number.NaN;
}

function nodeNames(agents: number): string[] {
  return Array.from({ length: agents / AGENTS_EACH }, (_, index) => `node${index}`);
}

const nodeOf = (agent: number) => `node${Math.floor((agent - 1) / AGENTS_EACH)}`;
const attemptOf = (agent: number) => `01990000-0000-7000-8000-${String(agent).padStart(12, '0')}`;

function everythingUp(agents: number): Observation {
  const nodes = nodeNames(agents).map((name, index): [string, NodeSight] => {
    const numbers = Array.from({ length: AGENTS_EACH }, (_, place) => index * AGENTS_EACH + place + 1);
    return [
      name,
      {
        name,
        state: 'up',
        boot: 'boot',
        vcpu: AGENTS_EACH,
        memoryGiB: 2 * AGENTS_EACH,
        hasTmux: true,
        sessions: new Set(numbers.map((number) => `test-${String(number).padStart(3, '0')}`)),
        attempts: new Set(numbers.map(attemptOf)),
        running: new Set(numbers.filter((number) => number <= agents - agents / 100).map(attemptOf)),
        wasOurs: true,
        unheardSince: null,
        fullUntil: 0,
        inFlight: new Set(),
        evidence: 'greeted',
      },
    ];
  });
  return { nodes: new Map(nodes), at: 1000, since: 0, isTakingOver: false };
}

/** A ledger of queued tasks in several lanes, and of open attempts on 99 of 100 agents. Gives the number of free agents. */
function fillLedger(path: string, agents: number): number {
  void openSqlite({ path, readOnly: false }).destroy();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN');
  database.exec("INSERT INTO meta VALUES ('state', 'RUNNING')");
  const task = database.prepare(
    `INSERT INTO task (id, hash, title, prompt, category, kind, priority, env, labels, state, not_before, deps_left, lane,
      is_restart, faults, platform_faults, waits, created_at)
      VALUES (?, '', '', 'p', ?, ?, ?, '{}', '[]', ?, 0, 0, ?, 0, 0, 0, 0, 0)`,
  );
  const addTask = (id: string, index: number, state: string) => {
    const category = CATEGORIES[index % CATEGORIES.length] ?? '';
    const kind = index % 8 < 4 ? 'command' : null;
    task.run(id, category, kind, index % 4, state, `${category}|${kind ?? ''}||`);
  };
  const attempt = database.prepare(
    `INSERT INTO attempt (id, task, agent, node, ordinal, kind, state, boot, hash, is_restart, intended_at, started_at)
      VALUES (?, ?, ?, ?, 1, 'command', 'started', 'boot', '', 0, 0, 0)`,
  );
  const ended = database.prepare(
    `INSERT INTO attempt (id, task, agent, node, ordinal, kind, state, boot, hash, is_restart, intended_at, started_at)
      VALUES (?, ?, 1, 'node0', 1, 'command', 'ended', 'boot', '', 0, 0, 0)`,
  );
  const free = agents / 100;
  for (let agent = 1; agent <= agents - free; agent += 1) {
    addTask(`running${agent}`, agent, 'running');
    attempt.run(attemptOf(agent), `running${agent}`, agent, nodeOf(agent));
  }
  for (let index = 0; index < ENDED; index += 1) {
    addTask(`done${index}`, index, 'completed');
    ended.run(`00000000-0000-7000-8000-${String(index).padStart(12, '0')}`, `done${index}`);
  }
  for (let index = 0; index < TASKS; index += 1) addTask(`queued${index}`, index, 'queued');
  database.exec('COMMIT');
  database.close();
  return free;
}
