import {
  AddRoleToInstanceProfileCommand,
  AttachRolePolicyCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  DeleteInstanceProfileCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetInstanceProfileCommand,
  type IAMClient,
  PutRolePolicyCommand,
  RemoveRoleFromInstanceProfileCommand,
} from '@aws-sdk/client-iam';
import { type Kind, type Live, tagsOf, textOf, type Values } from './kind.ts';

/** aws:iam/*: roles, their policies and instance profiles, in moto. */
export function identityKinds(client: IAMClient): Readonly<Record<string, Kind>> {
  return {
    'aws:iam/role:Role': roleKind(client),
    'aws:iam/rolePolicyAttachment:RolePolicyAttachment': attachmentKind(client),
    'aws:iam/rolePolicy:RolePolicy': policyKind(client),
    'aws:iam/instanceProfile:InstanceProfile': profileKind(client),
  };
}

const unique = (name: string, inputs: Values) => textOf(inputs.name) ?? `${name}-${crypto.randomUUID().slice(0, 7)}`;
const same = async (id: string, known: Values): Promise<Live> => ({ id, inputs: known, outputs: known });

function roleKind(client: IAMClient): Kind {
  return {
    replacesOn: ['name', 'namePrefix', 'path'],
    create: async (name, inputs) => {
      const RoleName = unique(name, inputs);
      const document = textOf(inputs.assumeRolePolicy) ?? '{}';
      const made = await client.send(
        new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: document, Tags: tagsOf(inputs.tags) }),
      );
      return { id: RoleName, inputs, outputs: { ...inputs, name: RoleName, arn: made.Role?.Arn } };
    },
    read: same,
    update: async (id, news) => ({ id, inputs: news, outputs: { ...news, name: id } }),
    remove: async (RoleName) => {
      await client.send(new DeleteRoleCommand({ RoleName }));
    },
  };
}

function attachmentKind(client: IAMClient): Kind {
  const parts = (id: string) => ({ RoleName: id.split('|')[0], PolicyArn: id.split('|')[1] });
  return {
    replacesOn: ['role', 'policyArn'],
    create: async (_name, inputs) => {
      const id = `${textOf(inputs.role)}|${textOf(inputs.policyArn)}`;
      await client.send(new AttachRolePolicyCommand(parts(id)));
      return { id, inputs, outputs: inputs };
    },
    read: same,
    update: same,
    remove: async (id) => {
      await client.send(new DetachRolePolicyCommand(parts(id)));
    },
  };
}

function policyKind(client: IAMClient): Kind {
  const put = async (id: string, inputs: Values): Promise<Live> => {
    const [RoleName, PolicyName] = id.split(':');
    await client.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: textOf(inputs.policy) }));
    return { id, inputs, outputs: { ...inputs, name: PolicyName } };
  };
  return {
    replacesOn: ['role', 'name'],
    create: async (name, inputs) => put(`${textOf(inputs.role)}:${unique(name, inputs)}`, inputs),
    read: same,
    update: async (id, news) => put(id, news),
    remove: async (id) => {
      const [RoleName, PolicyName] = id.split(':');
      await client.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }));
    },
  };
}

function profileKind(client: IAMClient): Kind {
  return {
    replacesOn: ['name', 'path'],
    create: async (name, inputs) => {
      const InstanceProfileName = unique(name, inputs);
      const RoleName = textOf(inputs.role) ?? '';
      const made = await client.send(new CreateInstanceProfileCommand({ InstanceProfileName }));
      await client.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName }));
      const outputs = { ...inputs, name: InstanceProfileName, arn: made.InstanceProfile?.Arn };
      return { id: InstanceProfileName, inputs, outputs };
    },
    read: same,
    update: same,
    remove: async (InstanceProfileName) => {
      const found = await client.send(new GetInstanceProfileCommand({ InstanceProfileName }));
      for (const { RoleName } of found.InstanceProfile?.Roles ?? [])
        await client.send(new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName }));
      await client.send(new DeleteInstanceProfileCommand({ InstanceProfileName }));
    },
  };
}
