import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Fleet } from '../config/fleet.ts';
import { resolveSecrets } from '../config/load.ts';
import { toFleetError } from '../errors.ts';
import { inTransaction, type Ledger, readMeta, writeMeta } from '../ledger/ledger.ts';
import { takeLock } from '../ledger/lock.ts';
import { readAgents, readNodes } from '../ledger/read.ts';
import { openSqlite } from '../ledger/sqlite.ts';
import type { Machine } from '../machine.ts';
import { loadProgram } from '../node/program.ts';
import { openNodes } from '../transport/ssh-node.ts';
import { type Bell, createBell, type RunSetting, run } from './run.ts';
import type { World } from './world.ts';

/** Being the controller: the lock, the ledger, the world and the loop, put together and taken apart again. */

const SETTLE_MS_MAX = 3000;

export interface Controller {
  world: World;
  bell: Bell;
  ledger: Ledger;
  /** Throws when an effect beside the loop met what it did not expect. */
  check(): void;
  /** Waits for the effects still under way, at most so long. */
  settle(ms: number): Promise<void>;
}

export interface ControlSetting {
  fleet: Fleet;
  takeOver: boolean;
  /** Obeys one intent in `world`, whose ledger is a transaction. Throws a FleetError to refuse it. */
  obey: (controller: Controller, ...what: Parameters<RunSetting['obey']>) => Promise<unknown>;
  onRefused?: RunSetting['onRefused'];
  /** Called once the lock is held and the ledger open. */
  onReady?: ((controller: Controller) => Promise<void>) | undefined;
  isDone?: ((controller: Controller) => Promise<boolean>) | undefined;
  signal: AbortSignal;
}

/**
 * Is the controller until the signal, until `isDone`, or until the fleet is stopped. Throws `locked` when there is one.
 * When it is over nothing of it is left in this process: no connection, no open file.
 */
export async function control(machine: Machine, setting: ControlSetting): Promise<'stopped' | 'done' | 'terminated'> {
  const { fleet, takeOver, signal } = setting;
  const lock = await takeLock(fleet.stateFolder, machine.clock.now());
  try {
    const controller = await openController(machine, fleet, takeOver);
    try {
      await setting.onReady?.(controller);
      return await run({
        world: controller.world,
        bell: controller.bell,
        inbox: fleet.stateFolder,
        obey: (intent, world) => setting.obey(controller, intent, world),
        ...(setting.onRefused ? { onRefused: setting.onRefused } : {}),
        signal,
        isDone: async () => {
          controller.check();
          refuseWhenRefused(controller);
          return (await setting.isDone?.(controller)) ?? false;
        },
      });
    } finally {
      // A greeting that is still under way finds that nobody waits for it, and closes its own link.
      const sights = [...controller.world.sights.values()];
      controller.world.sights.clear();
      for (const { link } of sights) link?.close();
      await controller.settle(SETTLE_MS_MAX);
      await Promise.allSettled(sights.map(({ transport }) => transport.close()));
      await controller.ledger.destroy();
    }
  } finally {
    await lock.release();
  }
}

/** No node will have this ledger: nothing could ever be done, and a person must decide. */
function refuseWhenRefused({ world }: Controller): void {
  const refusals = [...world.sights.values()].map(({ refusal }) => refusal);
  const [first] = refusals;
  if (first && refusals.every((refusal) => refusal !== null)) throw first;
}

/** The world of the one process that holds the lock. */
async function openController(machine: Machine, fleet: Fleet, takeOver: boolean): Promise<Controller> {
  const path = ledgerPath(fleet);
  await makeFile(path);
  const ledger = openSqlite({ path, readOnly: false });
  const bell = createBell();
  const works = new Set<Promise<void>>();
  let broken: Error | undefined;
  const openNode = openNodes({ env: machine.env });
  const world: World = {
    fleet,
    ledger,
    clock: machine.clock,
    random: machine.random,
    openTransport: ({ via }) => openNode(via),
    memory: await remember(machine, ledger),
    program: await loadProgram(),
    identity: { ledger: await ledgerId(machine, ledger), machine: await placeId(path), takeOver },
    secretsOf: (kind) => resolveSecrets(kind, machine.env),
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
    await Promise.race([Promise.allSettled([...works]), machine.clock.sleep(ms, enough.signal)]);
    enough.abort();
  };
  const check = () => {
    if (broken) throw broken;
  };
  return { world, bell, ledger, settle, check };
}

export function ledgerPath(fleet: Pick<Fleet, 'stateFolder'>): string {
  return join(fleet.stateFolder, 'ledger.db');
}

/**
 * Made before SQLite would: its WAL and shared memory take the ledger's mode. One that is there is not opened: closing
 * it would drop the locks of those who read it in this process.
 */
async function makeFile(path: string): Promise<void> {
  try {
    await (await open(path, 'ax', 0o600)).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Given once, at the ledger's birth: nodes follow it, not a path or a host name. */
async function ledgerId(machine: Machine, ledger: Ledger): Promise<string> {
  const known = await readMeta(ledger, 'ledger');
  if (known !== undefined) return known;
  const id = Buffer.from(machine.random(12)).toString('hex');
  await inTransaction(ledger, (tx) => writeMeta(tx, 'ledger', id));
  return id;
}

/** `LEDGER MACHINE`, as the nodes of this fleet name their owner; null while there is no ledger. */
export async function readOwner({ fleet, ledger }: { fleet: Fleet; ledger: Ledger | null }): Promise<string | null> {
  const id = ledger ? await readMeta(ledger, 'ledger') : undefined;
  return id === undefined ? null : `${id} ${await placeId(ledgerPath(fleet))}`;
}

/** What the last controller of this ledger knew of nodes and of who is where. */
async function remember(machine: Machine, ledger: Ledger): Promise<World['memory']> {
  const [nodes, agents] = [await readNodes(ledger), await readAgents(ledger)];
  return {
    since: machine.clock.monotonic(),
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
