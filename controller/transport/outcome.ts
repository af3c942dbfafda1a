import type { FleetError } from '../errors.ts';

/** What became of a Command. Never an exception: callers branch on `is`. */
export type Outcome =
  | { is: 'exited'; code: number; signal: string | null; stdout: string; stderr: string }
  | { is: 'timed-out'; seconds: number; stdout: string; stderr: string }
  /** Its code says of what sort: unreachable, host-untrusted, login-refused, prerequisite-missing. */
  | { is: 'unreachable'; failure: FleetError }
  | { is: 'cancelled' }
  | { is: 'too-long'; bytes: number };

/** Standard output of a command that exited with 0, else undefined. */
export function stdoutOf(outcome: Outcome): string | undefined {
  return outcome.is === 'exited' && outcome.code === 0 ? outcome.stdout : undefined;
}
