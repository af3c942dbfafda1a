import type { Kind } from '../../agent/agent.ts';
import { toolOf } from '../../agent/tools/index.ts';
import { FleetError } from '../../errors.ts';
import { isHeard } from '../../ledger/conversation.ts';
import { agentFolder, promptFile, runScript, type StartOrder, workFolder } from '../../node/shell.ts';
import type { Secret } from '../../secret.ts';
import type { Task } from '../../task/task.ts';
import { endpointAt } from '../tunnel.ts';
import type { Sight, World } from '../world.ts';

/** What an agent is told when it goes on with a conversation that was cut off. */
const GO_ON =
  'You were interrupted. Look at what is already done, go on where you stopped, and finish the task. If it is finished, say so and give the result.';

/** One attempt, as far as the plan and the ledger know it. */
export interface Wanted {
  attempt: string;
  task: string;
  agent: number;
  node: string;
  kind: string;
  boot: string;
  ordinal: number;
  resumes: string | null;
}

export type Ordering =
  | { is: 'order'; order: StartOrder }
  /** The node is not there now: asked again when it has greeted. */
  | { is: 'later' }
  /** A person must do something first. */
  | { is: 'impossible'; reason: string };

/** Builds what goes over the wire to begin an attempt, from the ledger, the fleet file and the node's greeting. */
export async function buildOrder(world: World, wanted: Wanted, task: Task | undefined): Promise<Ordering> {
  const { fleet } = world;
  const kind = fleet.kinds.find(({ name }) => name === wanted.kind);
  const sight = world.sights.get(wanted.node);
  const root = sight?.link?.greeting.root;
  if (!sight || root === undefined) return { is: 'later' };
  if (!task || !kind) return { is: 'impossible', reason: `its kind ${wanted.kind} is not in the fleet file any more` };
  const endpoint = endpointOf(kind, sight, wanted);
  if (kind.endpoint !== null && endpoint === null) return { is: 'later' }; // never by the tool's own default instead
  const secrets = await readSecrets(world, kind);
  if (secrets instanceof FleetError) return { is: 'impossible', reason: secrets.message };
  const tool = toolOf(kind);
  const cwd = workPlace(world, task, wanted, root);
  // A told word is new to its conversation, and may not have reached it when the last attempt was cut off.
  const prompt = wanted.resumes !== null && (await isHeard(world.ledger, wanted.task)) ? GO_ON : (task.prompt ?? '');
  const promptPath = prompt === '' ? '/dev/null' : promptFile(root, wanted.attempt);
  const launch = tool.launch({
    kind: { ...kind, endpoint },
    agentFolder: agentFolder(root, wanted.agent),
    cwd,
    promptFile: promptPath,
    run: task.run,
    resume: wanted.resumes,
    attempt: wanted.attempt,
  });
  const env = {
    ...launch.env,
    ...fleet.tasks.env,
    ...task.env,
    ...attemptEnvironment(fleet.name, wanted, promptPath),
  };
  const order = {
    attempt: wanted.attempt,
    agent: wanted.agent,
    boot: wanted.boot,
    timeoutSeconds: task.timeoutSeconds ?? fleet.tasks.timeoutSeconds,
    silenceSeconds: tool.talks ? fleet.tasks.silenceSeconds : 0,
    tool: tool.name,
    launch,
    run: runScript(env, cwd, launch.words),
    prompt,
    secrets,
  };
  return { is: 'order', order };
}

/** A key that cannot be had is the owner's to mend, not a reason for the controller to end. */
async function readSecrets(world: World, kind: Kind): Promise<Readonly<Record<string, Secret>> | FleetError> {
  try {
    return await world.secretsOf(kind);
  } catch (error) {
    if (error instanceof FleetError && error.code === 'config-invalid') return error;
    throw error;
  }
}

function workPlace(world: World, task: Task, { node: name, agent }: Wanted, root: string): string {
  const node = world.fleet.nodes.find((each) => each.name === name);
  const base = world.fleet.tasks.cwd ?? node?.cwd ?? workFolder(root, agent);
  if (task.cwd === null) return base;
  return task.cwd.startsWith('/') ? task.cwd : `${base}/${task.cwd}`;
}

/** `{task}`, `{ordinal}` and `{attempt}` in a kind's endpoint let a gateway tell attempts apart. */
function endpointOf(kind: Kind, sight: Sight, { task, ordinal, attempt }: Wanted): string | null {
  const endpoint = kind.endpoint !== null && kind.tunnel ? endpointAt(sight, kind.endpoint) : kind.endpoint;
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
  promptPath: string,
): Record<string, string> {
  return {
    FLEET_NAME: fleet,
    FLEET_NODE: node,
    FLEET_AGENT: String(agent),
    FLEET_TASK: task,
    FLEET_ATTEMPT: attempt,
    FLEET_PROMPT_FILE: promptPath,
  };
}
