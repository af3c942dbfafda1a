import { z } from 'zod';
import type { Fleet } from '../config/fleet.ts';
import { FleetError } from '../errors.ts';
import { requireState } from '../fleet/state.ts';
import { inTransaction } from '../ledger/ledger.ts';
import { readFleetState } from '../ledger/read.ts';
import { acceptTasks } from '../ledger/tasks.ts';
import { cyclesOf, cycleText } from '../task/graph.ts';
import { Name, TaskSpec } from '../task/task.ts';
import type { Change } from './operation.ts';

/** Tasks as plan files give them, already parsed: durations are seconds, priorities numbers. */
const Submitted = z
  .array(z.looseObject({ id: Name }))
  .min(1)
  .max(100_000);
const Input = z.object({ tasks: Submitted });
const Output = z.object({ accepted: z.array(z.string()), known: z.array(z.string()) });

export type AcceptableTask = Omit<TaskSpec, 'id'> & { id: string };

export const submit: Change<z.infer<typeof Input>, z.infer<typeof Output>> = {
  is: 'change',
  name: 'submit',
  summary: 'Takes tasks in: all of them, or none. The same id with the same content is the same task.',
  input: Input,
  output: Output,
  run: async ({ world, now }, { tasks }) => {
    requireState(await readFleetState(world.ledger), ['INITIALIZING', 'READY', 'RUNNING', 'SCALING'], 'submit');
    const specs = tasks.map(readSpec);
    refuseTwins(specs);
    refuseCircles(specs);
    refuseUnknownKinds(specs, world.fleet);
    const result = await inTransaction(world.ledger, (tx) => acceptTasks(tx, specs, now));
    world.wake();
    return result;
  },
};

/** Intents come from files anyone with the account can write: checked again, in the form they were parsed into. */
function readSpec(task: Record<string, unknown> & { id: string }): AcceptableTask {
  const { timeout, priority, ...rest } = task;
  const words = {
    ...rest,
    ...(timeout === undefined ? {} : { timeout }),
    ...(priority === undefined ? {} : { priority: `P${String(priority)}` }),
  };
  const parsed = TaskSpec.safeParse(words);
  if (!parsed.success)
    throw new FleetError('plan-invalid', `task ${task.id}: ${z.prettifyError(parsed.error)}`, {
      hint: 'Correct it and hand it in again: nothing was accepted.',
    });
  return { ...parsed.data, id: task.id };
}

function refuseTwins(specs: readonly AcceptableTask[]): void {
  const seen = new Set<string>();
  const twins = specs.filter(({ id }) => seen.size === seen.add(id).size).map(({ id }) => id);
  if (twins.length > 0)
    throw new FleetError('plan-invalid', `several tasks have the same id: ${twins.slice(0, 20).join(', ')}`, {
      hint: 'Give each an id of its own: nothing was accepted.',
    });
}

function refuseCircles(specs: readonly AcceptableTask[]): void {
  const circles = cyclesOf(new Map(specs.map(({ id, needs }) => [id, needs ?? []])));
  if (circles.length > 0)
    throw new FleetError(
      'cycle',
      `tasks need each other in a circle: ${circles.slice(0, 10).map(cycleText).join('; ')}`,
      { hint: 'Take one need out of each circle.' },
    );
}

/** Also before handing in with no controller there: what is refused later nobody may hear of. */
export function refuseUnknownKinds(specs: readonly AcceptableTask[], { kinds: known }: Pick<Fleet, 'kinds'>): void {
  const kinds = new Map(known.map((kind) => [kind.name, kind.tool]));
  const unknown = specs
    .filter((spec) => spec.kind !== undefined && !kinds.has(spec.kind))
    .map((spec) => `${spec.id} wants ${spec.kind}`);
  if (unknown.length > 0) {
    throw new FleetError('plan-invalid', `the fleet has no such kind: ${unknown.slice(0, 20).join(', ')}`, {
      hint: `It has ${[...kinds.keys()].join(', ')}; others are declared under \`kinds\` in the fleet file, then fleet reload.`,
    });
  }
  const mute = specs.filter(
    (spec) => spec.kind !== undefined && kinds.get(spec.kind) !== 'command' && spec.prompt === undefined,
  );
  if (mute.length > 0)
    throw new FleetError(
      'plan-invalid',
      `tasks of a coding tool need a prompt, not run: ${mute
        .map(({ id }) => id)
        .slice(0, 20)
        .join(', ')}`,
      { hint: 'Give each a prompt, or a kind of the tool `command`.' },
    );
}
