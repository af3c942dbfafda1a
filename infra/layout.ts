import type { OutputNode } from './outputs.ts';
import { nodeNames, type Settings } from './settings/schema.ts';

/** From settings to what is to be there: names, tags and places. Pure; the components make what this says. */

/** What is known of a node before there is a machine. */
type Known = Omit<OutputNode, 'instanceId' | 'privateIp' | 'instanceType'>;

export interface AdoptedSlot {
  machine: Settings['adopted'][number];
  output: Known;
}

export interface NodeSlot {
  /** Name of the node, of its resource and of its `Name` tag. */
  name: string;
  subnetId: string | undefined;
  tags: Readonly<Record<string, string>>;
  output: Known;
}

export interface GroupLayout {
  name: string;
  settings: Settings['groups'][number];
  ami: string;
  tags: Readonly<Record<string, string>>;
  nodes: readonly NodeSlot[];
}

export interface Layout {
  settings: Settings;
  /** Name of what is there once for the whole stack. */
  name: string;
  /** Of every resource that is made here. */
  tags: Readonly<Record<string, string>>;
  adopted: readonly AdoptedSlot[];
  groups: readonly GroupLayout[];
}

/** Whom agents work as on nodes made here. */
export const FLEET_USER = 'fleet';

export function layOut(settings: Settings): Layout {
  const { fleet, phase, owner } = settings;
  const tags = { Project: 'miyabi-fleet', Fleet: fleet, Phase: phase, Owner: owner };
  return {
    settings,
    name: `${fleet}-${phase}`,
    tags,
    adopted: settings.adopted.map((machine) => ({ machine, output: knownOf(machine, settings.region) })),
    groups: settings.groups.map((group) => layOutGroup(group, settings, tags)),
  };
}

function knownOf(machine: Settings['adopted'][number], region: string): Known {
  const { name, user = null, vcpu = null, memoryGiB = null, maxAgents = null } = machine;
  const labels = ['adopted'];
  return { name, region, user, vcpu, memoryGiB, maxAgents, market: 'on-demand', isAdopted: true, labels };
}

function layOutGroup(group: Settings['groups'][number], { region, amis }: Settings, stackTags: object): GroupLayout {
  const ami = amis[region];
  if (ami === undefined) throw new RangeError(`amis.${region} is missing: settings are checked before they come here`);
  const { market, maxAgents = null, role } = group;
  const tags = { ...stackTags, Role: role };
  const known = { region, user: FLEET_USER, vcpu: null, memoryGiB: null, maxAgents, market, isAdopted: false };
  const nodes = nodeNames(group).map((name, index): NodeSlot => {
    // By its index, so that a node keeps its place when others come and go.
    const subnet = group.subnets[index % Math.max(1, group.subnets.length)];
    const output = { ...known, name, labels: [role] };
    return { name, subnetId: subnet?.id, tags: { ...tags, Name: name }, output };
  });
  return { name: group.name, settings: group, ami, tags, nodes };
}
