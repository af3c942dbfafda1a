import { basename, dirname } from 'node:path';
import type { TestContext } from 'vitest';
import type { Machine, Rig } from '../rig/rig.ts';
import { aPerson, type Person, untilStatus } from './person.ts';

/** Where the coding tools are on every machine of a rig. */
const TOOLS = '/opt/tools';

/** Makes a tool of this machine, with what stands beside it, readable on every machine of a rig. */
export function toolBind(name: string, path: string): { from: string; to: string } {
  return { from: dirname(path), to: `${TOOLS}/${name}` };
}

export function toolPath(name: string, path: string): string {
  return `${TOOLS}/${name}/${basename(path)}`;
}

export interface FleetAfar extends Person {
  rig: Rig;
  machine(name: string): Machine;
}

export interface AfarDifference {
  /** Fields of the fleet file, over the usual ones. */
  file?: Readonly<Record<string, unknown>>;
  /** Fields of each node's `ssh`. */
  ssh?: Readonly<Record<string, unknown>>;
}

/** vCPUs that the fleet file declares; what is not named has 4. */
const VCPU: Readonly<Record<string, number>> = { mugen: 16, majin: 8 };

/** A person whose fleet is on the machines of a rig, by a fleet file on the desk: 18 command agents over SSH. */
export async function aFleetAfar(
  context: TestContext,
  rig: Rig,
  { file, ssh }: AfarDifference = {},
): Promise<FleetAfar> {
  const env = { FLEET_AGENTS: undefined, FLEET_KIND: undefined, FLEET_PER_VCPU: undefined };
  const person = await aPerson(context, { env: { ...env, FLEET_MEMORY_GIB_EACH: undefined } });
  const nodes = rig.machines.map(({ name }) => ({
    name,
    ssh: { host: name, config: rig.sshConfig, ...ssh },
    vcpu: VCPU[name] ?? 4,
    memoryGiB: 2 * (VCPU[name] ?? 4) + 2,
  }));
  const text = { nodes, agents: { count: 18, kind: 'command' }, ...file };
  person.write('fleet.yaml', JSON.stringify(text, null, 2));
  return { ...person, state: `${person.desk}/.fleet`, rig, machine: (name) => rig.machine(name) };
}

/** Waits until every agent's node is up and every agent has its window. */
export function untilReady(fleet: FleetAfar, msMax = 60_000) {
  return untilStatus(
    fleet,
    'every agent is idle',
    ({ nodes, agents }) =>
      nodes.every(({ state }) => state === 'up') && agents.length > 0 && agents.every(({ state }) => state === 'idle'),
    msMax,
  );
}

/** What tasks wrote on a machine, line by line; see `evidence`. */
export async function linesOn(machine: Machine, path: string): Promise<string[]> {
  const { stdout } = await machine.exec(['cat', path]);
  return stdout.split('\n').filter((line) => line !== '');
}

/** What a fleet has on a machine: files, processes, control groups and units, as a person with a root shell finds them. */
export async function tracesOn(machine: Machine, name: string): Promise<string> {
  const script = [
    'ls -d "$1/.miyabi/$2" 2>/dev/null',
    'grep -lsa -F -f <(printf "/.miyabi/%s\\n" "$2") /proc/[0-9]*/cmdline /proc/[0-9]*/environ',
    'find /sys/fs/cgroup -maxdepth 8 -name "miyabi-$2*" 2>/dev/null',
    'systemctl list-units --all --plain --no-legend "miyabi-$2*"',
    ':',
  ].join('\n');
  return (await machine.exec(['bash', '-c', script, 'look', machine.home, name])).stdout;
}
