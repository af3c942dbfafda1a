import type { Fleet } from '../../controller/config/fleet.ts';
import { FleetError } from '../../controller/errors.ts';
import type { World } from '../../controller/fleet/world.ts';
import { stopAttempts } from '../../controller/ledger/attempts.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { countOpen } from '../../controller/ledger/parking.ts';
import { moveFleet, pauseAgents } from '../../controller/ledger/sights.ts';
import { type AcceptedTask, acceptTasks, cancelTasks, retryTasks } from '../../controller/ledger/tasks.ts';
import { drawNode, type Trouble } from './draw.ts';
import { rowsOf } from './sentences.ts';
import { addNode, type Story, type Wish } from './story.ts';
import { kill } from './troubles.ts';

/** What people wish in a world, handed in as intents. */

export async function wish(story: Story, what: Trouble): Promise<void> {
  const { chance, ground } = story;
  story.intents += 1;
  const deed = deedOf(story, what);
  const id = `intent-${story.seed}-${story.intents}`;
  const intent = { id, operation: what, input: { id: deed.task }, by: 'person', at: ground.clock.now() };
  story.wishes.set(id, { intent, ...deed });
  if (what === 'retry' || what === 'retry dead')
    story.asked.push({ id, task: deed.task, seen: story.reign.watch.eventsSeen, watch: story.reign.watch });
  handIn(story);
  if (chance.maybe(0.3)) await kill(story, chance.whole(0, 150)); // on some await of its being obeyed
  await ground.clock.settle();
}

type Deed = Omit<Wish, 'intent'> & { task: string };

function deedOf(story: Story, what: Trouble): Deed {
  const { chance, ground, tasks } = story;
  const now = ground.clock.now();
  const { id } = chance.pick(tasks);
  const agents = [chance.whole(1, 6)];
  switch (what) {
    case 'cancel': {
      const task = parkedTask(story, 0.4) ?? id;
      return { task, act: ({ ledger }) => cancelOne(ledger, task, now), onKept: noteCancelled(task) };
    }
    case 'retry':
      return { task: id, act: ({ ledger }) => inTransaction(ledger, (tx) => retryTasks(tx, [id], now)) };
    case 'retry dead':
      return retryDead(story, id);
    case 'pause':
    case 'resume':
      return {
        task: id,
        act: ({ ledger }) => inTransaction(ledger, (tx) => pauseAgents(tx, agents, what === 'pause', now)),
      };
    case 'restart':
      return {
        task: id,
        act: ({ ledger }) => inTransaction(ledger, (tx) => stopAttempts(tx, { agents }, 'restarted', now)),
      };
    case 'submit':
      return submit(story, id);
    case 'reload nodes':
      return reload(story, id, withOtherNodes(story));
    case 'reload agents':
      return reload(story, id, {
        ...story.fleet,
        agents: { ...story.fleet.agents, count: chance.maybe(0.2) ? 'auto' : chance.whole(1, 12) },
      });
    default:
      throw new Error(`nobody does ${what}`);
  }
}

/** Hands in what has no result yet, as the inbox keeps it: again after every kill. */
export function handIn(story: Story): void {
  const { reign, wishes } = story;
  for (const { intent, act, onKept } of wishes.values()) {
    const obeyed = reign.controller?.obey(intent, async (world) => {
      const output = await act(world, reign);
      world.wake();
      return output;
    });
    void obeyed?.then((result) => {
      if (result) wishes.delete(intent.id);
      if (result?.ok) onKept?.(reign, result.output);
    });
  }
}

/** One that waits for a node that is not heard. */
function parkedTask({ chance, reign }: Story, probability: number): string | undefined {
  const parked = rowsOf<{ task: string }>(reign.watch, 'SELECT task FROM attempt WHERE is_parked = 1');
  return parked.length > 0 && chance.maybe(probability) ? chance.pick(parked).task : undefined;
}

/** Somebody is sure that what is parked is dead. Often that is not so. */
function retryDead(story: Story, any: string): Deed {
  const { ground } = story;
  const task = parkedTask(story, 0.9) ?? any;
  const now = ground.clock.now();
  const act: Wish['act'] = ({ ledger }) =>
    inTransaction(ledger, async (tx) => {
      const open = await tx
        .selectFrom('attempt')
        .select('id')
        .where('task', '=', task)
        .where('ended_at', 'is', null)
        .execute();
      for (const { id } of open) ground.assumed.add(id);
      return retryTasks(tx, [task], now, true);
    });
  return { task, act };
}

function submit({ chance, ground, tasks, intents }: Story, need: string): Deed {
  const late: AcceptedTask = { id: `late${intents}`, run: 'true', ...(chance.maybe(0.6) ? { needs: [need] } : {}) };
  tasks.push(late);
  ground.needs.set(late.id, late.needs ?? []);
  const act: Wish['act'] = ({ ledger }) =>
    inTransaction(ledger, async (tx) => void (await acceptTasks(tx, [late], ground.clock.now())));
  return { task: late.id, act, onKept: ({ watch }) => watch.accepted.add(late.id) };
}

interface Cancelling {
  isAny: boolean;
  /** The last event before. */
  seq: number;
}

function cancelOne(ledger: World['ledger'], id: string, now: number): Promise<Cancelling> {
  return inTransaction(ledger, async (tx) => {
    const { cancelled, stopping } = await cancelTasks(tx, [id], now);
    const last = await tx
      .selectFrom('event')
      .select((of) => of.fn.max('seq').as('seq'))
      .executeTakeFirst();
    return { isAny: cancelled.length + stopping.length > 0, seq: Number(last?.seq ?? 0) };
  });
}

function noteCancelled(task: string): NonNullable<Wish['onKept']> {
  return ({ watch }, output) => {
    const { isAny, seq } = output as Cancelling;
    const again = `SELECT seq FROM event WHERE task = ? AND kind = 'task_retried' AND data LIKE '%"by":"person"%' AND seq > ?`;
    if (isAny && rowsOf(watch, again, task, seq).length === 0) watch.cancelled.set(task, seq);
  };
}

/** A machine comes, or one leaves. */
function withOtherNodes(story: Story): Fleet {
  const { chance, fleet, ground } = story;
  const leaving = chance.pick(fleet.nodes).name;
  if (fleet.nodes.length > 1 && chance.maybe(0.5))
    return { ...fleet, nodes: fleet.nodes.filter(({ name }) => name !== leaving) };
  const drawn = drawNode(chance, `n${ground.nodes.size + 1}`);
  addNode(story, drawn);
  return { ...fleet, nodes: [...fleet.nodes, drawn.node] };
}

/** The file is another from now on; a controller that runs reads it only if nothing is left behind by that. */
function reload(story: Story, task: string, fleet: Fleet): Deed {
  story.fleet = fleet;
  const act: Wish['act'] = async ({ ledger }, reign) => {
    const open = await countOpen(ledger);
    const { controller, watch } = reign;
    const left = watch.fleet.nodes.filter(({ name }) => !fleet.nodes.some((node) => node.name === name));
    if (left.some(({ name }) => open.has(name))) throw new FleetError('unlawful', 'something runs there');
    await inTransaction(ledger, (tx) => moveFleet(tx, 'SCALING', watch.ground.clock.now()));
    if (!controller || controller.life.is === 'dead') return;
    controller.world.fleet = fleet;
    watch.fleet = fleet;
  };
  return { task, act };
}
