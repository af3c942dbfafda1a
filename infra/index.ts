import { join } from 'node:path';
import * as aws from '@pulumi/aws';
import * as pulumi from '@pulumi/pulumi';
import { cloudConfig } from './cloud-init.ts';
import { Access } from './components/access.ts';
import { adoptNode } from './components/adopted-node.ts';
import { Alerts } from './components/alerts.ts';
import { NodeGroup } from './components/node-group.ts';
import { FLEET_USER, layOut } from './layout.ts';
import { nodeInit } from './node-init.ts';
import type { Outputs } from './outputs.ts';
import { readSettings } from './settings.ts';

const BOOTSTRAP = join(import.meta.dirname, '../bootstrap');
const settings = readSettings();
const layout = layOut(settings);

/** Without default tags: those would reach an adopted machine past all its guards. */
const provider = (name: string) =>
  new aws.Provider(name, {
    region: settings.region,
    ...(settings.accountIds.length === 0 ? {} : { allowedAccountIds: settings.accountIds }),
  });
const live = ({ id, privateIp, instanceType }: aws.ec2.Instance) => ({ instanceId: id, privateIp, instanceType });

function adoptAll(of: aws.Provider) {
  return layout.adopted.map(({ machine, output }) => ({ ...output, ...live(adoptNode(machine, of)) }));
}

function makeAll(of: aws.Provider) {
  const opts = { providers: [of] };
  const access = new Access(layout, opts);
  const userData = cloudConfig({ program: nodeInit(BOOTSTRAP), sshKeys: settings.sshKeys, user: FLEET_USER });
  const made = layout.groups.flatMap((group) => new NodeGroup(group, access, userData, opts).nodes);
  new Alerts(layout, made, opts);
  return made.map(({ slot, instance }) => ({ ...slot.output, ...live(instance) }));
}

const adopted = layout.adopted.length === 0 ? [] : adoptAll(provider('adopted'));
const made = layout.groups.length === 0 ? [] : makeAll(provider('nodes'));

export const fleet: pulumi.Output<Outputs['fleet']> = pulumi.output({
  version: 1 as const,
  name: settings.fleet,
  phase: settings.phase,
  nodes: [...adopted, ...made],
});
