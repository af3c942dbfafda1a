import { basename } from 'node:path';
import { z } from 'zod';
import type { OutputNode, Outputs } from '../../infra/outputs.ts';
import { Name, text } from '../task/task.ts';
import { AddressDefaults } from './address.ts';

/** Stacks of the fleet file: machines made elsewhere, joined to the nodes written down. */

const WAYS = ['privateIp', 'instanceId', 'name'] as const;
const HOST = new RegExp(`^[A-Za-z0-9._-]*\\{(${WAYS.join('|')})\\}[A-Za-z0-9._-]*$`);
const HOST_ERROR = `expected {${WAYS.join('}, {')}} once, with letters, digits, . _ - around it`;

const StackMap = z.strictObject({
  name: Name.describe('Name of the stack.'),
  file: text(4096)
    .optional()
    .describe('Its outputs, where nobody pulls them: a relative path begins at the fleet file.'),
  ssh: AddressDefaults.extend({
    host: z
      .string({ error: HOST_ERROR })
      .regex(HOST, HOST_ERROR)
      .default('{privateIp}')
      .describe(
        'Its machines’ host: `{privateIp}`, or `{instanceId}` or `{name}` where the ssh configuration knows such hosts.',
      ),
  })
    .prefault({})
    .describe('How its machines are reached over SSH, where it is not as the ssh configuration says.'),
});

/** A stack by its name, or by the file of its outputs, or as a map. */
export const StackEntry = z.union(
  [
    Name.refine((name) => !name.endsWith('.json')).transform((name) => StackMap.parse({ name })),
    text(4096)
      .regex(/\/[^/]+\.json$/)
      .transform((file) => StackMap.parse({ name: basename(file, '.json'), file })),
    StackMap,
  ],
  { error: 'expected the name of a stack such as phase2, a file such as ./phase2.json, or {name, file, ssh}' },
);
export type StackEntry = z.output<typeof StackEntry>;

/** A node of a stack, as it would be written in the fleet file. */
export function writtenNodes({ name, ssh }: StackEntry, { fleet }: Outputs): readonly object[] {
  return fleet.nodes.map((node) => {
    const { user, host, ...rest } = ssh;
    const whoever = user ?? node.user;
    return {
      name: node.name,
      ssh: { ...rest, host: hostOf(host, node), ...(whoever === null ? {} : { user: whoever }) },
      ...(node.vcpu === null ? {} : { vcpu: node.vcpu }),
      ...(node.memoryGiB === null ? {} : { memoryGiB: node.memoryGiB }),
      ...(node.maxAgents === null ? {} : { maxAgents: node.maxAgents }),
      labels: [...new Set([...node.labels, name])],
    };
  });
}

function hostOf(pattern: string, node: OutputNode): string {
  return WAYS.reduce((host, way) => host.replace(`{${way}}`, node[way]), pattern);
}
