import type { ResourceValidationArgs } from '@pulumi/policy';
import { describe, expect, it } from 'vitest';
import { RULES } from '../../infra/policy/rules.ts';

const TAGS = { Project: 'miyabi-fleet', Fleet: 'miyabi', Phase: 'phase2', Owner: 'Mika' };
const INSTANCE = 'aws:ec2/instance:Instance';
const TEMPLATE = 'aws:ec2/launchTemplate:LaunchTemplate';
const INGRESS = 'aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule';

const aNode = (over: object = {}) => ({ launchTemplate: { id: 'lt-1' }, tags: TAGS, ...over });
const aTemplate = (over: object = {}) => ({
  ...{ tags: TAGS, instanceInitiatedShutdownBehavior: 'stop' },
  metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 },
  blockDeviceMappings: [{ deviceName: '/dev/sda1', ebs: { encrypted: 'true', volumeType: 'gp3' } }],
  ...over,
});
const aRule = (over: object = {}) => ({
  ipProtocol: 'tcp',
  fromPort: 22,
  toPort: 22,
  cidrIpv4: '203.0.113.7/32',
  ...over,
});

/** Names of the rules that speak against it. */
function brokenBy(type: string, props: object, opts: object = {}): readonly string[] {
  const reports = RULES.flatMap(({ name, validateResource }) => {
    const said: string[] = [];
    const args = { type, props, opts: { ignoreChanges: [], protect: false, ...opts } };
    const judges = Array.isArray(validateResource) ? validateResource : [validateResource];
    for (const judge of judges) void judge?.(args as unknown as ResourceValidationArgs, (text) => void said.push(text));
    return said.length > 0 ? [name] : [];
  });
  return reports;
}

describe('the policy pack', () => {
  it('passes what this program makes', () => {
    expect(brokenBy(INSTANCE, aNode())).toEqual([]);
    expect(brokenBy(TEMPLATE, aTemplate())).toEqual([]);
    expect(brokenBy(INGRESS, aRule())).toEqual([]);
    expect(brokenBy(INSTANCE, {}, { protect: true, ignoreChanges: ['*'] })).toEqual([]);
    expect(brokenBy('pulumi:providers:aws', { region: 'us-east-1' })).toEqual([]);
  });

  const key = `sk-${'a'.repeat(20)}`;
  it.each([
    ['adopted-guarded', 'an adopted machine that may be removed', INSTANCE, {}, { ignoreChanges: ['*'] }],
    ['adopted-guarded', 'an adopted machine that may be changed', INSTANCE, {}, { protect: true }],
    ['no-default-tags', 'default tags', 'pulumi:providers:aws', { defaultTags: '{"tags":{}}' }, {}],
    ['imdsv2', 'metadata without tokens', TEMPLATE, aTemplate({ metadataOptions: { httpTokens: 'optional' } }), {}],
    [
      'imdsv2',
      'metadata for containers',
      TEMPLATE,
      aTemplate({ metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 2 } }),
      {},
    ],
    [
      'encrypted-disks',
      'a plain disk',
      TEMPLATE,
      aTemplate({ blockDeviceMappings: [{ ebs: { volumeType: 'gp3' } }] }),
      {},
    ],
    [
      'encrypted-disks',
      'an old kind of disk',
      TEMPLATE,
      aTemplate({ blockDeviceMappings: [{ ebs: { encrypted: 'true', volumeType: 'gp2' } }] }),
      {},
    ],
    ['encrypted-disks', 'a disk nobody said', TEMPLATE, aTemplate({ blockDeviceMappings: undefined }), {}],
    [
      'stops-when-off',
      'a node that ends when it is off',
      TEMPLATE,
      aTemplate({ instanceInitiatedShutdownBehavior: 'terminate' }),
      {},
    ],
    ['no-open-doors', 'SSH for everybody', INGRESS, aRule({ cidrIpv4: '0.0.0.0/0' }), {}],
    ['no-open-doors', 'SSH for everybody over IPv6', INGRESS, aRule({ cidrIpv4: undefined, cidrIpv6: '::/0' }), {}],
    ['no-open-doors', 'another port', INGRESS, aRule({ fromPort: 80, toPort: 80 }), {}],
    [
      'no-open-doors',
      'rules inside the group',
      'aws:ec2/securityGroup:SecurityGroup',
      { tags: TAGS, ingress: [{}] },
      {},
    ],
    ['tagged', 'a node without an owner', INSTANCE, aNode({ tags: { ...TAGS, Owner: '' } }), {}],
    [
      'no-secret-in-user-data',
      'a key in user data',
      TEMPLATE,
      aTemplate({ userData: Buffer.from(`KEY=${key}`).toString('base64') }),
      {},
    ],
    ['no-secret-in-user-data', 'a key in plain user data', INSTANCE, aNode({ userData: `KEY=${key}` }), {}],
  ])('%s: refuses %s', (rule, _, type, props, opts) => {
    expect(brokenBy(type, props, opts)).toEqual([rule]);
  });
});
