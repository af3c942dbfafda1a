import type { Fleet } from '../config/fleet.ts';
import { type Flags, loadFleet } from '../config/load.ts';
import { openNodes } from '../transport/ssh-node.ts';
import type { Transport } from '../transport/transport.ts';
import type { Door, GlobalOptions } from './door.ts';

/** Puts together what a subcommand works with. */

export { readOwner } from '../fleet/controller.ts';
export { openContext } from '../operations/ask.ts';

export function readFleet(
  door: Door,
  options: GlobalOptions,
  flags: Flags = {},
  isWithoutStacks = false,
): Promise<Fleet> {
  const { file, name, home } = options;
  return loadFleet({
    isWithoutStacks,
    file,
    env: door.env,
    cwd: door.cwd,
    flags: { ...flags, ...(name === undefined ? {} : { name }), ...(home === undefined ? {} : { home }) },
  });
}

/** Opens ways to nodes, all under one bound of logins at once. */
export function openTransports(door: Door, fleet: Fleet): Map<string, Transport> {
  const open = openNodes({ env: door.env });
  return new Map(fleet.nodes.map(({ name, via }) => [name, open(via)]));
}
