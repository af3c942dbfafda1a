import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fleet } from '../../controller/config/fleet.ts';
import { acknowledge } from '../../controller/fleet/settle.ts';
import { goOnWith } from '../../controller/ledger/conversation.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { readAgents, readTask } from '../../controller/ledger/read.ts';
import { pauseAgents } from '../../controller/ledger/sights.ts';
import { acceptTasks } from '../../controller/ledger/tasks.ts';
import type { Behaviour, Order } from '../../controller/transport/pretend/machine.ts';
import { createPretendNode, type PretendNode } from '../../controller/transport/pretend.ts';
import { aFleet, aKind, aNode } from '../support/builders.ts';
import { createChance } from '../support/chance.ts';
import { createClock, type SimulatedClock } from '../support/clock.ts';
import { type Controller, openController } from '../support/world.ts';

/** The loop with a pretend node, where one sentence is worth more than a seed. */

const FORGED = '01900000-0000-7000-8000-000000000000';
const endless = { ms: 600_000, exit: 0, first: '', last: '', err: '', usage: '', talks: true, listens: true };
const fleet = aFleet({ nodes: [aNode({ name: 'n', vcpu: 4, memoryGiB: 16 })], agents: { count: 3 } });
let ledgers = 0;
let clock: SimulatedClock;
let node: PretendNode;
let behave: (order: Order) => Behaviour;
let controllers: Controller[];

beforeEach(() => {
  clock = createClock();
  const machine = { name: 'n', clock, random: () => 0.5, vcpu: 4, memoryKiB: 2 ** 24 };
  behave = () => endless;
  node = createPretendNode({ ...machine, script: (order) => behave(order) });
  controllers = [];
});

afterEach(() => {
  for (const controller of controllers) controller.kill();
});

function newPath(): string {
  ledgers += 1;
  return `file:/controllers-${process.pid}-${ledgers}?vfs=memdb`;
}

/** A controller of its own ledger, at work for 3 s. */
async function open(machine: string, different: { takeOver?: boolean; fleet?: Fleet } = {}): Promise<Controller> {
  const controller = await openController({
    fleet: different.fleet ?? fleet,
    path: newPath(),
    clock,
    nodes: new Map([['n', node]]),
    random: createChance(ledgers).bytes,
    program: { text: 'pretend', hash: '0123456789abcdef' },
    identity: { ledger: 'L', machine, takeOver: different.takeOver ?? false },
  });
  controllers.push(controller);
  await clock.advance(3000);
  return controller;
}

async function submit({ world }: Controller, ...ids: string[]): Promise<void> {
  const specs = ids.map((id) => ({ id, run: 'true' }));
  await inTransaction(world.ledger, (tx) => acceptTasks(tx, specs, clock.now()));
  world.wake();
}

const stateOf = (controller: Controller) => controller.world.sights.get('n')?.state;

describe('two controllers', () => {
  test('that were both told to take over do not take a node from each other in turns: the later one has it', async () => {
    const first = await open('A', { takeOver: true });
    const second = await open('B', { takeOver: true });
    await clock.advance(60_000);
    expect([stateOf(first), stateOf(second)]).toEqual(['degraded', 'up']);
    expect(node.machine.deeds.map(({ from }) => from)).toEqual(['A', 'B']);
    expect(first.world.sights.get('n')?.refusal?.code).toBe('owned-by-another');
  });

  test('one frozen while the other takes over begins nothing when it is awake again', async () => {
    const first = await open('A');
    first.life.freeze();
    const second = await open('B', { takeOver: true });
    await submit(first, 'late');
    await first.thaw();
    await clock.advance(60_000);
    expect([stateOf(first), stateOf(second)]).toEqual(['degraded', 'up']);
    expect(node.machine.executions).toEqual([]);
    expect((await readTask(first.world.ledger, 'late'))?.state).toBe('queued');
  });
});

describe('a controller', () => {
  test('asks but once to end what an agent forged into the journal', async () => {
    const controller = await open('A');
    node.scribble(`start ${FORGED} 001`);
    await clock.advance(20_000);
    expect(node.machine.deeds.filter(({ verb }) => verb === 'stop')).toHaveLength(1);
    expect(controller.plan?.stop).toEqual([]);
  });

  test('forgets an agent that left with the fleet’s size once its work has ended', async () => {
    const controller = await open('A');
    await submit(controller, 't1', 't2', 't3');
    await clock.advance(10_000);
    controller.world.fleet = { ...fleet, agents: { ...fleet.agents, count: 1 } };
    await clock.advance(10_000);
    const numbers = async () => (await readAgents(controller.world.ledger)).map(({ number }) => number);
    expect(await numbers()).toEqual([1, 2, 3]);
    await clock.advance(700_000);
    expect(await numbers()).toEqual([1]);
  });

  test('acknowledges an end by the agent’s next attempt, or a little later where it gets none', async () => {
    const controller = await open('A');
    await submit(controller, 't1');
    await clock.advance(500);
    const { executions, open: held } = node.machine;
    node.killTool(executions[0]?.attempt ?? '');
    await clock.advance(100);
    expect(held.has(executions[0]?.attempt ?? '')).toBe(true);
    await clock.advance(10_000);
    expect(executions).toHaveLength(2);
    expect([...held.keys()]).toEqual([executions[1]?.attempt]);
    await inTransaction(controller.world.ledger, (tx) => pauseAgents(tx, [1, 2, 3], true, clock.now()));
    node.killTool(executions[1]?.attempt ?? '');
    await clock.advance(10_000);
    expect(held.size).toBe(0);
    expect(controller.world.sights.get('n')?.attempts.size).toBe(0);
  });

  describe('whose agent was cut off', () => {
    const told: Pick<Order, 'resumes' | 'prompt'>[] = [];
    const talk = (order: Order) => order.resumes ?? order.attempt;
    const line = (event: object) => `${JSON.stringify(event)}\n`;
    const answer = line({ type: 'item.completed', item: { type: 'agent_message', text: 'I begin.' } });
    /** Each attempt says which conversation it is in; the model answers from the second one on. */
    const cutOff = async (controller: Controller, task: string) => {
      told.length = 0;
      behave = (order) => {
        const first = line({ type: 'thread.started', thread_id: talk(order) }) + (told.length > 0 ? answer : '');
        told.push({ resumes: order.resumes, prompt: order.prompt });
        return { ...endless, first };
      };
      for (let count = 1; count <= 3; count += 1) {
        await clock.advance(60_000);
        const mine = node.machine.executions.filter((execution) => execution.task === task);
        expect(mine).toHaveLength(count);
        node.killTool(mine.at(-1)?.attempt ?? '');
      }
      controller.world.wake();
      return node.machine.executions.filter((execution) => execution.task === task).map(({ attempt }) => attempt);
    };
    const GO_ON = expect.stringMatching(/^You were interrupted/) as string;
    const kinds = [aKind(), aKind({ name: 'codex', tool: 'codex' })];
    const talking = { ...fleet, kinds, agents: { ...fleet.agents, count: 1 } };

    test('begins its task anew until the model has answered, and then goes on', async () => {
      const controller = await open('A', { fleet: talking });
      await inTransaction(controller.world.ledger, (tx) =>
        acceptTasks(tx, [{ id: 't', prompt: 'Do it.', kind: 'codex' }], clock.now()),
      );
      const [, second = ''] = await cutOff(controller, 't');
      expect(told).toEqual([
        { resumes: null, prompt: 'Do it.' },
        { resumes: null, prompt: 'Do it.' },
        { resumes: second, prompt: GO_ON },
      ]);
    });

    test('tells what a person said until the model has answered, in the conversation it was said into', async () => {
      const controller = await open('A', { fleet: talking });
      await inTransaction(controller.world.ledger, async (tx) => {
        await acceptTasks(tx, [{ id: 'said', prompt: 'And this.', kind: 'codex' }], clock.now());
        await goOnWith(tx, 'said', { id: FORGED, agent: 1, node: 'n', kind: 'codex' });
      });
      await cutOff(controller, 'said');
      expect(told).toEqual([
        { resumes: FORGED, prompt: 'And this.' },
        { resumes: FORGED, prompt: 'And this.' },
        { resumes: FORGED, prompt: GO_ON },
      ]);
    });
  });

  test('whose ledger was put back is told once more of an end that was acknowledged since', async () => {
    const controller = await open('A');
    await submit(controller, 't1');
    await clock.advance(500);
    node.killTool(node.machine.executions[0]?.attempt ?? '');
    await clock.advance(100);
    const attempt = node.machine.executions[0]?.attempt ?? '';
    const acknowledged = Promise.all([...controller.world.sights.values()].map(acknowledge));
    await clock.advance(50);
    await acknowledged;
    expect(node.machine.open.has(attempt)).toBe(false);
    await controller.world.ledger
      .updateTable('attempt')
      .set({ state: 'intended', started_at: null, ended_at: null, verdict: null })
      .where('id', '=', attempt)
      .execute();
    await controller.world.ledger.updateTable('task').set({ state: 'running' }).where('id', '=', 't1').execute();
    node.cut('clean', { toNode: 0, toController: 0 });
    await clock.advance(8000);
    const [row] = await controller.world.ledger.selectFrom('attempt').selectAll().where('id', '=', attempt).execute();
    expect(row).toMatchObject({ state: 'ended', verdict: 'killed' });
  });
});
