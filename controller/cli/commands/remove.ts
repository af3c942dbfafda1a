import { existsSync } from 'node:fs';
import type { Fleet } from '../../config/fleet.ts';
import { FleetError } from '../../errors.ts';
import { readHolder, takeLock } from '../../ledger/lock.ts';
import { loadProgram } from '../../node/program.ts';
import { removeFleet } from '../../node/shell.ts';
import { type Kept, plainText, readSurvey, surveyNode } from '../../node/survey.ts';
import { selectNodes } from '../../operations/selector.ts';
import type { Transport } from '../../transport/transport.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { openContext, readFleet, readOwner } from '../session.ts';
import { counted } from '../words.ts';
import { eachOf, NODES_AT_ONCE, openNodes } from './exec.ts';

export interface RemoveOptions extends GlobalOptions {
  dryRun?: boolean;
  takeOver?: boolean;
  /** Also ends what runs there. */
  now?: boolean;
  json?: boolean;
}

type Found = { node: string; is: 'would-be-removed'; kept: Kept; error: null };
type Removal =
  | Found
  | { node: string; is: 'removed'; kept: Kept; error: null }
  | { node: string; is: 'absent'; kept: null; error: null }
  | { node: string; is: 'failed'; kept: Kept | null; error: FleetError };

/**
 * `fleet remove NODES…`: everything that the fleet put on them. All are asked before the first is touched: one that is
 * another ledger's, or still at work, and nothing is removed anywhere. One that cannot be reached hinders no other.
 */
export async function removeNodes(door: Door, words: readonly string[], options: RemoveOptions): Promise<number> {
  const fleet = await readFleet(door, options);
  const nodes = selectNodes(fleet.nodes, words);
  await refuseController(fleet);
  // Held meanwhile: a controller that began now would put back what is being removed.
  const isHeld = !options.dryRun && existsSync(fleet.stateFolder);
  const lock = isHeld ? await takeLock(fleet.stateFolder, door.clock.now()) : undefined;
  try {
    await using transports = openNodes(door, fleet, nodes);
    const owner = await ownerOf(door, fleet);
    const asked = await eachOf(nodes, NODES_AT_ONCE, ({ name }) => askNode(fleet, name, transports.of(name)));
    for (const each of asked) refuse(each, owner, options);
    const removals = options.dryRun
      ? asked
      : await eachOf(asked, NODES_AT_ONCE, async (each) =>
          each.is === 'would-be-removed' ? await removeNode(fleet, each, transports.of(each.node)) : each,
        );
    present(door, fleet, removals, options.json ?? false);
    return removals.every(({ error }) => error === null) ? 0 : 3;
  } finally {
    await lock?.release();
  }
}

async function refuseController(fleet: Fleet): Promise<void> {
  const holder = await readHolder(fleet.stateFolder);
  if (!holder) return;
  throw new FleetError('unlawful', `process ${holder.pid} on ${holder.host} drives these nodes`, {
    hint: 'End it first: fleet stop.',
  });
}

async function ownerOf(door: Door, fleet: Fleet): Promise<string | null> {
  await using context = await openContext(door, fleet);
  return await readOwner(context);
}

async function askNode(fleet: Fleet, name: string, transport: Transport): Promise<Removal> {
  const outcome = await transport.run(surveyNode(fleet.name, []));
  const survey = outcome.is === 'exited' ? readSurvey(outcome.stdout) : undefined;
  if (survey?.fleet) return { node: name, is: 'would-be-removed', kept: survey.fleet, error: null };
  if (survey) return { node: name, is: 'absent', kept: null, error: null };
  const error =
    outcome.is === 'unreachable'
      ? outcome.failure
      : new FleetError('unreachable', `it did not say what is there (${outcome.is})`, {
          hint: 'fleet doctor tells what is wrong with it.',
        });
  return { node: name, is: 'failed', kept: null, error };
}

/** What must not be removed by mistake: another's, and work whose end nobody has taken note of. */
function refuse({ node, kept }: Removal, owner: string | null, { takeOver, now, dryRun }: RemoveOptions): void {
  if (kept === null) return;
  if (kept.owner !== null && kept.owner !== owner && !takeOver)
    throw new FleetError('owned-by-another', `node ${node} follows another ledger (${kept.owner.split(' ')[0]})`, {
      target: node,
      hint: 'Remove it from where that one is; or, when that one is gone for good, add --take-over.',
    });
  if (kept.open > 0 && !now && !dryRun)
    throw new FleetError('unlawful', `${openText(kept)} on ${node}`, {
      target: node,
      hint: 'fleet start takes note of what ended and fleet stop lets the rest finish; --now removes it all the same.',
    });
}

function openText({ open }: Pick<Kept, 'open'>): string {
  return `${open} ${open === 1 ? 'attempt runs, or has' : 'attempts run, or have'} ended without this ledger knowing,`;
}

/** Told from a second look: what a program says that it did is no evidence. */
async function removeNode(fleet: Fleet, { node, kept }: Found, transport: Transport): Promise<Removal> {
  const { hash, text } = await loadProgram();
  const outcome = await transport.run(removeFleet(fleet.name, hash, text));
  if (outcome.is === 'unreachable') return { node, is: 'failed', kept, error: outcome.failure };
  const left = await askNode(fleet, node, transport);
  if (left.is === 'absent') return { node, is: 'removed', kept, error: null };
  if (left.is === 'failed') return left;
  const said = outcome.is === 'exited' ? plainText(outcome.stderr.trim().split('\n').at(-1) ?? '') : outcome.is;
  const error = new FleetError('protocol', `not all of it could be removed${said === '' ? '' : `: ${said}`}`, {
    hint: `Call it again; what is left is in ~/.miyabi/${fleet.name} there.`,
  });
  return { node, is: 'failed', kept, error };
}

function present(door: Door, fleet: Fleet, removals: readonly Removal[], isJson: boolean): void {
  if (isJson) {
    door.out(`${JSON.stringify({ version: 1, nodes: removals })}\n`);
    return;
  }
  for (const { node, is, kept, error } of removals) {
    if (error) door.say(`${node}: ${error.message}${error.hint ? `\n  → ${error.hint}` : ''}`);
    else if (kept === null) door.say(`${node}: nothing of ${fleet.name} is there`);
    else door.say(`${node}: ${is === 'removed' ? 'removed' : 'would remove'} ${keptText(fleet, kept)}`);
  }
}

function keptText(fleet: Fleet, { agents, attempts, windows, kib, open }: Kept): string {
  const parts = [
    counted(agents, 'agent’s folder', 'agents’ folders'),
    counted(attempts, 'attempt'),
    counted(windows, 'window'),
  ];
  const ended = open > 0 ? `; ${openText({ open })} which this ends and forgets` : '';
  return `~/.miyabi/${fleet.name} (${parts.join(', ')}, ${(kib / 1024).toFixed(1)} MiB)${ended}`;
}
