/**
 * Stand-ins for the model in three weathers, as a process of their own. Prints their addresses on the first line, then a
 * line for each response that was sent to its last byte.
 */
import { machineClock } from '../../../controller/machine.ts';
import type { Served } from '../../../controller/rehearsal/book.ts';
import { startRehearsalModel } from '../../../controller/rehearsal/model.ts';

/** Long enough that most agents wait for an answer at any moment, as they do in earnest. */
const THINK_MS = { min: 6000, max: 30_000 };

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const onServed = (served: Served): void => say(served);
const started = await Promise.all(
  (['calm', 'rate-limits', 'flaky'] as const).map((scenario, index) =>
    startRehearsalModel({ scenario, clock: machineClock, seed: index + 1, thinkMs: THINK_MS, onServed }),
  ),
);
say(started.map(({ url }) => url));
