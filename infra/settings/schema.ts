import { z } from 'zod';
import { isOpenToAll, isPlainCidr } from './cidr.ts';

/** What a stack file may say. A phase is one of these and nothing else: no code asks for the stack's name. */

const NODES_MAX = 50;

const text = (most: number) =>
  z
    .string({ error: 'expected text' })
    .regex(/^[\p{L}\p{N} _.:/=+@-]+$/u, 'expected letters, digits, spaces and _ . : / = + - @, as it becomes a tag')
    .max(most, `expected at most ${most} characters`);

const whole = (least: number, most: number, what: string) => {
  const error = `expected ${what}: a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

const id = (prefix: string, what: string, command: string) =>
  z.string({ error: `expected ${what}` }).regex(new RegExp(`^${prefix}-([0-9a-f]{8}|[0-9a-f]{17})$`), {
    error: `expected ${what}: ${prefix}- and 8 or 17 of 0-9 a-f; \`${command}\` lists them`,
  });

/** As in the fleet file: it names sessions, folders and tags. */
const Name = z
  .string({ error: 'expected a name' })
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ . - beginning with a letter or digit');

const Region = z
  .string({ error: 'expected a region such as us-east-1' })
  .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'expected a region such as us-east-1');

const InstanceId = id('i', 'the id of an instance', 'aws ec2 describe-instances');

const InstanceType = z
  .string({ error: 'expected an instance type such as c6i.4xlarge' })
  .regex(/^[a-z][a-z0-9-]*\.([a-z0-9-]+)$/, 'expected an instance type such as c6i.4xlarge');

const Cidr = z
  .string({ error: 'expected a range of addresses such as 203.0.113.7/32' })
  .refine(isPlainCidr, {
    error: 'expected a range of addresses such as 203.0.113.7/32 or 2001:db8::/48, with no bit set after its prefix',
    abort: true,
  })
  .refine((range) => !isOpenToAll(range), {
    error: 'it lets everybody in. Name the addresses you come from, or leave the list empty and go through SSM',
  });

const Address = z
  .enum(['none', 'while-running', 'elastic'], { error: 'expected none, while-running or elastic' })
  .describe('Its public IPv4 address, only to reckon its price: an elastic one is paid for while it is off, too.');

const Adopted = z.strictObject({
  name: Name.describe('Name of the node in the fleet.'),
  instanceId: InstanceId.describe('The machine there is. It is never changed, stopped or deleted from here.'),
  mode: z
    .enum(['import', 'read'], { error: 'expected import or read' })
    .default('import')
    .describe(
      '`import`: in the state, guarded five times, so that drift is seen. `read`: only looked up; nothing here could touch it.',
    ),
  vcpu: whole(1, 4096, 'its number of vCPUs').optional().describe('How many vCPUs it has; asked from it where absent.'),
  memoryGiB: z.number({ error: 'expected its memory in GiB' }).positive().max(65_536).optional(),
  maxAgents: whole(1, 100, 'the most agents on it').optional(),
  instanceType: InstanceType.optional().describe('Only to reckon its price before it is known.'),
  volumeGiB: whole(1, 65_536, 'the size of its volumes in GiB').optional().describe('Only to reckon its price.'),
  address: Address.default('elastic'),
  user: Name.optional().describe('Whom to log in as over SSH.'),
});

const Subnet = z.strictObject({
  id: id('subnet', 'the id of a subnet', 'aws ec2 describe-subnets'),
  zone: z.string({ error: 'expected its availability zone, such as us-east-1a' }),
});

const Group = z.strictObject({
  name: Name.describe('Its nodes are NAME-1, NAME-2 and so on.'),
  count: whole(0, NODES_MAX, 'how many nodes there are'),
  role: Name.default('agents').describe('Tag, and label of its nodes.'),
  instanceType: InstanceType,
  market: z.enum(['on-demand', 'spot'], { error: 'expected on-demand or spot' }).default('on-demand'),
  subnets: z
    .array(Subnet, { error: 'expected a list of {id, zone}' })
    .max(16)
    .default([])
    .describe('Nodes are spread over them in turn. None: the default subnet of the account, for on-demand only.'),
  volumeGiB: whole(8, 16_384, 'the size of the root volume in GiB').default(60),
  rootDevice: z
    .string()
    .regex(/^\/dev\/[a-z]+[0-9]*$/, 'expected a device such as /dev/sda1')
    .default('/dev/sda1')
    .describe('Name of the root device in the image: /dev/sda1 of Ubuntu, /dev/xvda of Debian.'),
  address: Address.default('while-running'),
  maxAgents: whole(1, 100, 'the most agents on a node').optional(),
});

const Budget = z.strictObject({
  monthlyUsd: z.number({ error: 'expected dollars a month' }).positive().max(1_000_000),
  emails: z
    .array(z.email({ error: 'expected an e-mail address' }))
    .min(1, 'expected at least one address: nobody would hear of it')
    .max(10),
});

export const Settings = z.strictObject({
  fleet: Name.default('miyabi').describe('Name of the fleet, and a tag.'),
  phase: Name.describe('Tag: which step of growth this is.'),
  owner: text(128).describe('Tag: whom to ask about these machines.'),
  region: Region,
  accountIds: z
    .array(z.string({ error: 'expected 12 digits in quotes' }).regex(/^\d{12}$/, 'expected 12 digits in quotes'), {
      error: 'expected a list of account ids in quotes',
    })
    .max(10)
    .default([])
    .describe('Accounts this may be applied to. Empty: whichever the credentials belong to.'),
  adopted: z.array(Adopted, { error: 'expected a list of machines' }).max(NODES_MAX).default([]),
  groups: z.array(Group, { error: 'expected a list of groups' }).max(20).default([]),
  amis: z
    .record(Region, id('ami', 'the id of an image', 'aws ec2 describe-images'))
    .default({})
    .describe('Image for each region: pinned, so that nodes do not change by themselves.'),
  vpcId: id('vpc', 'the id of a VPC', 'aws ec2 describe-vpcs').optional().describe('Default: that of the account.'),
  sshCidrs: z
    .array(Cidr, { error: 'expected a list of ranges' })
    .max(50)
    .default([])
    .describe('Where SSH may come from. Empty: no inbound rule at all, and SSM alone.'),
  sshKeys: z
    .array(
      z.string().regex(/^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+( [^\n]*)?$/, {
        error: 'expected a public key, as in ~/.ssh/id_ed25519.pub',
      }),
    )
    .max(20)
    .default([])
    .describe('Public keys of those who may log in.'),
  parameters: z
    .array(
      z
        .string()
        .regex(/^\/[A-Za-z0-9_.\-/]{1,1000}$/, 'expected the name of one SSM parameter, such as /miyabi/openai'),
    )
    .max(20)
    .default([])
    .describe('SSM parameters, by name, that the nodes may read: exactly these.'),
  budget: Budget.optional().describe('Monthly budget with alerts.'),
  runningHoursMax: whole(1, 168, 'hours')
    .optional()
    .describe('Alarm for a node that has been running for longer, to the addresses of the budget.'),
  monthlyUsdMax: z
    .number({ error: 'expected dollars a month' })
    .positive()
    .optional()
    .describe('A pull request above this price fails.'),
});
export type Settings = z.infer<typeof Settings>;

/** Names of a group's nodes, by number: its last ones go first. */
export const nodeNames = ({ name, count }: Pick<Settings['groups'][number], 'name' | 'count'>): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
