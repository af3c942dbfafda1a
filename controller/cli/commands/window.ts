import { sessionName } from '../../agent/agent.ts';
import type { Fleet } from '../../config/fleet.ts';
import { ERROR_CODES, FleetError } from '../../errors.ts';
import { readAttempts } from '../../ledger/read.ts';
import { loadProgram } from '../../node/program.ts';
import { attachWords, logWords, placeProgram } from '../../node/shell.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { agentNumber, findAgent } from '../naming.ts';
import { openContext, openTransports, readFleet } from '../session.ts';

function transportOf(door: Door, fleet: Fleet, node: string) {
  const transport = openTransports(door, fleet).get(node);
  if (!transport)
    throw new FleetError('not-found', `node ${node} is not in the fleet file any more`, {
      hint: 'Put it back there to reach what it holds.',
    });
  return transport;
}

/** `fleet attach AGENT`: its window on its node. Keys reach nobody's work; Ctrl-b d leaves. */
export async function attach(
  door: Door,
  word: string,
  options: GlobalOptions & { readOnly?: boolean },
): Promise<number> {
  const fleet = await readFleet(door, options);
  await using context = await openContext(door, fleet);
  const agent = await findAgent(context.ledger, fleet.name, word);
  const words = attachWords(fleet.name, sessionName(fleet.name, agent.number), options.readOnly ?? false);
  return reached(await door.terminal(transportOf(door, fleet, agent.node).terminal(words)));
}

export interface LogOptions extends GlobalOptions {
  follow?: boolean;
  raw?: boolean;
  err?: boolean;
}

/** `fleet logs AGENT|TASK`: its latest attempt's output, as text for people or as it is. */
export async function printLog(door: Door, what: string, options: LogOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  await using context = await openContext(door, fleet);
  const { ledger } = context;
  const of = async (where: { task?: string; agent?: number }) =>
    ledger ? (await readAttempts(ledger, { ...where, limit: 1 }))[0] : undefined;
  const agent = agentNumber(what, fleet.name);
  const attempt = (await of({ task: what })) ?? (agent === undefined ? undefined : await of({ agent }));
  if (!attempt)
    throw new FleetError('not-found', `${what} has no log: no such task or agent, or it never began`, {
      hint: `fleet explain ${what} tells why a task waits.`,
    });
  const transport = transportOf(door, fleet, attempt.node);
  const program = await loadProgram();
  const placed = await transport.run(placeProgram(fleet.name, program.hash, program.text));
  if (placed.is === 'unreachable') throw placed.failure;
  const words = logWords(
    fleet.name,
    program.hash,
    attempt.id,
    options.err ? 'err' : 'out',
    options.follow ?? false,
    !options.raw && !options.err,
  );
  return reached(await door.terminal(transport.terminal(words, true)));
}

/** What ssh ends with when ssh itself failed; it has said why. */
const SSH_FAILED = 255;

function reached(exit: number): number {
  return exit === SSH_FAILED ? ERROR_CODES.unreachable.exit : exit;
}
