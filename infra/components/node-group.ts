import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import type { GroupLayout, NodeSlot } from '../layout.ts';
import type { Access } from './access.ts';

export interface MadeNode {
  slot: NodeSlot;
  instance: aws.ec2.Instance;
}

/**
 * Nodes of one size and market, made by one launch template. A template or an image that changed counts for nodes to
 * come: those there are stay as they are until somebody replaces them.
 */
export class NodeGroup extends pulumi.ComponentResource {
  readonly nodes: readonly MadeNode[];

  constructor(layout: GroupLayout, access: Access, userData: string, opts: pulumi.ComponentResourceOptions) {
    super('miyabi:fleet:NodeGroup', layout.name, {}, opts);
    const template = this.#template(layout, access, userData);
    this.nodes = layout.nodes.map((slot) => ({ slot, instance: this.#instance(slot, template) }));
    this.registerOutputs();
  }

  #instance({ name, subnetId, tags }: NodeSlot, template: aws.ec2.LaunchTemplate): aws.ec2.Instance {
    return new aws.ec2.Instance(
      name,
      {
        launchTemplate: { id: template.id, version: '$Default' },
        tags,
        volumeTags: tags,
        ...(subnetId === undefined ? {} : { subnetId }),
      },
      { parent: this, ignoreChanges: ['launchTemplate', 'ami', 'userData', 'userDataBase64', 'subnetId'] },
    );
  }

  #template({ name, settings, ami, tags }: GroupLayout, access: Access, userData: string): aws.ec2.LaunchTemplate {
    const spot = {
      marketType: 'spot',
      spotOptions: { spotInstanceType: 'persistent', instanceInterruptionBehavior: 'stop' },
    };
    return new aws.ec2.LaunchTemplate(
      name,
      {
        ...{ imageId: ami, instanceType: settings.instanceType, updateDefaultVersion: true },
        userData: Buffer.from(userData).toString('base64'),
        metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
        instanceInitiatedShutdownBehavior: 'stop',
        iamInstanceProfile: { name: access.profileName },
        vpcSecurityGroupIds: [access.securityGroupId],
        blockDeviceMappings: [
          {
            deviceName: settings.rootDevice,
            ebs: { encrypted: 'true', volumeType: 'gp3', volumeSize: settings.volumeGiB, deleteOnTermination: 'true' },
          },
        ],
        ...(settings.market === 'spot' ? { instanceMarketOptions: spot } : {}),
        tagSpecifications: [
          { resourceType: 'instance', tags },
          { resourceType: 'volume', tags },
        ],
        tags,
      },
      { parent: this },
    );
  }
}
