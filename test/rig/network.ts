import { must, run } from './command.ts';

/**
 * The wires of one run: a bridge in a namespace of its own, to which this machine and each machine of the run has one
 * cable. Nothing is routed, so machines reach one another and this machine and nothing else; and the namespace takes
 * bridge, cables and filter with it when it goes.
 */

/** Reserved for measurements between networks, so nobody's own. */
const NETWORK = '198.18';
const FIRST_MACHINE = 10;

const FILTER = `
table bridge rig {
  set quiet { type ifname; }
  chain forward {
    type filter hook forward priority 0; policy accept;
    oifname @quiet tcp dport 22 drop
    iifname @quiet tcp sport 22 drop
  }
}
`;

function bridgeOf(run: string): string {
  return run;
}

export function namespaceOf(run: string, slot: number): string {
  return `${run}-${slot}`;
}

function cableOf(slot: number): string {
  return `m${slot}`;
}

export function subnetOf(number: number): string {
  return `${NETWORK}.${number}`;
}

/** IPv4 address of a machine, the same as long as its run lives. */
export function addressOf(number: number, slot: number): string {
  return `${subnetOf(number)}.${FIRST_MACHINE + slot}`;
}

/** IPv4 address by which machines reach this one. */
export function hostAddressOf(number: number): string {
  return `${subnetOf(number)}.1`;
}

/** Lays the bridge of a run and this machine's cable to it. */
export async function layBridge(id: string, number: number): Promise<void> {
  const router = bridgeOf(id);
  await must(['ip', 'netns', 'add', router]);
  await must(['ip', 'link', 'add', id, 'type', 'veth', 'peer', 'name', 'up0', 'netns', router]);
  await must(['ip', 'address', 'add', `${hostAddressOf(number)}/24`, 'dev', id]);
  await must(['ip', 'link', 'set', id, 'up']);
  const inside = ['link add br0 type bridge', 'link set up0 master br0', 'link set up0 up', 'link set br0 up'];
  await must(['ip', '-n', router, '-batch', '-'], { input: `${inside.join('\n')}\n` });
  await must(['ip', 'netns', 'exec', router, 'nft', '-f', '-'], { input: FILTER });
}

/** Lays the cable of a machine; it is there before the machine boots and outlives its boots. */
export async function layCable(id: string, number: number, slot: number): Promise<void> {
  const [router, namespace, cable] = [bridgeOf(id), namespaceOf(id, slot), cableOf(slot)];
  await must(['ip', 'netns', 'add', namespace]);
  const outside = [
    `link add ${cable} type veth peer name eth0 netns ${namespace}`,
    `link set ${cable} master br0`,
    `link set ${cable} up`,
  ];
  await must(['ip', '-n', router, '-batch', '-'], { input: `${outside.join('\n')}\n` });
  const inside = [`address add ${addressOf(number, slot)}/24 dev eth0`, 'link set lo up', 'link set eth0 up'];
  inside.push('route add 169.254.169.254/32 dev eth0'); // where clouds have their metadata
  await must(['ip', '-n', namespace, '-batch', '-'], { input: `${inside.join('\n')}\n` });
}

/** Plugs a machine's cable out or in; it sees its carrier go and come. */
export async function setCable(id: string, slot: number, to: 'up' | 'down'): Promise<void> {
  await must(['ip', '-n', bridgeOf(id), 'link', 'set', cableOf(slot), to]);
}

/** Drops every packet of a machine's SSH, or lets them pass again; all else passes always. */
export async function setSshQuiet(id: string, slot: number, quiet: boolean): Promise<void> {
  const element = `element bridge rig quiet { ${cableOf(slot)} }`;
  // Adding what is there is no error and deleting what is not is one.
  const change = quiet ? `add ${element}` : `add ${element}\ndelete ${element}`;
  await must(['ip', 'netns', 'exec', bridgeOf(id), 'nft', '-f', '-'], { input: `${change}\n` });
}

/** Takes away all wires of a run, also half laid ones. */
export async function removeWires(id: string): Promise<void> {
  const names = (await must(['ip', 'netns', 'list'])).split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const name of names.filter((name) => name === id || name.startsWith(`${id}-`))) {
    await must(['ip', 'netns', 'delete', name]);
  }
  // The kernel ends a namespace some time after its name; this end of the cable must not wait for that.
  await run(['ip', 'link', 'delete', id]);
}
