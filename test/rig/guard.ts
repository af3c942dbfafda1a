/** A program: what `openRun` leaves behind to do, when the process that opened a run died. */
import { removeDead } from './run.ts';

await removeDead();
