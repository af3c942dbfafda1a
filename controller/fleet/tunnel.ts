import { FleetError } from '../errors.ts';
import { inTransaction, readMeta, writeMeta } from '../ledger/ledger.ts';
import type { Link } from '../node/link.ts';
import type { Target } from '../transport/transport.ts';
import type { Sight, World } from './world.ts';

/** Model endpoints on this side, made reachable from a node by a port of its own loopback. */

const AGAIN_MS = 30_000;

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

/** Opens the tunnels that are missing, beside the ticks; tried again after a while, as the link itself is well. */
export function keepTunnels(world: World, sight: Sight): void {
  const { link } = sight;
  const now = world.clock.monotonic();
  const missing = missingEndpoints(world, sight);
  if (!link || missing.length === 0 || now - sight.tunnelsAt < AGAIN_MS) return;
  sight.tunnelsAt = now;
  world.track(openTunnels(world, sight, link, missing));
}

/** Endpoints on this side that a kind asks for and no tunnel leads to, one for each place. */
function missingEndpoints({ fleet }: World, { node, tunnels }: Sight): string[] {
  if (node.via.kind === 'local') return [];
  const wanted = fleet.kinds.flatMap(({ tunnel, endpoint }) => (tunnel && endpoint !== null ? [endpoint] : []));
  return [...new Map(wanted.map((endpoint) => [tunnelKey(endpoint), endpoint]))]
    .filter(([key]) => !tunnels.has(key))
    .map(([, endpoint]) => endpoint);
}

async function openTunnels(world: World, sight: Sight, link: Link, endpoints: readonly string[]): Promise<void> {
  try {
    for (const endpoint of endpoints) {
      const port = await openTunnel(world, sight.name, link, endpoint);
      if (sight.link === link) sight.tunnels = new Map([...sight.tunnels, [tunnelKey(endpoint), port]]);
    }
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    sight.evidence = `no tunnel for the model's endpoint: ${error.message}`;
  }
  world.wake();
}

/** A node keeps its port for good: a tool that waits out a lost connection finds its endpoint where it was. */
async function openTunnel(world: World, node: string, link: Link, endpoint: string): Promise<number> {
  const target = targetOf(endpoint);
  const name = `tunnel ${node} ${tunnelKey(endpoint)}`;
  const wished = Number((await readMeta(world.ledger, name)) ?? 0);
  const port = await link.forward(wished, target).catch((error: unknown) => {
    if (wished === 0 || !(error instanceof FleetError)) throw error;
    return link.forward(0, target); // another program has it now
  });
  if (port !== wished) await inTransaction(world.ledger, (tx) => writeMeta(tx, name, String(port)));
  return port;
}

/** The endpoint as the node reaches it; null while there is no tunnel that should be there. */
export function endpointAt(sight: Sight, endpoint: string): string | null {
  if (sight.node.via.kind === 'local') return endpoint;
  const port = sight.tunnels.get(tunnelKey(endpoint));
  // By hand: URL would encode the braces of {task} and {attempt}, which are filled in later.
  return port === undefined ? null : endpoint.replace(/^http:\/\/[^/?#]+/i, `http://127.0.0.1:${port}`);
}
