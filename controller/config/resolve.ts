import type { Kind, SecretSource } from '../agent/agent.ts';
import type { Node, Via } from '../node/node.ts';
import type { Category, Fleet, Origin } from './fleet.ts';
import type { Given } from './override.ts';
import { BUILT_IN_KINDS, type FleetFile, toolOf } from './schema.ts';
import { childOf } from './value.ts';

/** What a fleet file cannot know. All paths are absolute. */
export interface Surroundings {
  file: string | null;
  stateFolder: string;
  /** Makes a path of the fleet file absolute. */
  place(path: string): string;
  /** Names of environment variables that are set. */
  variables: ReadonlySet<string>;
}

/** The variable in which a tool's key is looked for when its kind says nothing. */
const KEY_OF = { codex: 'OPENAI_API_KEY', claude: 'ANTHROPIC_API_KEY', command: null } as const;

/** Fills in everything: built-in kinds, absolute paths, usual secrets. */
export function resolveFleet(file: FleetFile, around: Surroundings): Omit<Fleet, 'origins' | 'written'> {
  const { place } = around;
  const kindNames = new Set([...BUILT_IN_KINDS, ...Object.keys(file.kinds)]);
  return {
    name: file.name,
    file: around.file,
    stateFolder: around.stateFolder,
    nodes: file.nodes.map((node) => resolveNode(node, place)),
    stacks: file.stacks.flatMap(({ name, file: own }) => (own === undefined ? [name] : [])),
    agents: {
      ...file.agents,
      memoryGiBMax: file.agents.memoryGiBMax ?? null,
      categories: Object.entries(file.agents.categories).map(resolveCategory),
    },
    kinds: [...kindNames].map((name) => resolveKind(name, file.kinds[name], around)),
    tasks: {
      timeoutSeconds: file.tasks.timeout,
      retries: file.tasks.retries,
      cwd: file.tasks.cwd === undefined ? null : place(file.tasks.cwd),
      silenceSeconds: file.tasks.silence,
      platformRetries: file.tasks.platformRetries,
      env: file.tasks.env,
    },
    lostAfterSeconds: file.lostAfter,
    restartsPerMinute: file.restartsPerMinute,
  };
}

function resolveNode(node: FleetFile['nodes'][number], place: (path: string) => string): Node {
  return {
    name: node.name,
    via: resolveVia(node.ssh, place),
    vcpu: node.vcpu ?? null,
    memoryGiB: node.memoryGiB ?? null,
    maxAgents: node.maxAgents ?? null,
    cwd: node.cwd === undefined ? null : place(node.cwd),
    labels: node.labels,
  };
}

function resolveVia(ssh: FleetFile['nodes'][number]['ssh'], place: (path: string) => string): Via {
  if (ssh === undefined) return { kind: 'local' };
  const placed = (path: string | undefined) => (path === undefined ? null : place(path));
  return {
    kind: 'ssh',
    host: ssh.host,
    port: ssh.port ?? null,
    user: ssh.user ?? null,
    identity: placed(ssh.identity),
    knownHosts: placed(ssh.knownHosts),
    jump: ssh.jump ?? null,
    config: placed(ssh.config),
    client: ssh.client ?? 'auto',
  };
}

function resolveCategory([name, entry]: [string, FleetFile['agents']['categories'][string]]): Category {
  if (typeof entry === 'number') return { name, share: entry, kind: null, strict: false };
  return { name, share: entry.share, kind: entry.kind ?? null, strict: entry.strict };
}

function resolveKind(name: string, entry: FleetFile['kinds'][string] | undefined, around: Surroundings): Kind {
  const tool = toolOf(name, entry?.tool);
  if (tool === undefined) throw new Error(`the schema let a kind without a tool pass: ${name}`);
  const env: Record<string, string> = {};
  const secrets: Record<string, SecretSource> = {};
  for (const [variable, value] of Object.entries(entry?.env ?? {})) {
    if (typeof value === 'string') env[variable] = value;
    else if (value.from === 'env') secrets[variable] = { from: 'env', name: value.name ?? variable };
    else secrets[variable] = { from: 'file', path: around.place(value.path) };
  }
  const key = KEY_OF[tool];
  if (key !== null && env[key] === undefined && secrets[key] === undefined && around.variables.has(key)) {
    secrets[key] = { from: 'env', name: key };
  }
  return {
    name,
    tool,
    model: entry?.model ?? null,
    sandbox: entry?.sandbox ?? (tool === 'codex' ? 'workspace-write' : null),
    run: entry?.run ?? null,
    args: entry?.args ?? [],
    env,
    secrets,
    endpoint: entry?.endpoint ?? null,
    tunnel: entry?.tunnel ?? false,
    program: entry?.program ?? null,
  };
}

const SETTINGS = [
  'name',
  'nodes',
  'stacks',
  'agents.count',
  'agents.perVcpu',
  'agents.memoryGiBEach',
  'agents.memoryGiBMax',
  'agents.kind',
  'agents.categories',
  'kinds',
  'tasks.timeout',
  'tasks.retries',
  'tasks.cwd',
  'tasks.silence',
  'tasks.platformRetries',
  'tasks.env',
  'lostAfter',
  'restartsPerMinute',
] as const;

/** Where each setting came from; `raw` is the fleet file as it was read. */
export function originsOf(raw: unknown, given: readonly Given[]): Record<string, Origin> {
  return Object.fromEntries(
    SETTINGS.map((setting) => {
      const override = given.find(({ path }) => path.join('.') === setting);
      return [
        setting,
        override?.origin ?? (setting.split('.').reduce<unknown>(childOf, raw) !== undefined ? 'file' : 'default'),
      ];
    }),
  );
}
