import { FleetError, toFleetError } from '../../errors.ts';
import { type Beginning, beginAttempts } from '../../ledger/attempts.ts';
import { inTransaction } from '../../ledger/ledger.ts';
import { readAttempts, readConversation, readOrdinals, readTasks } from '../../ledger/read.ts';
import { parkTask } from '../../ledger/tasks.ts';
import type { OpenAttempt } from '../../ledger/view.ts';
import type { Limits } from '../../node/link.ts';
import { orderHash, type StartOrder } from '../../node/shell.ts';
import type { Task } from '../../task/task.ts';
import { takeWord } from '../observe.ts';
import { letGo, restUntilRoom } from '../settle.ts';
import type { StartStep } from '../step.ts';
import { newId, nudge, type Sight, type World } from '../world.ts';
import { buildOrder } from './order.ts';
import { endWithout } from './stop.ts';

/** Commits the intentions of all starts at once, then sends each. A crash in between is mended by `sendAgain`. */
export async function startTasks(world: World, steps: readonly StartStep[]): Promise<void> {
  if (steps.length === 0) return;
  const ids = steps.map(({ task }) => task.id);
  const tasks = new Map((await readTasks(world.ledger, { ids, limit: ids.length })).map((task) => [task.id, task]));
  const ordinals = await readOrdinals(world.ledger, ids);
  const prepare = (step: StartStep) =>
    prepareOne(world, step, tasks.get(step.task.id), (ordinals.get(step.task.id) ?? 0) + 1);
  const prepared = (await Promise.all(steps.map(prepare))).filter((each) => each !== undefined);
  const now = world.clock.now();
  const begun = await inTransaction(world.ledger, async (tx) => {
    for (const each of prepared) if (each.is === 'impossible') await parkTask(tx, each.task, each.reason, now);
    const beginnings = prepared.flatMap((each) => (each.is === 'order' ? [each.beginning] : []));
    return beginAttempts(tx, beginnings, now);
  });
  prepareAgents(world, begun);
  const sent = new Set(begun.map(({ attempt }) => attempt));
  for (const each of prepared) {
    if (each.is === 'impossible') world.wake();
    else if (sent.has(each.beginning.attempt)) send(world, each.beginning.node, each.order);
  }
}

/** Before the first attempts on a connection: many at once begin sooner where their agents' places are made together. */
function prepareAgents(world: World, begun: readonly Beginning[]): void {
  for (const [node, beginnings] of Map.groupBy(begun, (each) => each.node)) {
    const sight = world.sights.get(node);
    if (!sight?.link) continue;
    const limits = limitsOn(world, sight.link.greeting.memoryKiB);
    const isTold = (agent: number) => sight.prepared.get(agent) === limits.memoryBytes;
    const agents = beginnings.map(({ agent }) => agent).filter((agent) => !isTold(agent));
    if (agents.length === 0) continue;
    for (const agent of agents) sight.prepared.set(agent, limits.memoryBytes);
    world.track(
      sight.link.prepare(agents, limits).catch((error: unknown) => {
        sight.evidence = toFleetError(error).message; // an attempt's start makes, or tells of, what is missing
      }),
    );
  }
}

/** More processes than any honest agent has, and few enough for the machine. */
const PROCESSES_MAX = 4096;
/** Part of its node's memory that one agent may have, where the fleet file does not say. */
const MEMORY_SHARE = 0.5;

function limitsOn({ fleet }: World, memoryKiB: number): Limits {
  const { memoryGiBMax } = fleet.agents;
  const bytes = memoryGiBMax === null ? memoryKiB * 1024 * MEMORY_SHARE : memoryGiBMax * 2 ** 30;
  return { memoryBytes: Math.floor(bytes), processes: PROCESSES_MAX };
}

type Prepared =
  | { is: 'order'; beginning: Beginning; order: StartOrder }
  | { is: 'impossible'; task: string; reason: string };

async function prepareOne(
  world: World,
  { task: ready, agent, node, kind, boot }: StartStep,
  found: Task | undefined,
  ordinal: number,
): Promise<Prepared | undefined> {
  const task = ready.id;
  const isHolder = ready.resumesOn?.agent === agent && ready.resumesOn.node === node;
  const resumes = isHolder ? await readConversation(world.ledger, task) : null;
  const attempt = newId(world);
  const ordering = await buildOrder(world, { attempt, task, agent, node, kind, boot, resumes, ordinal }, found);
  if (ordering.is === 'later') return undefined;
  if (ordering.is === 'impossible') return { ...ordering, task };
  const { order } = ordering;
  const hash = orderHash(order);
  return {
    is: 'order',
    order,
    beginning: { attempt, task, agent, node, kind, boot, hash, resumes, isRestart: ready.isRestart },
  };
}

/** An attempt that is committed but not on its node: built again from the ledger, sent under its own id. */
export function sendAgain(world: World, attempt: OpenAttempt): void {
  const sight = world.sights.get(attempt.node);
  sight?.inFlight.add(attempt.id);
  const build = async () => {
    const [row] = await readAttempts(world.ledger, { ids: [attempt.id], limit: 1 });
    const [task] = await readTasks(world.ledger, { ids: [attempt.task], limit: 1 });
    const wanted = { ...attempt, attempt: attempt.id, resumes: row?.conversation ?? null };
    const ordering = await buildOrder(world, wanted, task);
    sight?.inFlight.delete(attempt.id);
    if (ordering.is === 'order') send(world, attempt.node, ordering.order);
    else if (ordering.is === 'impossible') await endWithout(world, attempt.id, 'credentials', ordering.reason);
  };
  world.track(build());
}

function send(world: World, node: string, order: StartOrder): void {
  const sight = world.sights.get(node);
  const link = sight?.link;
  if (!sight || !link) return; // sent again when it has greeted
  sight.inFlight.add(order.attempt);
  world.track(sendOne(world, sight, link, order));
}

async function sendOne(world: World, sight: Sight, link: NonNullable<Sight['link']>, order: StartOrder): Promise<void> {
  try {
    const was = await link.start(order);
    if (was === 'buried') await endWithout(world, order.attempt, 'restarted', 'it was ended before it began');
    else if (was !== 'boot') takeStart(world, sight, order);
    nudge(world); // a person may have ended it while it was under way
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    sight.evidence = error.message;
    if (error.code === 'disk-full') {
      restUntilRoom(world, sight);
      await endWithout(world, order.attempt, 'disk', error.message);
    } else if (error.code !== 'unreachable' && error.code !== 'locked') {
      await endWithout(world, order.attempt, 'launch', error.message);
    }
    world.wake();
  } finally {
    sight.inFlight.delete(order.attempt);
  }
}

/** The node has it. One that waits for no gate begins at once; that it ended may have been heard before this. */
function takeStart(world: World, sight: Sight, { attempt, agent, launch }: StartOrder): void {
  letGo(sight, agent, attempt);
  if (!launch.gated && !sight.attempts.has(attempt)) takeWord(world, sight, { is: 'start', attempt, agent });
  sight.attempts.add(attempt);
}
