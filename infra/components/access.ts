import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import type { Layout } from '../layout.ts';
import { readParameters, TRUST } from '../policy-documents.ts';

const MANAGED_CORE = 'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore';

/** What nodes may do and who may reach them: SSM always, SSH from the ranges in the settings, nothing else. */
export class Access extends pulumi.ComponentResource {
  readonly profileName: pulumi.Output<string>;
  readonly securityGroupId: pulumi.Output<string>;

  constructor({ name, settings, tags }: Layout, opts: pulumi.ComponentResourceOptions) {
    super('miyabi:fleet:Access', name, {}, opts);
    const child = { parent: this };
    const role = new aws.iam.Role(`${name}-node`, { assumeRolePolicy: TRUST, tags }, child);
    new aws.iam.RolePolicyAttachment(`${name}-ssm`, { role: role.name, policyArn: MANAGED_CORE }, child);
    if (settings.parameters.length > 0) {
      const account = aws.getCallerIdentityOutput({}, child).accountId;
      const policy = account.apply((id) => readParameters(settings.region, id, settings.parameters));
      new aws.iam.RolePolicy(`${name}-parameters`, { role: role.name, policy }, child);
    }
    this.profileName = new aws.iam.InstanceProfile(`${name}-node`, { role: role.name, tags }, child).name;
    this.securityGroupId = this.#group(name, settings, tags).id;
    this.registerOutputs();
  }

  #group(name: string, { vpcId, sshCidrs }: Layout['settings'], tags: Layout['tags']): aws.ec2.SecurityGroup {
    const child = { parent: this };
    const description = 'Nodes of a Miyabi fleet';
    const group = new aws.ec2.SecurityGroup(
      name,
      { description, tags, ...(vpcId === undefined ? {} : { vpcId }) },
      child,
    );
    const of = { securityGroupId: group.id, tags };
    for (const [version, range] of [
      ['Ipv4', '0.0.0.0/0'],
      ['Ipv6', '::/0'],
    ] as const)
      new aws.vpc.SecurityGroupEgressRule(
        `${name}-out-${version.toLowerCase()}`,
        { ...of, description: 'Packages, model APIs, SSM', ipProtocol: '-1', [`cidr${version}`]: range },
        child,
      );
    for (const range of sshCidrs)
      new aws.vpc.SecurityGroupIngressRule(
        `${name}-ssh-${range.replaceAll(/[^0-9a-f]/gi, '-')}`,
        {
          ...{ ...of, description: 'SSH', ipProtocol: 'tcp', fromPort: 22, toPort: 22 },
          ...(range.includes(':') ? { cidrIpv6: range } : { cidrIpv4: range }),
        },
        child,
      );
    return group;
  }
}
