import type { FleetError } from '../errors.ts';
import type { Command } from './command.ts';
import type { Outcome } from './outcome.ts';

/** What a running Command gives, in any order until its end. Takes no notice of what comes later. */
export interface Gathering {
  out(chunk: Buffer): void;
  err(chunk: Buffer): void;
  exited(code: number | null, signal: string | null): void;
  failed(failure: FleetError): void;
}

/**
 * Makes an Outcome of what a Command gives, within its limits of time and bytes. `begin` starts it and returns how to
 * end it early; that is called when a limit is reached or nobody wants it any more.
 */
export function gather(
  command: Pick<Command, 'secondsMax' | 'bytesMax'>,
  signal: AbortSignal | undefined,
  begin: (gathering: Gathering) => () => void,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let bytes = 0;
  let isOver = false;
  let kill = () => {};
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString('utf8');
  const end = (outcome: Outcome) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
    if (outcome.is !== 'exited' && outcome.is !== 'unreachable') kill();
    resolve(outcome);
    out.length = 0;
    err.length = 0;
  };
  const cancel = () => end({ is: 'cancelled' });
  const limit = () => end({ is: 'timed-out', seconds: command.secondsMax, stdout: text(out), stderr: text(err) });
  const timer = setTimeout(limit, command.secondsMax * 1000);
  const collect = (chunks: Buffer[]) => (chunk: Buffer) => {
    if (isOver) return;
    bytes += chunk.length;
    if (bytes > command.bytesMax) end({ is: 'too-long', bytes });
    else chunks.push(chunk);
  };
  signal?.addEventListener('abort', cancel);
  if (signal?.aborted) cancel();
  else {
    kill = begin({
      out: collect(out),
      err: collect(err),
      exited: (code, ending) =>
        end({ is: 'exited', code: code ?? 128, signal: ending, stdout: text(out), stderr: text(err) }),
      failed: (failure) => end({ is: 'unreachable', failure }),
    });
  }
  return promise;
}

/** Waits for something, but no longer than so. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, ms);
  await Promise.race([work, limit.promise]);
  clearTimeout(timer);
}
