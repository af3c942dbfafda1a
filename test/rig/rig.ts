import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeGroup } from './cgroup.ts';
import { must } from './command.ts';
import { ensureImage, type ImageName } from './image.ts';
import { type Bind, type Ground, type Machine, type MachineOrder, makeMachine } from './machine.ts';
import { type MetadataService, openMetadata } from './metadata.ts';
import { type Mirror, openMirror } from './mirror.ts';
import { hostAddressOf, layBridge } from './network.ts';
import { closeRun, openRun, type Run } from './run.ts';

export type { Ended } from './command.ts';
export { rigLack } from './lack.ts';
export type { Bind, Machine, MachineOrder } from './machine.ts';

export interface RigOrder {
  machines: readonly MachineOrder[];
  /** What the machines begin with; `whole` where absent: all that the node program needs. */
  image?: ImageName;
  /** Machines may install packages: from what this machine can reach, through one mirror. */
  hasPackages?: boolean;
  /** Machines are told what they are, and their user data, as those of EC2 are. */
  hasMetadata?: boolean;
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
  /** Throws where the rig has none. */
  readonly metadata: MetadataService;
  /** Throws where there is none of this name. */
  machine(name: string): Machine;
}

/** How long a test waits for a rig; the first one may have to build the image. */
export const RIG_MS_MAX = 20 * 60_000;

/** Boots these machines; done when all take logins. Builds the image first where it is not there: minutes, once. */
export async function openRig(order: RigOrder): Promise<Rig> {
  const image = await ensureImage(order.image);
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
  const mirror = order.hasPackages === true ? await openMirror(hostAddressOf(run.number)) : undefined;
  const ground: Ground = {
    ...{ run, image, binds: order.binds ?? [], authorizedKey, files: filesFor(order, mirror) },
    ...{ identity, knownHosts, sshConfig, supervisors },
  };
  const metadata = order.hasMetadata === true ? await openMetadata(run, supervisors) : undefined;
  const machines: Machine[] = [];
  for (const [slot, one] of order.machines.entries()) machines.push(await makeMachine(ground, slot, one));
  const known = machines.map(({ name, address, hostKey }) => `${name},${address} ${hostKey}\n`);
  await writeFile(knownHosts, known.join(''));
  await writeFile(sshConfig, machines.map((machine) => machine.sshConfig).join('\n'));
  const isOff = new Set(order.machines.filter((one) => one.isOff).map(({ name }) => name));
  await Promise.all(machines.filter(({ name }) => !isOff.has(name)).map((machine) => machine.powerOn()));
  return {
    ...{ id: run.id, folder: run.folder, machines, identity, knownHosts, sshConfig },
    get metadata() {
      if (metadata === undefined) throw new Error('this rig has no metadata service; give it hasMetadata');
      return metadata;
    },
    machine(name) {
      const found = machines.find((machine) => machine.name === name);
      if (found === undefined) throw new Error(`the rig has no machine ${name}`);
      return found;
    },
    [Symbol.asyncDispose]: async () => {
      await closeRun(run);
      await mirror?.[Symbol.asyncDispose]();
    },
  };
}

/** Where a machine installs from, said as its owner would say it; one that no cloud made does not look for its metadata. */
function filesFor({ hasMetadata }: RigOrder, mirror: Mirror | undefined): Readonly<Record<string, string>> {
  const files: Record<string, string> = hasMetadata === true ? {} : { '/etc/cloud/cloud-init.disabled': '' };
  if (mirror === undefined) return files;
  return {
    ...files,
    '/etc/apt/apt.conf.d/01mirror': `Acquire::http::Proxy "${mirror.proxy}";\n`,
    '/etc/miyabi/setup.env': `REGISTRY=${mirror.registry}\n`,
  };
}
