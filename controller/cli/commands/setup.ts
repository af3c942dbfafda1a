import { FleetError } from '../../errors.ts';
import { setupProgram } from '../../node/program.ts';
import { parseSetupLine, type SetupChoice, type SetupStep, setupWords } from '../../node/setup.ts';
import { plainText } from '../../node/survey.ts';
import { selectNodes } from '../../operations/selector.ts';
import type { Transport } from '../../transport/transport.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { readFleet } from '../session.ts';
import { eachOf, NODES_AT_ONCE, openNodes } from './exec.ts';

export interface SetupOptions extends GlobalOptions {
  dryRun?: boolean;
  user?: string;
  json?: boolean;
}

/** Packages and programs of some 300 MB are fetched, the first time. */
const SECONDS_MAX = 30 * 60;
const LINES_KEPT = 20;

interface SetupResult {
  node: string;
  steps: SetupStep[];
  /** Steps that were changed, or would be; null: it did not come to its end. */
  changed: number | null;
  failed: number | null;
  error: { code: string; message: string; hint: string | null } | null;
}

/** `fleet setup NODES…`: brings machines to the state that a node made by a stack has. Safe to run again, and beside work. */
export async function setUp(door: Door, words: readonly string[], options: SetupOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  const nodes = selectNodes(fleet.nodes, words);
  const program = setupProgram().text;
  const choice = { isDryRun: options.dryRun ?? false, user: options.user ?? null };
  await using transports = openNodes(door, fleet, nodes);
  const results = await eachOf(nodes, NODES_AT_ONCE, async ({ name }) => {
    const tell = (step: SetupStep) => {
      if (!options.json) door.out(`${name}: ${step.is.padEnd(9)}${step.step.padEnd(11)}${plainText(step.why)}\n`);
    };
    const result = await setUpNode(door, { node: name, transport: transports.of(name), program, choice, tell });
    if (!options.json) say(door, result, choice);
    return result;
  });
  if (options.json) door.out(`${JSON.stringify({ version: 1, results })}\n`);
  if (door.signal.aborted) return door.signalExit();
  if (results.some(({ failed }) => failed === null)) return 3;
  return results.every(({ failed }) => failed === 0) ? 0 : 1;
}

interface Work {
  node: string;
  transport: Transport;
  program: string;
  choice: SetupChoice;
  tell(step: SetupStep): void;
}

async function setUpNode(door: Door, { node, transport, program, choice, tell }: Work): Promise<SetupResult> {
  const result: SetupResult = { node, steps: [], changed: null, failed: null, error: null };
  const others: string[] = [];
  let isRefused = false;
  const onLine = (text: string) => {
    const line = parseSetupLine(text);
    if (line.is === 'step') {
      result.steps.push(line.step);
      tell(line.step);
    } else if (line.is === 'sum') Object.assign(result, { changed: line.changed, failed: line.failed });
    else if (line.is === 'refused') isRefused = true;
    else if (others.push(text) > LINES_KEPT) others.shift();
  };
  try {
    const stream = await transport.open(setupWords(program, choice), onLine);
    const limit = AbortSignal.any([door.signal, AbortSignal.timeout(SECONDS_MAX * 1000)]);
    limit.addEventListener('abort', () => stream.close(), { once: true });
    stream.write(program);
    const reason = await stream.ended;
    if (result.failed === null) throw isRefused ? noSudo(node, choice) : brokenOff(node, reason, others);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    result.error = error.toJSON();
  }
  return result;
}

function noSudo(node: string, choice: SetupChoice): FleetError {
  return new FleetError('no-access', `${node}: setting it up needs root, and sudo asks for a password there`, {
    target: node,
    hint: `Log in as root for this, or let the user use sudo without a password; then again: \`fleet setup ${node}${choice.isDryRun ? ' --dry-run' : ''}\`.`,
  });
}

function brokenOff(node: string, reason: string, others: readonly string[]): FleetError {
  const said = plainText(others.filter((line) => line.trim() !== '').at(-1) ?? '');
  return new FleetError('unreachable', `${node}: broken off (${reason})${said === '' ? '' : `: ${said}`}`, {
    target: node,
    hint: `Every step looks first what is there: \`fleet setup ${node}\` goes on where it ended.`,
  });
}

function say(door: Door, { node, changed, failed, error }: SetupResult, { isDryRun }: SetupChoice): void {
  if (error) door.say(`${node}: ${error.message}${error.hint ? `\n  → ${error.hint}` : ''}`);
  else door.say(`${node}: ${changed} ${isDryRun ? 'would change' : 'changed'}, ${failed} failed`);
}
