import type { Kind } from '../../agent/agent.ts';
import { toolOf } from '../../agent/tools/index.ts';
import { FleetError, toFleetError } from '../../errors.ts';
import { type Beginning, beginAttempts } from '../../ledger/attempts.ts';
import { inTransaction } from '../../ledger/ledger.ts';
import { readAttempts, readConversation, readTask } from '../../ledger/read.ts';
import type { OpenAttempt } from '../../ledger/view.ts';
import { agentFolder, orderHash, promptFile, runScript, type StartOrder, workFolder } from '../../node/shell.ts';
import type { Task } from '../../task/task.ts';
import type { StartStep } from '../step.ts';
import { newId, type Sight, type World } from '../world.ts';
import { endWithout } from './stop.ts';

/** What an agent is told when it goes on with a conversation that was cut off. */
const GO_ON =
  'You were interrupted. Look at what is already done, go on where you stopped, and finish the task. If it is finished, say so and give the result.';

/** Commits the intentions of all starts at once, then sends each. A crash in between is mended by `sendAgain`. */
export async function startTasks(world: World, steps: readonly StartStep[]): Promise<void> {
  if (steps.length === 0) return;
  const prepared = (await Promise.all(steps.map((step) => prepare(world, step)))).filter((each) => each !== undefined);
  const begun = await inTransaction(world.ledger, (tx) =>
    beginAttempts(
      tx,
      prepared.map(({ beginning }) => beginning),
      world.clock.now(),
    ),
  );
  const ids = new Set(begun.map(({ attempt }) => attempt));
  for (const { beginning, order } of prepared) if (ids.has(beginning.attempt)) send(world, beginning.node, order);
}

async function prepare(
  world: World,
  step: StartStep,
): Promise<{ beginning: Beginning; order: StartOrder } | undefined> {
  const { task: ready, agent, node, kind, boot } = step;
  const resumes = ready.resumesOn === agent ? await readConversation(world.ledger, ready.id) : null;
  const attempt = newId(world);
  const attempts = await readAttempts(world.ledger, { task: ready.id, limit: 1 });
  const order = await buildOrder(world, {
    attempt,
    task: ready.id,
    agent,
    node,
    kind,
    boot,
    resumes,
    ordinal: (attempts[0]?.ordinal ?? 0) + 1,
  });
  if (!order) return undefined;
  return {
    beginning: {
      attempt,
      task: ready.id,
      agent,
      node,
      kind,
      boot,
      hash: orderHash(order),
      resumes,
      isRestart: ready.isRestart,
    },
    order,
  };
}

/** An attempt that is committed but not on its node: built again from the ledger, sent under its own id. */
export function sendAgain(world: World, attempt: OpenAttempt): void {
  const sight = world.sights.get(attempt.node);
  sight?.inFlight.add(attempt.id);
  const build = async () => {
    const [row] = await readAttempts(world.ledger, { id: attempt.id, limit: 1 });
    const order = await buildOrder(world, { ...attempt, attempt: attempt.id, resumes: row?.conversation ?? null });
    sight?.inFlight.delete(attempt.id);
    if (order) send(world, attempt.node, order);
    else await endWithout(world, attempt.id, 'launch', `its kind ${attempt.kind} is not in the fleet file any more`);
  };
  world.track(build());
}

interface Wanted {
  attempt: string;
  task: string;
  agent: number;
  node: string;
  kind: string;
  boot: string;
  ordinal: number;
  resumes: string | null;
}

async function buildOrder(world: World, wanted: Wanted): Promise<StartOrder | undefined> {
  const { fleet } = world;
  const task = await readTask(world.ledger, wanted.task);
  const kind = fleet.kinds.find(({ name }) => name === wanted.kind);
  const root = world.sights.get(wanted.node)?.link?.greeting.root;
  if (!task || !kind || root === undefined) return undefined;
  const tool = toolOf(kind);
  const cwd = workPlace(world, task, wanted, root);
  const launch = tool.launch({
    kind: { ...kind, endpoint: fillEndpoint(kind, wanted) },
    agentFolder: agentFolder(root, wanted.agent),
    cwd,
    promptFile: promptFile(root, wanted.attempt),
    run: task.run,
    resume: wanted.resumes,
    attempt: wanted.attempt,
  });
  const env = {
    ...launch.env,
    ...kind.env,
    ...fleet.tasks.env,
    ...task.env,
    ...attemptEnvironment(fleet.name, wanted, root),
  };
  return {
    attempt: wanted.attempt,
    agent: wanted.agent,
    boot: wanted.boot,
    timeoutSeconds: task.timeoutSeconds ?? fleet.tasks.timeoutSeconds,
    silenceSeconds: tool.talks ? fleet.tasks.silenceSeconds : 0,
    tool: tool.name,
    launch,
    run: runScript(env, cwd, launch.words),
    prompt: wanted.resumes === null ? (task.prompt ?? '') : GO_ON,
    secrets: await world.secretsOf(kind),
  };
}

function workPlace(world: World, task: Task, { node: name, agent }: Wanted, root: string): string {
  const node = world.fleet.nodes.find((each) => each.name === name);
  const base = world.fleet.tasks.cwd ?? node?.cwd ?? workFolder(root, agent);
  if (task.cwd === null) return base;
  return task.cwd.startsWith('/') ? task.cwd : `${base}/${task.cwd}`;
}

/** `{task}`, `{ordinal}` and `{attempt}` in a kind's endpoint let a gateway tell attempts apart. */
function fillEndpoint({ endpoint }: Kind, { task, ordinal, attempt }: Wanted): string | null {
  return (
    endpoint
      ?.replaceAll('{task}', encodeURIComponent(task))
      .replaceAll('{ordinal}', String(ordinal))
      .replaceAll('{attempt}', attempt) ?? null
  );
}

function attemptEnvironment(
  fleet: string,
  { node, agent, task, attempt }: Wanted,
  root: string,
): Record<string, string> {
  return {
    FLEET_NAME: fleet,
    FLEET_NODE: node,
    FLEET_AGENT: String(agent),
    FLEET_TASK: task,
    FLEET_ATTEMPT: attempt,
    FLEET_PROMPT_FILE: promptFile(root, attempt),
  };
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
    else if (was !== 'boot') sight.attempts.add(order.attempt);
  } catch (error) {
    const failure = toFleetError(error);
    sight.evidence = failure.message;
    if (failure instanceof FleetError && (failure.code === 'disk-full' || failure.code === 'protocol')) {
      await endWithout(world, order.attempt, 'launch', failure.message);
    }
  } finally {
    sight.inFlight.delete(order.attempt);
    world.wake();
  }
}
