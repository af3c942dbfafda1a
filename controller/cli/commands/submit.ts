import { createHash } from 'node:crypto';
import { loadTasks } from '../../config/plan.ts';
import { refuseUnknownKinds, submit } from '../../operations/submit.ts';
import { layersOf } from '../../task/graph.ts';
import { nameApart, type Plan } from '../../task/plan-file.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { handIn } from '../hand-in.ts';
import { readFleet } from '../session.ts';
import { counted } from '../words.ts';

export async function readPlan(door: Door, files: readonly string[]): Promise<Plan> {
  const plan = await loadTasks({ paths: files, cwd: door.cwd, stdin: door.stdin });
  return nameApart(plan, (text) => createHash('sha256').update(text).digest('hex').slice(0, 6));
}

export function printLayers(door: Door, { tasks }: Plan): number {
  const layers = layersOf(new Map(tasks.map(({ id, needs }) => [id, needs ?? []])));
  layers.forEach((layer, index) => {
    door.out(`layer ${index + 1}: ${layer.join(', ')}\n`);
  });
  return 0;
}

export interface SubmitOptions extends GlobalOptions {
  json?: boolean;
  dryRun?: boolean;
}

/** `fleet submit FILE…|-`: hands in, with or without a controller. */
export async function submitTasks(door: Door, files: readonly string[], options: SubmitOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  const plan = await readPlan(door, files);
  if (options.dryRun) return printLayers(door, plan);
  refuseUnknownKinds(plan.tasks, fleet);
  const answer = await handIn(door, fleet, 'submit', { tasks: plan.tasks });
  const ids = plan.tasks.map(({ id }) => id);
  if (options.json) door.out(`${JSON.stringify(answer ?? { waiting: ids })}\n`);
  else
    door.say(
      answer === null
        ? `${counted(ids.length, 'task is kept', 'tasks are kept')}: no controller runs; fleet start takes up what waits.`
        : `${counted(ids.length, 'task')} handed in: ${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ', …' : ''}`,
    );
  if (!options.json) sayKnown(door, answer);
  return 0;
}

/** The same id with the same content is the same task: whoever expects a new run must be told. */
export function sayKnown(door: Door, answer: unknown): void {
  const known = submit.output.safeParse(answer).data?.known ?? [];
  const [first] = known;
  if (first === undefined) return;
  const list = `${known.slice(0, 3).join(', ')}${known.length > 3 ? ', …' : ''}`;
  door.say(
    `${counted(known.length, 'task was', 'tasks were')} handed in before and ${known.length === 1 ? 'is' : 'are'} not begun anew for that: ${list} (fleet retry ${first}, or another id)`,
  );
}
