import { readSnapshot } from '../ledger/read.ts';
import { apply } from './apply.ts';
import { desire } from './desired.ts';
import { observe } from './observe.ts';
import { decide } from './plan.ts';
import { publish } from './publish.ts';
import type { Plan } from './step.ts';
import type { World } from './world.ts';

/** Ready tasks of a lane worth looking at in one tick; what is beyond is looked at in the next. */
export const PER_LANE_MAX = 200;

/** One turn: observe → desired → plan → apply → record. Gives the plan and when something comes due by itself. */
export async function tick(world: World): Promise<{ plan: Plan; dueAt: number | null }> {
  const observation = await observe(world);
  const snapshot = await readSnapshot(world.ledger, world.clock.now(), PER_LANE_MAX);
  const desired = desire(world.fleet, observation.nodes, world.memory.places);
  world.memory = { ...world.memory, places: new Map([...desired.agents.values()].map((at) => [at.number, at.node])) };
  const plan = decide(world.fleet, desired, observation, snapshot);
  await apply(world, plan);
  await publish(world, desired, snapshot, plan);
  return { plan, dueAt: snapshot.nextReadyAt };
}
