import { inTransaction } from '../../ledger/ledger.ts';
import { parkAttempts as park, unparkAttempts as unpark } from '../../ledger/parking.ts';
import type { Plan } from '../step.ts';
import type { World } from '../world.ts';

/** Parks what runs on nodes not heard for too long, and takes up again what is parked on those that are back. */
export async function parkAttempts(world: World, plan: Pick<Plan, 'park' | 'unpark'>): Promise<void> {
  if (plan.park.length + plan.unpark.length === 0) return;
  const now = world.clock.now();
  await inTransaction(world.ledger, async (tx) => {
    const parkings = plan.park.map(({ attempt, why }) => ({ attempt: attempt.id, why }));
    const heard = plan.unpark.map(({ id }) => id);
    await park(tx, parkings, now);
    await unpark(tx, heard, now);
  });
  world.wake();
}
