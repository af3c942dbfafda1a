import {
  CreateTagsCommand,
  DescribeInstancesCommand,
  type EC2Client,
  type Instance,
  ModifyInstanceAttributeCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { type Kind, type Live, listOf, tagMapOf, tagsOf, textOf, type Values } from './kind.ts';

/** aws:ec2/instance:Instance, in moto. What forces a new one is as the real provider has it. */
export function instanceKind(client: EC2Client): Kind {
  return {
    replacesOn: [
      'ami',
      'availabilityZone',
      'keyName',
      'launchTemplate',
      'privateIp',
      'subnetId',
      'associatePublicIpAddress',
    ],
    create: async (_name, inputs) => {
      const launched = await client.send(new RunInstancesCommand(orderOf(inputs)));
      const id = launched.Instances?.[0]?.InstanceId ?? '';
      return { id, inputs, outputs: { ...inputs, ...outputsOf(await find(client, id)) } };
    },
    read: async (id) => {
      const found = await find(client, id);
      const state = found?.State?.Name;
      return found === undefined || state === 'terminated' || state === 'shutting-down' ? undefined : liveOf(id, found);
    },
    update: async (id, news, olds) => {
      if (news.instanceType !== olds.instanceType)
        await client.send(
          new ModifyInstanceAttributeCommand({ InstanceId: id, InstanceType: { Value: textOf(news.instanceType) } }),
        );
      await client.send(new CreateTagsCommand({ Resources: [id], Tags: tagsOf(news.tagsAll ?? news.tags) }));
      return { id, inputs: news, outputs: { ...news, ...outputsOf(await find(client, id)) } };
    },
    remove: async (id) => {
      await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    },
  };
}

function orderOf(inputs: Values) {
  const template = inputs.launchTemplate as { id?: string; version?: string } | undefined;
  const data = textOf(inputs.userDataBase64);
  return {
    MinCount: 1,
    MaxCount: 1,
    ImageId: textOf(inputs.ami),
    InstanceType: textOf(inputs.instanceType) as 'c6i.4xlarge' | undefined,
    SubnetId: textOf(inputs.subnetId),
    UserData: data,
    SecurityGroupIds: listOf(inputs.vpcSecurityGroupIds).filter((each) => typeof each === 'string'),
    ...(template === undefined
      ? {}
      : { LaunchTemplate: { LaunchTemplateId: template.id, Version: template.version ?? '$Default' } }),
    TagSpecifications: [{ ResourceType: 'instance' as const, Tags: tagsOf(inputs.tagsAll ?? inputs.tags) }],
  };
}

async function find(client: EC2Client, id: string): Promise<Instance | undefined> {
  try {
    const found = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    return found.Reservations?.[0]?.Instances?.[0];
  } catch (error) {
    if (error instanceof Error && error.name.startsWith('InvalidInstanceID')) return undefined;
    throw error;
  }
}

function liveOf(id: string, found: Instance): Live {
  const inputs = {
    ami: found.ImageId,
    instanceType: found.InstanceType,
    subnetId: found.SubnetId,
    availabilityZone: found.Placement?.AvailabilityZone,
    vpcSecurityGroupIds: (found.SecurityGroups ?? []).map(({ GroupId }) => GroupId),
    tags: tagMapOf(found.Tags),
  };
  return { id, inputs, outputs: { ...inputs, ...outputsOf(found) } };
}

function outputsOf(found: Instance | undefined): Values {
  return {
    arn: `arn:aws:ec2:us-east-1:123456789012:instance/${found?.InstanceId}`,
    instanceState: found?.State?.Name,
    instanceType: found?.InstanceType,
    availabilityZone: found?.Placement?.AvailabilityZone,
    privateIp: found?.PrivateIpAddress,
    privateDns: found?.PrivateDnsName,
    publicIp: found?.PublicIpAddress ?? '',
    tagsAll: tagMapOf(found?.Tags),
  };
}
