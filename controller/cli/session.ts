import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Fleet } from '../config/fleet.ts';
import { type Flags, loadFleet, resolveSecrets } from '../config/load.ts';
import { toFleetError } from '../errors.ts';
import { type Bell, createBell } from '../fleet/run.ts';
import type { World } from '../fleet/world.ts';
import { inTransaction, type Ledger, readMeta, writeMeta } from '../ledger/ledger.ts';
import { readAgents, readNodes } from '../ledger/read.ts';
import { openReader, openSqlite } from '../ledger/sqlite.ts';
import type { Node } from '../node/node.ts';
import { loadProgram } from '../node/program.ts';
import type { Context } from '../operations/operation.ts';
import { openNodes } from '../transport/ssh-node.ts';
import type { Transport } from '../transport/transport.ts';
import type { Door, GlobalOptions } from './door.ts';

/** Puts together what a subcommand works with. */

export function readFleet(door: Door, options: GlobalOptions, flags: Flags = {}): Promise<Fleet> {
  const { file, name, home } = options;
  return loadFleet({
    file,
    env: door.env,
    cwd: door.cwd,
    flags: { ...flags, ...(name === undefined ? {} : { name }), ...(home === undefined ? {} : { home }) },
  });
}

function ledgerPath(fleet: Fleet): string {
  return join(fleet.stateFolder, 'ledger.db');
}

/** For readers: never writes, never migrates; `ledger` is null where there is none yet. */
export async function openContext(door: Door, fleet: Fleet): Promise<Context & AsyncDisposable> {
  const path = ledgerPath(fleet);
  const ledger = openReader(path);
  return { fleet, now: door.clock.now(), ledger, [Symbol.asyncDispose]: async () => ledger?.destroy() };
}

/** Opens ways to nodes, all under one bound of logins at once. */
function openWays(door: Door): (node: Node) => Transport {
  const open = openNodes({ env: door.env });
  return ({ via }) => open(via);
}

export function openTransports(door: Door, fleet: Fleet): Map<string, Transport> {
  const open = openWays(door);
  return new Map(fleet.nodes.map((node) => [node.name, open(node)]));
}

export interface Controller {
  world: World;
  bell: Bell;
  ledger: Ledger;
  /** Throws when an effect beside the loop met what it did not expect. */
  check(): void;
  /** Waits for the effects still under way, at most so long. */
  settle(ms: number): Promise<void>;
}

/** The world of the one process that holds the lock. */
export async function openController(door: Door, fleet: Fleet, takeOver: boolean): Promise<Controller> {
  // Made before SQLite would: its WAL and shared memory take the ledger's mode.
  await (await open(ledgerPath(fleet), 'a', 0o600)).close();
  const ledger = openSqlite({ path: ledgerPath(fleet), readOnly: false });
  const bell = createBell();
  const works = new Set<Promise<void>>();
  let broken: Error | undefined;
  const world: World = {
    fleet,
    ledger,
    clock: door.clock,
    random: door.random,
    openTransport: openWays(door),
    memory: await remember(door, ledger),
    program: await loadProgram(),
    identity: { ledger: await ledgerId(door, ledger), machine: await placeId(ledgerPath(fleet)), takeOver },
    secretsOf: (kind) => resolveSecrets(kind, door.env),
    sights: new Map(),
    wake: bell.ring,
    track: (work) => {
      const tracked = work.catch((error: unknown) => {
        broken = toFleetError(error); // met by the loop, which fails with it
        bell.ring();
      });
      works.add(tracked);
      void tracked.finally(() => works.delete(tracked));
    },
  };
  const settle = async (ms: number) => {
    const enough = new AbortController();
    await Promise.race([Promise.allSettled([...works]), door.clock.sleep(ms, enough.signal)]);
    enough.abort();
  };
  const check = () => {
    if (broken) throw broken;
  };
  return { world, bell, ledger, settle, check };
}

/** Given once, at the ledger's birth: nodes follow it, not a path or a host name. */
async function ledgerId(door: Door, ledger: Ledger): Promise<string> {
  const known = await readMeta(ledger, 'ledger');
  if (known !== undefined) return known;
  const id = Buffer.from(door.random(12)).toString('hex');
  await inTransaction(ledger, (tx) => writeMeta(tx, 'ledger', id));
  return id;
}

/** `LEDGER MACHINE`, as the nodes of this fleet name their owner; null while there is no ledger. */
export async function readOwner({ fleet, ledger }: Context): Promise<string | null> {
  const id = ledger ? await readMeta(ledger, 'ledger') : undefined;
  return id === undefined ? null : `${id} ${await placeId(ledgerPath(fleet))}`;
}

/** What the last controller of this ledger knew of nodes and of who is where. */
async function remember(door: Door, ledger: Ledger): Promise<World['memory']> {
  const [nodes, agents] = [await readNodes(ledger), await readAgents(ledger)];
  return {
    since: door.clock.monotonic(),
    isTakenOver: false,
    places: new Map(agents.map(({ number, node }) => [number, node])),
    nodes: new Map(nodes.map(({ name, vcpu, memoryGiB, epoch }) => [name, { vcpu, memoryGiB, epoch }])),
  };
}

/** A copy of a ledger, on this machine or on another, is another owner: two of them must not drive one node in turns. */
async function placeId(path: string): Promise<string> {
  const { ino } = await stat(path); // not the device: its number may change with a reboot
  const text = await readFile('/etc/machine-id', 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return createHash('sha256')
    .update(`${text.trim() || hostname()} ${ino}`)
    .digest('hex')
    .slice(0, 16);
}
