import { parkAttempts } from './apply/park.ts';
import { closeSessions, openSessions } from './apply/sessions.ts';
import { sendAgain, startTasks } from './apply/start.ts';
import { loseAttempts, stopAttempts } from './apply/stop.ts';
import type { Plan } from './step.ts';
import type { World } from './world.ts';

/** Does what the plan says. What waits for a node goes on beside the next ticks; what is committed is committed here. */
export async function apply(world: World, plan: Plan): Promise<void> {
  await parkAttempts(world, plan);
  await loseAttempts(world, plan.lose);
  await startTasks(world, plan.start);
  for (const attempt of plan.send) sendAgain(world, attempt);
  for (const step of plan.stop) stopAttempts(world, step);
  for (const step of plan.openSessions) openSessions(world, step);
  for (const step of plan.closeSessions) closeSessions(world, step);
}
