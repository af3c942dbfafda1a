import { describe, expect, it } from 'vitest';
import { layOut } from '../../infra/layout.ts';
import { parseSettings } from '../../infra/settings/parse.ts';
import { checkPlaceholders } from '../../infra/settings/placeholder.ts';
import type { Settings } from '../../infra/settings/schema.ts';
import { aGroup, aMachine, someSettings } from './builders.ts';

const parsed = (over: object = {}): Settings => {
  const { settings, problems } = parseSettings(someSettings(over));
  if (settings === undefined) throw new Error(JSON.stringify(problems));
  return settings;
};

describe('the layout of a stack', () => {
  it('names, tags and labels each node', () => {
    const { groups, name } = layOut(parsed());
    expect(name).toBe('miyabi-phase2');
    expect(groups.flatMap(({ nodes }) => nodes.map((node) => node.name))).toEqual(['phase2-1', 'phase2-2', 'phase2-3']);
    expect(groups[0]?.nodes[0]).toMatchObject({
      tags: {
        Project: 'miyabi-fleet',
        Fleet: 'miyabi',
        Phase: 'phase2',
        Owner: 'Mika',
        Role: 'agents',
        Name: 'phase2-1',
      },
      output: { name: 'phase2-1', user: 'fleet', isAdopted: false, labels: ['agents'] },
    });
  });

  it('spreads nodes over subnets in turn, and moves none of them when there are more', () => {
    const subnets = ['a', 'b'].map((zone) => ({ id: `subnet-1234567${zone}`, zone: `us-east-1${zone}` }));
    const placesOf = (count: number) =>
      layOut(parsed({ groups: [aGroup({ count, subnets, market: 'spot' })] })).groups[0]?.nodes.map(
        ({ subnetId }) => subnetId,
      );
    expect(placesOf(3)).toEqual(['subnet-1234567a', 'subnet-1234567b', 'subnet-1234567a']);
    expect(placesOf(5)?.slice(0, 3)).toEqual(placesOf(3));
  });

  it('says of an adopted machine what its owner said, and nothing else', () => {
    const { adopted, groups } = layOut(parsed({ groups: [], adopted: [aMachine({ vcpu: 16, user: 'ubuntu' })] }));
    expect(groups).toEqual([]);
    expect(adopted.map(({ output }) => output)).toEqual([
      {
        ...{ name: 'MUGEN', region: 'us-east-1', user: 'ubuntu', vcpu: 16, memoryGiB: null, maxAgents: null },
        ...{ market: 'on-demand', isAdopted: true, labels: ['adopted'] },
      },
    ]);
  });
});

describe('a stack file with placeholders', () => {
  it('is good for prices, and for nothing else', () => {
    const settings = parsed({
      adopted: [aMachine({ instanceId: 'i-00000000000000001' })],
      amis: { 'us-east-1': 'ami-00000000000000000' },
    });
    expect(checkPlaceholders(settings).map(({ path }) => path)).toEqual(['adopted[0].instanceId', 'amis.us-east-1']);
    expect(checkPlaceholders(parsed({ adopted: [aMachine()] }))).toEqual([]);
  });
});
