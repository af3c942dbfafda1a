import { FleetError } from '../errors.ts';
import { inTransaction, readMeta, writeMeta } from '../ledger/ledger.ts';
import type { Link } from '../node/link.ts';
import type { Target } from '../transport/transport.ts';
import type { Sight, World } from './world.ts';

/** Model endpoints on this side, made reachable from a node by a port of its own loopback. */

/** Host and port of an endpoint; tunnels are for http:// alone. */
function targetOf(endpoint: string): Target {
  const url = new URL(endpoint);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}

/** What two endpoints share when one tunnel serves both. */
function tunnelKey(endpoint: string): string {
  const { host, port } = targetOf(endpoint);
  return `${host}:${port}`;
}

/**
 * Opens a tunnel to each endpoint that asks for one. A node keeps its port for good: a tool that waits out a lost
 * connection finds its endpoint again where it was.
 */
export async function openTunnels(world: World, sight: Sight, link: Link): Promise<Map<string, number>> {
  const tunnels = new Map<string, number>();
  if (sight.node.via.kind === 'local') return tunnels;
  for (const { endpoint, tunnel } of world.fleet.kinds) {
    if (!tunnel || endpoint === null || tunnels.has(tunnelKey(endpoint))) continue;
    const key = tunnelKey(endpoint);
    const name = `tunnel ${sight.name} ${key}`;
    const wished = Number((await readMeta(world.ledger, name)) ?? 0);
    const target = targetOf(endpoint);
    const port = await link.forward(wished, target).catch((error: unknown) => {
      if (wished === 0 || !(error instanceof FleetError)) throw error;
      return link.forward(0, target); // another program has it now
    });
    if (port !== wished) await inTransaction(world.ledger, (tx) => writeMeta(tx, name, String(port)));
    tunnels.set(key, port);
  }
  return tunnels;
}

/** The endpoint as the node reaches it; null while there is no tunnel that should be there. */
export function endpointAt(sight: Sight, endpoint: string): string | null {
  if (sight.node.via.kind === 'local') return endpoint;
  const port = sight.tunnels.get(tunnelKey(endpoint));
  if (port === undefined) return null;
  const { pathname, search } = new URL(endpoint);
  // Put together by hand: URL would encode the braces of {task} and {attempt}, which are filled in later.
  return `http://127.0.0.1:${port}${decodeURI(pathname)}${search}`.replace(/\/$/, '');
}
