import type { ResourceValidationArgs, ResourceValidationPolicy } from '@pulumi/policy';

/** What reviewers look for, checked at each preview and update. Pure: each rule is a function over what is asked for. */

const TAGS = ['Project', 'Fleet', 'Phase', 'Owner'];
const TAGGED = /^aws:(ec2\/(instance|launchTemplate|securityGroup)|iam\/(role|instanceProfile)):/;
const INSTANCE = 'aws:ec2/instance:Instance';
const TEMPLATE = 'aws:ec2/launchTemplate:LaunchTemplate';
const SSH_PORT = 22;

type Props = Readonly<Record<string, unknown>>;
type Judge = (props: Props, args: ResourceValidationArgs) => readonly string[];

function rule(
  name: string,
  description: string,
  types: readonly string[] | RegExp,
  judge: Judge,
): ResourceValidationPolicy {
  const concerns = (type: string) => (types instanceof RegExp ? types.test(type) : types.includes(type));
  return {
    name,
    description,
    enforcementLevel: 'mandatory',
    validateResource: (args, report) => {
      if (concerns(args.type)) for (const problem of judge(args.props as Props, args)) report(problem);
    },
  };
}

/** An adopted machine is known by its guards, or by having been imported with nothing said of it. */
const isAdopted = ({ props, opts }: ResourceValidationArgs) =>
  opts.protect === true || opts.ignoreChanges.includes('*') || props.launchTemplate === undefined;

const partOf = (value: unknown, name: string): unknown => (value as Props | undefined)?.[name];

export const RULES: readonly ResourceValidationPolicy[] = [
  rule(
    'adopted-guarded',
    'Machines that were there before are protected and ignore every change.',
    [INSTANCE],
    (_, args) => {
      if (!isAdopted(args)) return [];
      const missing = [
        ...(args.opts.protect === true ? [] : ['protect: true']),
        ...(args.opts.ignoreChanges.includes('*') ? [] : ["ignoreChanges: ['*']"]),
      ];
      return missing.map(
        (guard) => `an adopted machine without ${guard}; put it back into infra/components/adopted-node.ts`,
      );
    },
  ),
  rule(
    'no-default-tags',
    'A provider’s default tags reach an adopted machine past all its guards.',
    ['pulumi:providers:aws'],
    ({ defaultTags }) =>
      defaultTags === undefined ? [] : ['default tags would be written to adopted machines; tag each resource instead'],
  ),
  rule(
    'imdsv2',
    'The metadata service asks for tokens, and is not reached from containers.',
    [TEMPLATE],
    ({ metadataOptions }) => [
      ...(partOf(metadataOptions, 'httpTokens') === 'required'
        ? []
        : ['metadataOptions.httpTokens must be `required` (IMDSv2)']),
      ...(partOf(metadataOptions, 'httpPutResponseHopLimit') === 1
        ? []
        : ['metadataOptions.httpPutResponseHopLimit must be 1']),
    ],
  ),
  rule('encrypted-disks', 'Disks are encrypted gp3.', [TEMPLATE], ({ blockDeviceMappings }) => {
    const disks = Array.isArray(blockDeviceMappings) ? (blockDeviceMappings as Props[]) : [];
    if (disks.length === 0) return ['blockDeviceMappings must say that the root disk is encrypted'];
    return disks.flatMap((disk, index) => [
      ...(String(partOf(disk.ebs, 'encrypted')) === 'true'
        ? []
        : [`blockDeviceMappings[${index}].ebs.encrypted must be true`]),
      ...(partOf(disk.ebs, 'volumeType') === 'gp3' ? [] : [`blockDeviceMappings[${index}].ebs.volumeType must be gp3`]),
    ]);
  }),
  rule('stops-when-off', 'A node that switches itself off is stopped, not terminated.', [TEMPLATE], (props) =>
    props.instanceInitiatedShutdownBehavior === 'stop' ? [] : ['instanceInitiatedShutdownBehavior must be `stop`'],
  ),
  rule(
    'no-open-doors',
    'Nothing is open to everybody, and nothing but SSH is open at all.',
    /^aws:(vpc\/securityGroupIngressRule|ec2\/securityGroup):/,
    ({ cidrIpv4, cidrIpv6, fromPort, toPort, ingress, ipProtocol }) => [
      ...(Array.isArray(ingress) && ingress.length > 0 ? ['inbound rules are resources of their own here'] : []),
      ...([cidrIpv4, cidrIpv6].some((range) => /\/[0-7]$/.test(String(range)))
        ? [`${String(cidrIpv4 ?? cidrIpv6)} lets everybody in`]
        : []),
      ...(ipProtocol !== undefined && !(fromPort === SSH_PORT && toPort === SSH_PORT)
        ? ['only port 22 may be opened']
        : []),
    ],
  ),
  rule('tagged', 'Whoever finds a resource sees whose it is.', TAGGED, ({ tags }, args) => {
    if (args.type === INSTANCE && isAdopted(args)) return [];
    const missing = TAGS.filter((name) => !partOf(tags, name));
    return missing.length === 0 ? [] : [`tags are missing: ${missing.join(', ')}`];
  }),
  rule(
    'no-secret-in-user-data',
    'User data can be read by everybody who may describe the instance.',
    [INSTANCE, TEMPLATE],
    ({ userData, userDataBase64 }) => {
      const text = [userData, userDataBase64]
        .map((each) => Buffer.from(String(each ?? ''), 'base64').toString('latin1') + String(each ?? ''))
        .join('\n');
      return /-----BEGIN [A-Z ]*PRIVATE KEY|\bsk-[A-Za-z0-9_-]{16,}|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{20,}/.test(
        text,
      )
        ? ['user data holds what looks like a key; nodes read secrets from SSM parameters']
        : [];
    },
  ),
];
