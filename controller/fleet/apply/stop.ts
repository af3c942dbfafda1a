import type { Reading } from '../../agent/tools/tool.ts';
import { toFleetError } from '../../errors.ts';
import { settleAttempts } from '../../ledger/attempts.ts';
import { inTransaction, record } from '../../ledger/ledger.ts';
import { readAttempts, readTasks } from '../../ledger/read.ts';
import { settlementOf } from '../settle.ts';
import type { LoseStep, StopStep } from '../step.ts';
import { type Sight, stopKey, type World } from '../world.ts';

const TOLD_MS_MAX = 3000;
const TOLD_AT_ONCE_MAX = 16;

/** Asks the node to end an attempt. Its end comes by the journal; only a buried one has none to come. */
export function stopAttempts(world: World, { attempt, reason, isOrphan }: StopStep): void {
  const sight = world.sights.get(attempt.node);
  const link = sight?.link;
  const now = world.clock.monotonic();
  const key = stopKey(attempt.id);
  if (!sight || !link || now - (sight.asked.get(key) ?? Number.NEGATIVE_INFINITY) < TOLD_MS_MAX) return;
  if (sight.telling.has(attempt.id) || (isOrphan && sight.telling.size >= TOLD_AT_ONCE_MAX)) return;
  sight.asked.set(key, now);
  if (isOrphan) sight.evidence = 'runs attempts that are not open in this ledger; they are being ended';
  sight.telling.add(attempt.id);
  world.track(
    tell(world, sight, link, { attempt, reason, isOrphan })
      .catch((error: unknown) => {
        sight.evidence = toFleetError(error).message; // told again by a later plan
      })
      .finally(() => sight.telling.delete(attempt.id)),
  );
}

async function tell(
  world: World,
  sight: Sight,
  link: NonNullable<Sight['link']>,
  { attempt: { id, node }, reason, isOrphan }: StopStep,
): Promise<void> {
  const was = await link.stop(id, reason, isOrphan);
  if (was === 'buried' || was === 'absent') sight.running.delete(id); // no end will be told of what never ran, or was forged
  if (was === 'buried' && !isOrphan)
    await endWithout(world, id, reason === 'cancelled' ? 'cancelled' : 'restarted', 'it had not begun');
  if (was !== 'stopping' || !isOrphan) return;
  const data = { reason: 'it ran on its node and is not open in this ledger' };
  const event = { at: world.clock.now(), kind: 'attempt_stopping' as const, attempt: id, node, data };
  await inTransaction(world.ledger, (tx) => record(tx, [event]));
}

/** Attempts that are proven not to run and left nothing to read. */
export async function loseAttempts(world: World, steps: readonly LoseStep[]): Promise<void> {
  for (const { attempt, why } of steps) await endWithout(world, attempt.id, 'lost', why);
}

/** Ends an attempt in the ledger without evidence from its node. */
export async function endWithout(
  world: World,
  id: string,
  verdict: Reading['verdict'],
  message: string,
): Promise<void> {
  const [attempt] = await readAttempts(world.ledger, { ids: [id], limit: 1 });
  if (!attempt) return;
  const reading: Reading = {
    verdict,
    message,
    answer: null,
    conversation: attempt.conversation,
    usage: [],
    retryAfterSeconds: null,
  };
  const [task] = await readTasks(world.ledger, { ids: [attempt.task], limit: 1 });
  const settlement = settlementOf(world, { attempt, task, reading, exit: null, isResumable: true });
  await inTransaction(world.ledger, (tx) => settleAttempts(tx, [settlement], world.clock.now()));
  world.wake();
}
