import type { Fleet } from '../config/fleet.ts';
import { FleetError } from '../errors.ts';
import type { World } from '../fleet/world.ts';
import { countOpen } from '../ledger/parking.ts';
import type { Intent } from '../ledger/view.ts';
import { operationOf } from './index.ts';
import type { Change } from './operation.ts';

export interface Obeying {
  /** The world of the loop: a reload gives it another fleet. */
  live: World;
  /** The same with a transaction as its ledger. */
  world: World;
  /** Reads the fleet again, for `reload`. */
  readAgain: () => Promise<Fleet>;
}

const VERSION_HINT = 'If fleet was updated since the controller began: fleet stop, then fleet start.';

/** Obeys one intent, checked by its operation's own schemas. Throws a FleetError to refuse it. */
export async function obey(intent: Intent, { live, world, readAgain }: Obeying): Promise<unknown> {
  const operation = operationOf(intent.operation);
  if (operation?.is !== 'change')
    throw new FleetError('usage', `this controller knows no change called ${intent.operation}`, { hint: VERSION_HINT });
  const change = operation as Change<unknown, unknown>;
  const input = change.input.safeParse(intent.input);
  if (!input.success) {
    const problems = input.error.issues.map(({ path, message }) => [...path.map(String), message].join(': '));
    throw new FleetError('usage', `${intent.operation}: ${problems.slice(0, 20).join('; ')}`, { hint: VERSION_HINT });
  }
  const reload = async () => {
    const fleet = await readAgain();
    if (fleet.name !== live.fleet.name)
      throw new FleetError(
        'unlawful',
        `the fleet is called ${live.fleet.name}, and cannot become ${fleet.name} while it runs: its folders and windows bear the name`,
        {
          hint: 'Put the name back. For another one: fleet stop, fleet remove all, then rename it and fleet start.',
        },
      );
    await refuseLeftWork(world, live.fleet, fleet);
    live.fleet = fleet;
    return fleet;
  };
  return change.output.parse(await change.run({ world, now: world.clock.now(), reload }, input.data));
}

/** A node leaves the fleet, or is reached another way, only when nothing runs there: its end would never be seen. */
async function refuseLeftWork({ ledger }: World, before: Fleet, after: Fleet): Promise<void> {
  const kept = new Map(after.nodes.map(({ name, via }) => [name, JSON.stringify(via)]));
  const open = await countOpen(ledger);
  const left = before.nodes.filter(({ name, via }) => open.has(name) && kept.get(name) !== JSON.stringify(via));
  if (left.length === 0) return;
  const list = left.map(({ name }) => `${name} (${open.get(name)} at work)`).join(', ');
  throw new FleetError('unlawful', `a node at work cannot leave the fleet, or be reached another way: ${list}`, {
    hint: 'Put it back into the fleet file; fleet pause node:NAME gives it nothing new, and once it is idle it may go.',
  });
}
