import { join } from 'node:path';
import { Outputs } from '../../infra/outputs.ts';
import { check, type Problem, pathText } from './check.ts';
import { readBounded } from './file.ts';
import { LATER_FLEET_FIELDS } from './later.ts';
import { STACK_BYTES_MAX } from './limit.ts';
import { decode } from './position.ts';
import { fleetRules } from './rule.ts';
import { FleetFile } from './schema.ts';
import { type StackEntry, writtenNodes } from './stack.ts';
import { childOf, isMap, itemsOf } from './value.ts';

/** Where the outputs of a stack are kept, as `fleet stack pull` read them last. */
export function stackFile(stateFolder: string, name: string): string {
  return join(stateFolder, 'stacks', `${name}.json`);
}

export interface Places {
  stateFolder: string;
  /** Makes a path of the fleet file absolute. */
  place(path: string): string;
}

export type Inventory = { is: 'good'; value: FleetFile } | { is: 'bad'; problems: readonly Problem[] };

/**
 * The fleet file with the nodes of its stacks, judged as if all of them were written there. `wanted` is the file
 * before it was checked.
 */
export async function withStacks(file: FleetFile, wanted: unknown, around: Places): Promise<Inventory> {
  if (file.stacks.length === 0) return { is: 'good', value: file };
  const readings = await Promise.all(file.stacks.map((entry) => readStack(entry, around)));
  const missing = readings.flatMap((reading) => ('problem' in reading ? [reading.problem] : []));
  if (missing.length > 0) return { is: 'bad', problems: missing };
  const joined = readings.flatMap((reading) => ('nodes' in reading ? reading.nodes : []));
  const own = itemsOf(childOf(wanted, 'nodes'));
  const whole = { ...(isMap(wanted) ? wanted : {}), nodes: [...own, ...joined.map(({ node }) => node)] };
  const checked = check(FleetFile, whole, LATER_FLEET_FIELDS, fleetRules(whole));
  if (checked.is === 'good') return checked;
  const problems = checked.findings.map(({ path: [room, index, ...rest], message }): Problem => {
    const from = room === 'nodes' && typeof index === 'number' ? joined[index - own.length] : undefined;
    const path = from === undefined ? [room, index, ...rest] : ['fleet', 'nodes', from.index, ...rest];
    return {
      where: from?.where ?? 'stacks',
      position: null,
      path: pathText(path.filter((step) => step !== undefined)),
      message,
    };
  });
  return { is: 'bad', problems };
}

type StackReading = { nodes: readonly { node: object; where: string; index: number }[] } | { problem: Problem };

async function readStack(entry: StackEntry, { stateFolder, place }: Places): Promise<StackReading> {
  const where = entry.file === undefined ? stackFile(stateFolder, entry.name) : place(entry.file);
  const problem = (message: string) => ({ problem: { where, position: null, path: '', message } });
  const again = entry.file === undefined ? `: \`fleet stack pull --stack ${entry.name}\`` : '';
  const reading = await readBounded(where, STACK_BYTES_MAX);
  if (reading.is === 'absent') return problem(`expected the outputs of stack ${entry.name} (not here yet${again})`);
  if (reading.is === 'unreadable') return problem(`expected to read it (${reading.reason})`);
  const outputs = readOutputs(reading.bytes);
  if (outputs.is === 'bad') return problem(`${outputs.message} (read it again${again})`);
  return { nodes: writtenNodes(entry, outputs.value).map((node, index) => ({ node, where, index })) };
}

/** What `pulumi stack output --json` printed, by the contract. */
export function readOutputs(bytes: Uint8Array): { is: 'good'; value: Outputs } | { is: 'bad'; message: string } {
  const bad = (message: string) => ({ is: 'bad' as const, message });
  const text = decode(bytes, STACK_BYTES_MAX);
  if (text.is === 'flawed') return bad(text.flaws.map(({ message }) => message).join('; '));
  let value: unknown;
  try {
    value = JSON.parse(text.value);
  } catch {
    return bad('expected JSON, as `pulumi stack output --json` prints it');
  }
  if (childOf(value, 'fleet') === undefined)
    return bad('expected `fleet` in it: is the stack up, and one of this project?');
  const version = childOf(childOf(value, 'fleet'), 'version');
  if (version !== 1) return bad(`expected outputs of version 1 (given: ${JSON.stringify(version) ?? 'none'})`);
  const parsed = Outputs.safeParse(value);
  if (parsed.success) return { is: 'good', value: parsed.data };
  const [issue] = parsed.error.issues;
  return bad(
    `${pathText((issue?.path ?? []).map((step) => (typeof step === 'number' ? step : String(step))))}: ${issue?.message ?? 'not as agreed'}`,
  );
}
