import {
  AuthorizeSecurityGroupIngressCommand,
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  CreateSecurityGroupCommand,
  DeleteLaunchTemplateCommand,
  DeleteSecurityGroupCommand,
  DescribeLaunchTemplatesCommand,
  DescribeSecurityGroupsCommand,
  type EC2Client,
  type RequestLaunchTemplateData,
} from '@aws-sdk/client-ec2';
import { type Kind, listOf, tagsOf, textOf, type Values } from './kind.ts';

/** aws:ec2/launchTemplate:LaunchTemplate, in moto. */
export function launchTemplateKind(client: EC2Client): Kind {
  const outputs = (id: string, inputs: Values, version: number) => ({
    ...inputs,
    arn: `arn:aws:ec2:us-east-1:123456789012:launch-template/${id}`,
    latestVersion: version,
    defaultVersion: inputs.updateDefaultVersion === true ? version : 1,
  });
  return {
    replacesOn: ['name', 'namePrefix'],
    create: async (name, inputs) => {
      const made = await client.send(
        new CreateLaunchTemplateCommand({
          LaunchTemplateName: textOf(inputs.name) ?? `${name}-${crypto.randomUUID().slice(0, 7)}`,
          LaunchTemplateData: templateOf(inputs),
        }),
      );
      const id = made.LaunchTemplate?.LaunchTemplateId ?? '';
      return { id, inputs, outputs: outputs(id, inputs, 1) };
    },
    read: async (id, known) => {
      const found = await client.send(new DescribeLaunchTemplatesCommand({ LaunchTemplateIds: [id] }));
      const version = Number(found.LaunchTemplates?.[0]?.LatestVersionNumber ?? 1);
      return { id, inputs: known, outputs: outputs(id, known, version) };
    },
    update: async (id, news) => {
      const made = await client.send(
        new CreateLaunchTemplateVersionCommand({ LaunchTemplateId: id, LaunchTemplateData: templateOf(news) }),
      );
      return { id, inputs: news, outputs: outputs(id, news, Number(made.LaunchTemplateVersion?.VersionNumber ?? 2)) };
    },
    remove: async (id) => {
      await client.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: id }));
    },
  };
}

function templateOf(inputs: Values): RequestLaunchTemplateData {
  const disks = listOf(inputs.blockDeviceMappings) as { deviceName?: string; ebs?: Record<string, unknown> }[];
  const metadata = (inputs.metadataOptions ?? {}) as Record<string, string | number>;
  return {
    ImageId: textOf(inputs.imageId),
    InstanceType: textOf(inputs.instanceType) as 'c6i.4xlarge',
    UserData: textOf(inputs.userData),
    SecurityGroupIds: listOf(inputs.vpcSecurityGroupIds).map(String),
    InstanceInitiatedShutdownBehavior: textOf(inputs.instanceInitiatedShutdownBehavior) as 'stop',
    MetadataOptions: {
      HttpTokens: metadata.httpTokens as 'required',
      HttpPutResponseHopLimit: Number(metadata.httpPutResponseHopLimit ?? 1),
    },
    BlockDeviceMappings: disks.map(({ deviceName, ebs }) => ({
      DeviceName: deviceName,
      Ebs: {
        Encrypted: ebs?.encrypted === 'true',
        VolumeSize: Number(ebs?.volumeSize),
        VolumeType: 'gp3' as const,
        DeleteOnTermination: ebs?.deleteOnTermination === 'true',
      },
    })),
  };
}

/** aws:ec2/securityGroup:SecurityGroup, in moto. */
export function securityGroupKind(client: EC2Client): Kind {
  return {
    replacesOn: ['name', 'namePrefix', 'description', 'vpcId'],
    create: async (name, inputs) => {
      const made = await client.send(
        new CreateSecurityGroupCommand({
          GroupName: textOf(inputs.name) ?? `${name}-${crypto.randomUUID().slice(0, 7)}`,
          Description: textOf(inputs.description) ?? 'Managed by Pulumi',
          VpcId: textOf(inputs.vpcId),
          TagSpecifications: [{ ResourceType: 'security-group', Tags: tagsOf(inputs.tags) }],
        }),
      );
      const id = made.GroupId ?? '';
      return { id, inputs, outputs: { ...inputs, arn: `arn:aws:ec2:us-east-1:123456789012:security-group/${id}` } };
    },
    read: async (id, known) => {
      const found = await client.send(new DescribeSecurityGroupsCommand({ GroupIds: [id] }));
      return found.SecurityGroups?.length ? { id, inputs: known, outputs: known } : undefined;
    },
    update: async (id, news) => ({ id, inputs: news, outputs: news }),
    remove: async (id) => {
      await client.send(new DeleteSecurityGroupCommand({ GroupId: id }));
    },
  };
}

/** aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule, in moto. */
export function ingressRuleKind(client: EC2Client): Kind {
  return {
    replacesOn: ['securityGroupId'],
    create: async (_name, inputs) => {
      const { fromPort, toPort } = inputs;
      const range = textOf(inputs.cidrIpv4);
      const wide = textOf(inputs.cidrIpv6);
      const made = await client.send(
        new AuthorizeSecurityGroupIngressCommand({
          GroupId: textOf(inputs.securityGroupId),
          IpPermissions: [
            {
              IpProtocol: textOf(inputs.ipProtocol),
              FromPort: Number(fromPort),
              ToPort: Number(toPort),
              IpRanges: range === undefined ? [] : [{ CidrIp: range }],
              Ipv6Ranges: wide === undefined ? [] : [{ CidrIpv6: wide }],
            },
          ],
        }),
      );
      const id = made.SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? `sgr-${crypto.randomUUID()}`;
      return { id, inputs, outputs: inputs };
    },
    read: async (id, known) => ({ id, inputs: known, outputs: known }),
    update: async (id, news) => ({ id, inputs: news, outputs: news }),
    // Its group goes with it.
    remove: async () => {},
  };
}
