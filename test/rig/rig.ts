import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeGroup } from './cgroup.ts';
import { must } from './command.ts';
import { ensureImage } from './image.ts';
import { type Bind, type Ground, type Machine, type MachineOrder, makeMachine } from './machine.ts';
import { layBridge } from './network.ts';
import { closeRun, openRun, type Run } from './run.ts';

export type { Ended } from './command.ts';
export { rigLack } from './lack.ts';
export type { Bind, Machine, MachineOrder } from './machine.ts';

export interface RigOrder {
  machines: readonly MachineOrder[];
  /** Read-only pieces of this machine that every machine gets at the same or another place. */
  binds?: readonly Bind[];
}

/** Real machines on wires of their own. Disposing it ends and removes all of it. */
export interface Rig extends AsyncDisposable {
  /** Differs from rig to rig; names what it makes outside its folder. */
  readonly id: string;
  /** Goes with the rig. */
  readonly folder: string;
  readonly machines: readonly Machine[];
  /** File with the private key that logs in everywhere, as the machine's user and as root. */
  readonly identity: string;
  /** File with the host keys of all machines, by name and by address. */
  readonly knownHosts: string;
  /** File for `ssh -F`, in which each machine is a Host by its name. */
  readonly sshConfig: string;
  /** Throws where there is none of this name. */
  machine(name: string): Machine;
}

/** How long a test waits for a rig; the first one may have to build the image. */
export const RIG_MS_MAX = 20 * 60_000;

/** Boots these machines; done when all take logins. Builds the image first where it is not there: minutes, once. */
export async function openRig(order: RigOrder): Promise<Rig> {
  const image = await ensureImage();
  const run = await openRun();
  try {
    return await fillRun(run, image, order);
  } catch (error) {
    await closeRun(run);
    throw error;
  }
}

async function fillRun(run: Run, image: string, order: RigOrder): Promise<Rig> {
  const [identity, knownHosts, sshConfig] = ['identity', 'known_hosts', 'ssh_config'].map((name) =>
    join(run.folder, name),
  ) as [string, string, string];
  await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', run.id, '-f', identity]);
  const authorizedKey = (await readFile(`${identity}.pub`, 'utf8')).trim();
  const [supervisors = ''] = await makeGroup(run.groups.slice(0, 1), 'supervisors');
  await mkdir(join(run.folder, 'machines'));
  await layBridge(run.id, run.number);
  const ground: Ground = {
    ...{ run, image, binds: order.binds ?? [], authorizedKey },
    ...{ identity, knownHosts, sshConfig, supervisors },
  };
  const machines: Machine[] = [];
  for (const [slot, one] of order.machines.entries()) machines.push(await makeMachine(ground, slot, one));
  const known = machines.map(({ name, address, hostKey }) => `${name},${address} ${hostKey}\n`);
  await writeFile(knownHosts, known.join(''));
  await writeFile(sshConfig, machines.map((machine) => machine.sshConfig).join('\n'));
  await Promise.all(machines.map((machine) => machine.powerOn()));
  return {
    ...{ id: run.id, folder: run.folder, machines, identity, knownHosts, sshConfig },
    machine(name) {
      const found = machines.find((machine) => machine.name === name);
      if (found === undefined) throw new Error(`the rig has no machine ${name}`);
      return found;
    },
    [Symbol.asyncDispose]: () => closeRun(run),
  };
}
