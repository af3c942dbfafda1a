import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { list } from '../../controller/operations/list.ts';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { describeWith } from '../support/capability.ts';
import { createChance } from '../support/chance.ts';
import { aPerson, type Person, processesOf, statusOf, tasksText, windowsOf, wordsOf } from './person.ts';
import { type Part, readIfThere, strike } from './strike.ts';

const SEED = 20_261;
const TASKS = 60;
/** Handed in one after the other, so that something is under way at every kill. */
const BATCHES = 5;
const CONTROLLER_KILLS = 30;
/** Longest life of a controller between two kills; some die before they hold the lock, some in the midst of a tick. */
const LIFE_MS_MAX = 1500;
const STRIKE_MS_MAX = 300;
const AGENTS = 6;

const evidenceOf = ({ desk }: Person) => {
  const text = readIfThere(join(desk, 'evidence'));
  return text.split('\n').filter((line) => line !== '');
};

/** Each writes its id when it has worked, and leaves a process behind that nobody asked for. */
function tasks({ desk }: Person, from: number, count: number, random: () => number) {
  return Array.from({ length: count }, (_, index) => {
    const id = `task-${String(from + index).padStart(2, '0')}`;
    const seconds = (0.2 + 0.3 * random()).toFixed(2);
    return { id, run: `setsid sleep 300 & sleep ${seconds}; echo ${id} >> ${desk}/evidence` };
  });
}

/** Asks the status again and again and holds it against what is known otherwise. */
async function watch(person: Person, progress: { accepted: number; isOver: boolean }) {
  const seen = { looks: 0, blind: 0 };
  let most = 0;
  while (!progress.isOver) {
    const least = progress.accepted;
    const status = await statusOf(person);
    const total = Object.values(status.tasks).reduce((sum, count) => sum + count, 0);
    seen.looks += 1;
    if (status.controller === null) {
      seen.blind += 1;
      const states = [...status.nodes, ...status.agents].map(({ state }) => state);
      expect(states.filter((state) => state !== 'unknown')).toEqual([]);
    }
    // What a submit was answered for is there for ever; what was kept without a controller is an intent that waits.
    expect(total + status.intentsWaiting * TASKS).toBeGreaterThanOrEqual(least);
    expect(total).toBeGreaterThanOrEqual(most);
    expect(total % (TASKS / BATCHES)).toBe(0);
    most = total;
    const { tasks: done = [] } = await person.ask(list.output, 'list', 'tasks', '--state', 'completed');
    const evidence = new Set(evidenceOf(person));
    expect(done.filter(({ id }) => !evidence.has(id)).map(({ id }) => id)).toEqual([]);
  }
  return seen;
}

/** Kills the first of these parts, waiting a little for one that may be killed, else any that is there. */
async function strikeSoon(
  person: Person,
  parts: readonly Part[],
): Promise<{ part: Part; cost: string | true } | undefined> {
  const limit = performance.now() + STRIKE_MS_MAX;
  for (;;) {
    const isLate = performance.now() > limit;
    for (const part of isLate ? parts : parts.slice(0, 1)) {
      const hit = strike(person, part, { mayDie: ({ task }) => !evidenceOf(person).includes(task) });
      if (hit !== false) return { part, cost: hit === true || hit.task };
    }
    if (isLate) return undefined;
    await delay(10);
  }
}

/** Kills controllers at random instants of their lives, and other parts before; gives the tasks it cost an attempt. */
async function killAll(person: Person, random: () => number, onKill: (kill: number) => void): Promise<string[]> {
  const parts: Part[] = ['tool', 'worker', 'tmux', 'serve', 'sweep', 'tool', 'worker', 'tmux'];
  const struck: Part[] = [];
  const costs: string[] = [];
  for (let kill = 0; kill < CONTROLLER_KILLS; kill += 1) {
    const controller = person.begin(['start']);
    await delay(30 + (LIFE_MS_MAX - 30) * random());
    const hit = await strikeSoon(person, parts);
    if (hit) {
      struck.push(...parts.splice(parts.indexOf(hit.part), 1));
      if (hit.cost !== true) costs.push(hit.cost);
    }
    controller.signal('SIGKILL');
    await controller.ended;
    onKill(kill);
  }
  expect(new Set(struck)).toEqual(new Set<Part>(['tool', 'worker', 'tmux', 'serve', 'sweep']));
  return costs;
}

describeWith(['tmux'], 'a fleet whose every part is killed', () => {
  it(`loses nothing and runs nothing twice over ${CONTROLLER_KILLS} kills of its controller, and says only what it knows`, async (context) => {
    const random = createChance(SEED).next;
    const person = await aPerson(context, { agents: AGENTS });
    const progress = { accepted: 0, isOver: false };
    const submit = async (from: number) => {
      const input = tasksText(tasks(person, from, TASKS / BATCHES, random));
      expect(await person.begin(['submit', '-'], { input }).ended).toMatchObject({ exit: 0 });
      progress.accepted += TASKS / BATCHES;
    };
    await submit(0);
    const watching = watch(person, progress);
    watching.catch(() => {}); // awaited below, when nothing else failed before
    const submitting: Promise<void>[] = [];
    const costs = await killAll(person, random, (kill) => {
      const batch = kill / (CONTROLLER_KILLS / BATCHES);
      if (batch > 0 && Number.isInteger(batch)) submitting.push(submit((batch * TASKS) / BATCHES));
    });
    process.stdout.write(`after the kills ${evidenceOf(person).length} lines; attempts cost: ${costs.join(' ')}\n`);
    const last = await person.start();
    await Promise.all(submitting);
    const results = await person.ask(Results, 'wait', ...taskIds());
    progress.isOver = true;
    expect(results.tasks).toEqual({ total: TASKS, completed: TASKS, failed: 0, cancelled: 0, parked: 0 });
    expect(evidenceOf(person).sort()).toEqual(taskIds());
    // Only what was killed before its end was tried again; no controller's death cost an attempt.
    const tries = results.results.map(({ task, attempts }) => [task, attempts]);
    expect(tries).toEqual(taskIds().map((id) => [id, 1 + costs.filter((each) => each === id).length]));
    const seen = await watching;
    expect(seen.looks).toBeGreaterThan(10);
    expect(seen.blind).toBeGreaterThan(0);
    await until('all windows', () => windowsOf(person).length === AGENTS);
    const survivors = () => processesOf(person.home).filter((pid) => wordsOf(pid) === 'sleep 300');
    expect(survivors()).toEqual([]);
    last.signal('SIGTERM');
    expect(await last.ended).toMatchObject({ exit: 0 });
  });
});

const taskIds = () => Array.from({ length: TASKS }, (_, index) => `task-${String(index).padStart(2, '0')}`);
