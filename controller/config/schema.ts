import { z } from 'zod';
import { AGENT_NUMBER_MAX, CategoryName, Duration, Name, text } from '../task/task.ts';
import { SshEntry } from './address.ts';
import { StackEntry } from './stack.ts';

export const BUILT_IN_KINDS = ['codex', 'claude', 'command'] as const;

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const whole = (least: number, most: number) => {
  const error = `expected a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

const amount = (above: number, most: number) => {
  const error = `expected a number above ${above}, at most ${most}`;
  return z.number({ error }).gt(above, { error }).max(most, { error });
};

const words = (bytesMax: number) => text(bytesMax).refine((value) => value.trim() !== '', 'expected text');

const EnvName = z.string().regex(ENV_NAME, 'expected a name of an environment variable: A-Z a-z 0-9 _');

export const SET_BY_FLEET = 'expected another name: those beginning with FLEET_ are set by the fleet';
const TaskEnvName = EnvName.refine((name) => !name.startsWith('FLEET_'), SET_BY_FLEET);

const FleetName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9-]{0,31}$/,
    'expected 1 to 32 of A-Z a-z 0-9 - beginning with a letter, as it names tmux sessions and folders',
  );

const NodeEntry = z.strictObject({
  name: Name.describe('Name of the node, unique in the fleet.'),
  local: z
    .literal(true, { error: 'expected true, or ssh: user@host instead' })
    .optional()
    .describe('This machine is the node. Each node has either this or `ssh`.'),
  ssh: SshEntry.optional().describe(
    'A machine reached over SSH: `user@host:port`, or a Host of ~/.ssh/config, or a map. What is not said is as the ssh configuration says.',
  ),
  vcpu: whole(1, 4096).optional().describe('How many vCPUs it has. Asked from the node where absent.'),
  memoryGiB: amount(0, 65_536).optional().describe('How much memory it has, in GiB. Asked from the node where absent.'),
  maxAgents: whole(1, 100).optional().describe('Most agents on it, whatever its size.'),
  cwd: words(4096)
    .optional()
    .describe(
      'Folder where tasks work. Over SSH an absolute path on the node; here a relative path begins at the fleet file. Default: each agent’s own folder.',
    ),
  labels: z.array(Name).max(50).default([]).describe('Free words to choose nodes by.'),
});

const Share = amount(0, 1_000_000);
const CategoryEntry = z.union(
  [
    Share,
    z.strictObject({
      share: Share.describe('Its part of the agents, relative to the other shares.'),
      kind: Name.optional().describe('Default kind of its agents.'),
      strict: z.boolean().default(false).describe('Its agents take only tasks of this category.'),
    }),
  ],
  { error: 'expected a share such as 35, or {share, kind, strict}' },
);

const SECRET_FROM = '`env`: the environment of the controller. `file`: a file that only its owner may read.';

const SecretReference = z.discriminatedUnion(
  'from',
  [
    z.strictObject({
      from: z.literal('env').describe(SECRET_FROM),
      name: EnvName.optional().describe('With `env`: the name of the variable there. Default: the same name.'),
    }),
    z.strictObject({
      from: z.literal('file').describe(SECRET_FROM),
      path: words(4096).describe(
        'With `file`: its path. `~/` is the home folder; a relative path begins at the fleet file.',
      ),
    }),
  ],
  { error: 'expected `from: env` or `from: file`' },
);

const EnvValue = z.union([text(32_768), SecretReference], {
  error: 'expected text in quotes, or {from: env}, or {from: file, path}',
});

const KindEntry = z.strictObject({
  tool: z
    .enum(BUILT_IN_KINDS)
    .optional()
    .describe('The CLI it runs. May be left out for the kinds `codex`, `claude` and `command`.'),
  model: words(200).optional().describe('Model of the tool. Default: the tool’s own. Not for `command`.'),
  sandbox: z
    .enum(['read-only', 'workspace-write', 'danger-full-access'])
    .optional()
    .describe('What Codex may touch. Default `workspace-write`. Only for `codex`.'),
  run: words(65_536)
    .optional()
    .describe(
      'Shell command (`sh -c`), the prompt on its standard input. A task’s own `run` wins. Only for `command`.',
    ),
  args: z.array(text(4096)).max(100).default([]).describe('Further arguments for the tool.'),
  env: z
    .record(EnvName, EnvValue)
    .default({})
    .describe('Environment of the tool. Secrets only as `{from: env}` or `{from: file, path}`.'),
  endpoint: z
    .url({ protocol: /^https?$/, error: 'expected a URL beginning with http:// or https://' })
    .optional()
    .describe(
      'Base URL of the model’s API; `{task}`, `{ordinal}` and `{attempt}` in it let a gateway tell attempts apart. Default: the tool’s own. Not for `command`.',
    ),
  tunnel: z
    .boolean()
    .default(false)
    .describe(
      'The endpoint is on the controller’s machine or reached from there: every node gets a tunnel to it. Only with an `endpoint` beginning with http://.',
    ),
  program: words(4096).optional().describe('Path of the tool’s program on the node. Default: looked up in PATH.'),
});

const AgentsSection = z.strictObject({
  count: z
    .union([whole(1, AGENT_NUMBER_MAX), z.literal('auto')], {
      error: `expected a whole number from 1 to ${AGENT_NUMBER_MAX}, or auto`,
    })
    .default('auto')
    .describe('How many agents there are to be. `auto`: what the machines can hold.'),
  perVcpu: amount(0, 1000).default(1).describe('Most agents for each vCPU of a node.'),
  memoryGiBEach: amount(0, 1024).default(1).describe('Memory counted for each agent, in GiB.'),
  memoryGiBMax: amount(0, 1024)
    .optional()
    .describe(
      'Most memory of one agent and all it begins, in GiB: past it the kernel ends what takes most of it, and nothing else. Default: half of what its node has.',
    ),
  kind: Name.default('codex').describe('Kind of agents whose category says none.'),
  categories: z
    .record(CategoryName, CategoryEntry)
    .default({ coding: 35, business: 25, research: 20, support: 20 })
    .describe('What the agents are for: relative shares, or `{share, kind, strict}`.'),
});

const TasksSection = z.strictObject({
  timeout: Duration.prefault('30m').describe('Longest time for one attempt.'),
  retries: whole(0, 20).default(2).describe('Further tries after a task’s own failure.'),
  cwd: words(4096)
    .optional()
    .describe(
      'Folder where tasks work on nodes that say none. With nodes over SSH an absolute path; else a relative path begins at the fleet file.',
    ),
  silence: Duration.prefault('10m').describe('Longest time without an event of a tool that talks; then it is ended.'),
  platformRetries: whole(0, 100)
    .default(5)
    .describe('Further tries after faults of the platform (lost, silent, network, launch, killed); then it is parked.'),
  env: z
    .record(TaskEnvName, text(32_768))
    .default({})
    .describe('Environment of every task. Not for secrets: those belong to a kind.'),
});

/** The fleet file. Strict: what it does not know it refuses. */
export const FleetFile = z.strictObject({
  name: FleetName.default('fleet').describe('Prefix of tmux sessions and name of the folder on the nodes.'),
  nodes: z
    .array(NodeEntry)
    .min(1, { error: 'expected at least one node' })
    .max(1000)
    .default([{ name: 'here', local: true, labels: [] }])
    .describe('The machines. Default: this machine, under the name `here`; none where there are stacks.'),
  stacks: z
    .array(StackEntry)
    .max(20)
    .default([])
    .describe('Stacks whose machines join these, as `fleet stack pull` last read them.'),
  agents: AgentsSection.prefault({}).describe('How many agents, of which kind, and what for.'),
  kinds: z
    .record(Name, KindEntry)
    .default({})
    .describe('Tools with settings and a name. `codex`, `claude` and `command` are there without being declared.'),
  tasks: TasksSection.prefault({}).describe('What tasks get where they do not say.'),
  lostAfter: Duration.prefault('10m').describe('A node not heard for so long parks what ran on it.'),
  restartsPerMinute: whole(1, 10_000).default(30).describe('Most restarts of agents per minute, over the whole fleet.'),
});
export type FleetFile = z.infer<typeof FleetFile>;

/** The tool of a kind: the one it names, else the one it is called after. */
export function toolOf(name: string, tool: unknown): (typeof BUILT_IN_KINDS)[number] | undefined {
  return BUILT_IN_KINDS.find((one) => one === (tool ?? name));
}
