import type { Reading } from '../../agent/tools/tool.ts';
import { toFleetError } from '../../errors.ts';
import { settleAttempt } from '../../ledger/attempts.ts';
import { inTransaction } from '../../ledger/ledger.ts';
import { readAttempts } from '../../ledger/read.ts';
import { settlementOf } from '../settle.ts';
import type { LoseStep, StopStep } from '../step.ts';
import { stopKey, type World } from '../world.ts';

const TOLD_MS_MAX = 3000;

/** Asks the node to end an attempt. Its end comes by the journal; only a buried one has none to come. */
export function stopAttempts(world: World, { attempt, reason }: StopStep): void {
  const sight = world.sights.get(attempt.node);
  const link = sight?.link;
  const now = world.clock.monotonic();
  const key = stopKey(attempt.id);
  if (!sight || !link || now - (sight.asked.get(key) ?? Number.NEGATIVE_INFINITY) < TOLD_MS_MAX) return;
  sight.asked.set(key, now);
  world.track(
    link
      .stop(attempt.id, reason)
      .then(async (was) => {
        if (was === 'buried')
          await endWithout(world, attempt.id, reason === 'cancelled' ? 'cancelled' : 'restarted', 'it had not begun');
      })
      .catch((error: unknown) => {
        sight.evidence = toFleetError(error).message; // told again by a later plan
      }),
  );
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
  const [attempt] = await readAttempts(world.ledger, { id, limit: 1 });
  if (!attempt) return;
  const reading: Reading = {
    verdict,
    message,
    answer: null,
    conversation: attempt.conversation,
    usage: [],
    retryAfterSeconds: null,
  };
  const settlement = await settlementOf(world, attempt, reading, null, true);
  await inTransaction(world.ledger, (tx) => settleAttempt(tx, settlement, world.clock.now()));
  world.wake();
}
