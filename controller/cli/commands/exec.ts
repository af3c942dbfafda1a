import { parseDuration } from '../../clock.ts';
import type { Fleet } from '../../config/fleet.ts';
import { FleetError } from '../../errors.ts';
import type { Node } from '../../node/node.ts';
import { selectNodes } from '../../operations/selector.ts';
import type { Outcome } from '../../transport/outcome.ts';
import type { Transport } from '../../transport/transport.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { openTransports, readFleet } from '../session.ts';

export interface ExecOptions extends GlobalOptions {
  json?: boolean;
  timeout?: string;
}

/** Nodes that are worked on at the same time. */
export const NODES_AT_ONCE = 16;
const SECONDS_DEFAULT = 600;
const BYTES_MAX = 8 * 1_048_576;

/** What became of the words on one node. */
export interface ExecResult {
  node: string;
  is: Outcome['is'];
  /** Exit code; null where it did not exit. */
  code: number | null;
  stdout: string;
  stderr: string;
  /** Why there is no exit code. */
  error: { code: string; message: string; hint: string | null } | null;
}

/**
 * `fleet exec NODES -- CMD…`: the words as they are, with no shell around them, on every node. Exit 0 when all exited
 * with 0, 1 when one exited otherwise, 3 when one did not come to an exit.
 */
export async function execute(
  door: Door,
  nodes: string,
  words: readonly string[],
  options: ExecOptions,
): Promise<number> {
  const fleet = await readFleet(door, options);
  const chosen = selectNodes(fleet.nodes, [nodes]);
  if (fleet.nodes.some(({ name }) => name === words[0])) {
    const hint = `Several nodes are one word, with commas: fleet exec ${nodes},${words[0]} -- COMMAND.`;
    throw new FleetError('usage', `${words[0]} is a node, not a command`, { hint });
  }
  const secondsMax = secondsOf(options.timeout);
  await using transports = openNodes(door, fleet, chosen);
  const results = await eachOf(chosen, NODES_AT_ONCE, async ({ name }) => {
    const outcome = await transports.of(name).run({ words, secondsMax, bytesMax: BYTES_MAX }, door.signal);
    const result = resultOf(name, outcome);
    if (!options.json) printResult(door, result);
    return result;
  });
  if (options.json) door.out(`${JSON.stringify({ version: 1, results })}\n`);
  return door.signal.aborted ? door.signalExit() : exitOf(results);
}

function secondsOf(timeout: string | undefined): number {
  const seconds = timeout === undefined ? SECONDS_DEFAULT : parseDuration(timeout);
  if (seconds === undefined || seconds <= 0)
    throw new FleetError('usage', `--timeout ${timeout} is no duration`, { hint: 'Such as 90s, 30m or 2h.' });
  return seconds;
}

/** Works on all, at most so many at once; gives the results in the order of what was given. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = [...items.entries()];
  const line = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, line));
  return results;
}

/** Opens the way to some nodes of a fleet; each is let go of when the use of it is over. */
export function openNodes(door: Door, fleet: Fleet, nodes: readonly Node[]): NodeTransports {
  const transports = openTransports(door, { ...fleet, nodes });
  return {
    of: (name) => {
      const transport = transports.get(name);
      if (!transport) throw new FleetError('bug', `no way to node ${name} was opened`);
      return transport;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...transports.values()].map((transport) => transport.close()));
    },
  };
}

export interface NodeTransports extends AsyncDisposable {
  of(node: string): Transport;
}

/** Pure. */
export function resultOf(node: string, outcome: Outcome): ExecResult {
  const nothing = { node, is: outcome.is, code: null, stdout: '', stderr: '' };
  switch (outcome.is) {
    case 'exited':
      return { ...nothing, code: outcome.code, stdout: outcome.stdout, stderr: outcome.stderr, error: null };
    case 'timed-out': {
      const error = new FleetError('time-limit', `not ended within ${outcome.seconds} s, and ended now`, {
        hint: 'To give it longer: --timeout 1h.',
      });
      return { ...nothing, stdout: outcome.stdout, stderr: outcome.stderr, error: error.toJSON() };
    }
    case 'unreachable':
      return { ...nothing, error: outcome.failure.toJSON() };
    case 'cancelled':
      return { ...nothing, error: cancelled().toJSON() };
    case 'too-long': {
      const error = new FleetError('protocol', `more than ${BYTES_MAX} bytes of output`, {
        hint: 'Let it write to a file there, and look at what you need of it: fleet exec NODES -- tail FILE.',
      });
      return { ...nothing, error: error.toJSON() };
    }
  }
}

function cancelled(): FleetError {
  const hint = 'What it did until then is done there; call it again.';
  return new FleetError('time-limit', 'cancelled before it ended, and ended there', { hint });
}

function printResult(door: Door, { node, code, stdout, stderr, error }: ExecResult): void {
  for (const line of linesOf(stdout)) door.out(`${node}: ${line}\n`);
  for (const line of linesOf(stderr)) door.say(`${node}: ${line}`);
  if (error) door.say(`${node}: ${error.message}${error.hint ? `\n  → ${error.hint}` : ''}`);
  else if (code !== 0) door.say(`${node}: exit ${code}`);
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function exitOf(results: readonly ExecResult[]): number {
  if (results.some(({ code }) => code === null)) return 3;
  return results.every(({ code }) => code === 0) ? 0 : 1;
}
