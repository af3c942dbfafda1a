import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../infra/settings/parse.ts';
import { aGroup, aMachine, someSettings } from './builders.ts';

const problemsOf = (over: object) =>
  (parseSettings(someSettings(over)).problems ?? []).map(({ path, message }) => `${path}: ${message}`);

describe('settings of a stack', () => {
  it('are read as they are meant, with what is not said filled in', () => {
    const { settings } = parseSettings({ phase: 'phase2', owner: 'Mika', region: 'us-east-1' });
    expect(settings).toMatchObject({ fleet: 'miyabi', adopted: [], groups: [], sshCidrs: [], accountIds: [] });
  });

  it.each([
    [
      'a range with bits after its prefix',
      { sshCidrs: ['203.0.113.7/24'] },
      'sshCidrs[0]: expected a range of addresses such as 203.0.113.7/32 or 2001:db8::/48, with no bit set after its prefix',
    ],
    ['no range at all', { sshCidrs: ['home'] }, 'sshCidrs[0]: expected a range of addresses such as'],
    [
      'everybody',
      { sshCidrs: ['0.0.0.0/0'] },
      'sshCidrs[0]: it lets everybody in. Name the addresses you come from, or leave the list empty and go through SSM',
    ],
    ['everybody, over IPv6', { sshCidrs: ['::/0'] }, 'sshCidrs[0]: it lets everybody in'],
    ['half of everybody', { sshCidrs: ['0.0.0.0/1'] }, 'sshCidrs[0]: it lets everybody in'],
    ['a misspelt key', { ownr: 'Mika' }, 'ownr: no such setting; docs/infrastructure.md lists them'],
    ['a misspelt key of a group', { groups: [{ ...aGroup(), cuont: 3 }] }, 'groups[0].cuont: no such setting'],
    [
      'a count below zero',
      { groups: [aGroup({ count: -1 })] },
      'groups[0].count: expected how many nodes there are: a whole number from 0 to 50',
    ],
    [
      'half a node',
      { groups: [aGroup({ count: 2.5 })] },
      'groups[0].count: expected how many nodes there are: a whole number from 0 to 50',
    ],
    [
      'a number in words',
      { groups: [aGroup({ count: 'three' })] },
      'groups[0].count: expected how many nodes there are',
    ],
    [
      'Spot without subnets',
      { groups: [aGroup({ market: 'spot' })] },
      'groups[0].subnets: Spot capacity comes and goes by zone; name subnets of at least two zones, or make it on-demand',
    ],
    ['two groups of one name', { groups: [aGroup(), aGroup()] }, 'groups[1].name: groups[0].name already gives'],
    [
      'a machine named like a node of a group',
      { adopted: [aMachine({ name: 'phase2-2' })] },
      'groups[0].name: adopted[0].name already gives a node the name phase2-2; choose another',
    ],
    [
      'one machine adopted twice',
      { adopted: [aMachine(), aMachine({ name: 'MAJIN' })] },
      'adopted[1].instanceId: adopted[0] is the same machine; remove one of the two',
    ],
    [
      'an adopted id that is also in a group',
      { groups: [{ ...aGroup(), instanceIds: ['i-0123456789abcdef0'] }] },
      'groups[0].instanceIds: a group makes its own machines; those that are there already belong under `adopted`',
    ],
    [
      'a zone of another region',
      { groups: [aGroup({ subnets: [{ id: 'subnet-12345678', zone: 'eu-west-1a' }] })] },
      'groups[0].subnets[0].zone: no zone of us-east-1; expected us-east-1a or the like',
    ],
    [
      'a placeholder for an id',
      { adopted: [aMachine({ instanceId: 'i-ID-OF-MUGEN' })] },
      'adopted[0].instanceId: expected the id of an instance: i- and 8 or 17 of 0-9 a-f; `aws ec2 describe-instances` lists them',
    ],
    [
      'no image for the region',
      { amis: {} },
      'amis: no image for us-east-1; `aws ssm get-parameter --name /aws/service/canonical/ubuntu/server/24.04/stable/current/amd64',
    ],
    ['an account id without its quotes', { accountIds: [12345678901] }, 'accountIds[0]: expected 12 digits in quotes'],
    ['an unknown market', { groups: [aGroup({ market: 'cheap' })] }, 'groups[0].market: expected on-demand or spot'],
    [
      'an alarm that nobody hears',
      { runningHoursMax: 12 },
      'runningHoursMax: nobody would hear of it; set budget.emails, or leave it out',
    ],
    [
      'a parameter by pattern',
      { parameters: ['/miyabi/*'] },
      'parameters[0]: expected the name of one SSM parameter, such as /miyabi/openai',
    ],
    ['no owner', { owner: undefined }, 'owner: expected text'],
    [
      'a secret where a key belongs',
      { sshKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----'] },
      'sshKeys[0]: expected a public key, as in ~/.ssh/id_ed25519.pub',
    ],
  ])('refuse %s, by its place, with what to do', (_, over, problem) => {
    expect(problemsOf(over)).toEqual([expect.stringContaining(problem)]);
  });

  it('tell every problem at once', () => {
    const over = {
      owner: 7,
      sshCidrs: ['0.0.0.0/0', 'home'],
      groups: [aGroup({ count: -1, market: 'cheap' })],
      ownr: 'x',
    };
    expect(new Set(problemsOf(over).map((problem) => problem.split(':')[0]))).toEqual(
      new Set(['groups[0].count', 'groups[0].market', 'owner', 'ownr', 'sshCidrs[0]', 'sshCidrs[1]']),
    );
  });
});
