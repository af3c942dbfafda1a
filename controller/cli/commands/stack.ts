import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { readBounded } from '../../config/file.ts';
import { readOutputs, stackFile } from '../../config/inventory.ts';
import { STACK_BYTES_MAX } from '../../config/limit.ts';
import { FleetError } from '../../errors.ts';
import { openLocal } from '../../transport/local.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { findProject } from '../project.ts';
import { readFleet } from '../session.ts';
import { counted } from '../words.ts';

export interface StackOptions extends GlobalOptions {
  stack?: readonly string[];
  project?: string;
  from?: string;
  json?: boolean;
}

/** What Pulumi takes to reach the place of its state. */
const PULUMI_SECONDS_MAX = 120;
const WITHOUT_PULUMI =
  'Say where it is: --project FOLDER. Without Pulumi here: `fleet stack pull --stack NAME --from OUTPUTS.json`.';
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

interface Pulled {
  stack: string;
  nodes: number;
  file: string;
}

/** `fleet stack pull`: fetches the outputs of stacks, from which the fleet knows their machines. All of them, or none. */
export async function pullStacks(door: Door, options: StackOptions): Promise<number> {
  const fleet = await readFleet(door, options, {}, true);
  const names = [...new Set(options.stack ?? fleet.stacks)];
  judgeNames(names, options);
  const folder =
    options.from === undefined
      ? await findProject(
          options.project === undefined ? beginAt(door, fleet.file) : door.cwd,
          options.project,
          WITHOUT_PULUMI,
        )
      : '';
  const read: { stack: string; text: string; nodes: number }[] = [];
  for (const stack of names) {
    const bytes =
      options.from === undefined ? await askPulumi(door, folder, stack) : await readFrom(door, options.from);
    const outputs = readOutputs(bytes);
    if (outputs.is === 'bad') throw new FleetError('config-invalid', `outputs of stack ${stack}: ${outputs.message}`);
    const text = `${JSON.stringify(outputs.value, null, 2)}\n`;
    read.push({ stack, text, nodes: outputs.value.fleet.nodes.length });
  }
  const pulled: Pulled[] = [];
  for (const { stack, text, nodes } of read) {
    const file = stackFile(fleet.stateFolder, stack);
    await putFile(file, text);
    pulled.push({ stack, nodes, file });
  }
  if (options.json) door.out(`${JSON.stringify({ version: 1, stacks: pulled })}\n`);
  else for (const { stack, nodes, file } of pulled) door.out(`${stack}: ${counted(nodes, 'node')} (${file})\n`);
  return 0;
}

const beginAt = (door: Door, file: string | null) => (file === null ? door.cwd : dirname(file));

function judgeNames(names: readonly string[], { from }: StackOptions): void {
  const hint = 'Such as `fleet stack pull --stack phase2`; or name it in the fleet file: `stacks: [phase2]`.';
  const refuse = (message: string) => new FleetError('usage', message, { hint });
  if (names.length === 0) throw refuse('no stacks named');
  const [odd] = names.filter((name) => !NAME.test(name));
  if (odd !== undefined) throw refuse(`${odd} is no name of a stack: 1 to 64 of A-Z a-z 0-9 _ . -`);
  if (from !== undefined && names.length > 1) throw refuse(`--from is one file, and ${names.length} stacks are named`);
}

/** Pulumi gets the whole environment: where its state is and who may read it is said there. */
async function askPulumi(door: Door, folder: string, stack: string): Promise<Uint8Array> {
  const words = ['pulumi', 'stack', 'output', '--json', '--non-interactive', '--cwd', folder, '--stack', stack];
  const command = { words, secondsMax: PULUMI_SECONDS_MAX, bytesMax: STACK_BYTES_MAX };
  const outcome = await openLocal(door.env).run(command, door.signal);
  const failed = (message: string, hint: string) =>
    new FleetError('prerequisite-missing', `stack ${stack}: ${message}`, { hint, target: stack });
  const elsewhere = `Where Pulumi is: \`pulumi stack output --json --stack ${stack} > ${stack}.json\`; then here: \`fleet stack pull --stack ${stack} --from ${stack}.json\`.`;
  switch (outcome.is) {
    case 'exited': {
      if (outcome.code === 0) return Buffer.from(outcome.stdout);
      const said = outcome.stderr.trim().split('\n').at(-1) ?? '';
      throw failed(`pulumi ended with ${outcome.code}: ${said.slice(0, 500)}`, `In ${folder}: \`${words.join(' ')}\`.`);
    }
    case 'unreachable':
      throw failed('the Pulumi CLI is not here', elsewhere);
    case 'timed-out':
      throw failed(`pulumi did not answer within ${outcome.seconds} s`, elsewhere);
    case 'too-long':
      throw failed(`pulumi printed more than ${STACK_BYTES_MAX} bytes`, elsewhere);
    case 'cancelled':
      throw failed('cancelled', 'Nothing was changed; call it again.');
  }
}

async function readFrom(door: Door, from: string): Promise<Uint8Array> {
  const reading = await readBounded(resolve(door.cwd, from), STACK_BYTES_MAX);
  if (reading.is === 'read') return reading.bytes;
  const reason = reading.is === 'absent' ? 'there is none' : reading.reason;
  throw new FleetError('usage', `--from ${from}: expected a file (${reason})`);
}

/** Whole or not at all: a fleet may be read at any moment. */
async function putFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new-${process.pid}`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, path);
}
