import { isAbsolute } from 'node:path';
import { scrub } from '../secret.ts';
import { parseAddress } from './address.ts';
import type { Finding } from './check.ts';
import { nearest } from './nearest.ts';
import type { Path } from './position.ts';
import { BUILT_IN_KINDS, SET_BY_FLEET, toolOf } from './schema.ts';
import { childOf, entriesOf, isMap, itemsOf } from './value.ts';

const SECRET_NAME = /(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)|(KEY|TOKEN|SECRET|PASSWORD)$/i;

/**
 * What must hold between fields of a fleet file. Looks at a value that may be wrong in any other way, so that one
 * problem hides no other.
 */
export function fleetRules(file: unknown): Finding[] {
  return [
    ...nodeRules(childOf(file, 'nodes')),
    ...folderRules(file),
    ...categoryRules(childOf(childOf(file, 'agents'), 'categories')),
    ...kindNameRules(file),
    ...entriesOf(childOf(file, 'kinds')).flatMap(([name, kind]) => kindRules(name, kind)),
    ...entriesOf(childOf(childOf(file, 'tasks'), 'env')).flatMap(([name, value]) =>
      isSecret(name, value)
        ? [finding(['tasks', 'env', name], 'expected no secret here: give it to a kind, as {from: env}')]
        : [],
    ),
  ];
}

function finding(path: Path, message: string): Finding {
  return { path, at: 'value', message };
}

function nodeRules(nodes: unknown): Finding[] {
  const names = itemsOf(nodes).map((node) => childOf(node, 'name'));
  const locals = itemsOf(nodes).map((node) => childOf(node, 'local') === true);
  const sameName = names.flatMap((name, index) =>
    typeof name === 'string' && names.indexOf(name) < index
      ? [finding(['nodes', index, 'name'], `expected another name: nodes[${names.indexOf(name)}] is ${name} already`)]
      : [],
  );
  const first = locals.indexOf(true);
  const secondLocal = locals.flatMap((isLocal, index) =>
    isLocal && index > first
      ? [finding(['nodes', index, 'local'], `expected one local node: nodes[${first}] is this machine already`)]
      : [],
  );
  return [...sameName, ...secondLocal, ...itemsOf(nodes).flatMap(reachRules), ...addressRules(itemsOf(nodes))];
}

/** A node is either this machine or reached over SSH. */
function reachRules(node: unknown, index: number): Finding[] {
  if (!isMap(node)) return [];
  const [isLocal, isOverSsh] = [node.local !== undefined, node.ssh !== undefined];
  if (isLocal && isOverSsh) {
    const message = 'expected either local: true or ssh: this node has both';
    return [{ ...finding(['nodes', index, 'ssh'], message), at: 'key' }];
  }
  if (isLocal || isOverSsh || node.ssm !== undefined) return []; // ssm is refused by its name
  return [finding(['nodes', index], 'expected ssh: user@host, or local: true, to say how it is reached')];
}

/** Two nodes at one address would share the folder on the node. */
function addressRules(nodes: readonly unknown[]): Finding[] {
  const addresses = nodes.map((node) => addressKey(childOf(node, 'ssh')));
  return addresses.flatMap((address, index) => {
    const first = addresses.indexOf(address);
    if (address === undefined || first === index) return [];
    const message = `expected another machine or user: nodes[${first}].ssh is the same, and the folder there would be shared`;
    return [finding(['nodes', index, 'ssh'], message)];
  });
}

/** What makes an address one; undefined for none, or one that is wrong anyway. A null is as the ssh configuration says. */
function addressKey(ssh: unknown): string | undefined {
  if (isMap(ssh)) {
    const { host, port, user, jump, config } = ssh;
    return typeof host === 'string' ? JSON.stringify([host.toLowerCase(), port, user, jump, config]) : undefined;
  }
  if (typeof ssh !== 'string') return undefined;
  const part = parseAddress(ssh);
  return part.is === 'good' ? addressKey({ ...part.address }) : undefined;
}

const ON_NODE = 'expected an absolute path: it is a folder on the node, not here';

/** Folders on machines that are not this one cannot begin at the fleet file or at the home of this user. */
function folderRules(file: unknown): Finding[] {
  const nodes = itemsOf(childOf(file, 'nodes'));
  const places: [Path, unknown][] = nodes.flatMap((node, index): [Path, unknown][] =>
    childOf(node, 'ssh') === undefined ? [] : [[['nodes', index, 'cwd'], childOf(node, 'cwd')]],
  );
  if (places.length > 0) places.push([['tasks', 'cwd'], childOf(childOf(file, 'tasks'), 'cwd')]);
  return places.flatMap(([path, folder]) =>
    typeof folder === 'string' && !isAbsolute(folder)
      ? [finding(path, `${ON_NODE} (given: ${JSON.stringify(folder)})`)]
      : [],
  );
}

function categoryRules(categories: unknown): Finding[] {
  const isEmpty = isMap(categories) && Object.keys(categories).length === 0;
  return isEmpty ? [finding(['agents', 'categories'], 'expected at least one category')] : [];
}

function kindNameRules(file: unknown): Finding[] {
  const agents = childOf(file, 'agents');
  const known: string[] = [...new Set([...BUILT_IN_KINDS, ...entriesOf(childOf(file, 'kinds')).map(([name]) => name)])];
  const named: [Path, unknown][] = [
    [['agents', 'kind'], childOf(agents, 'kind')],
    ...entriesOf(childOf(agents, 'categories')).map(([name, entry]): [Path, unknown] => [
      ['agents', 'categories', name, 'kind'],
      childOf(entry, 'kind'),
    ]),
  ];
  return named.flatMap(([path, kind]) => {
    if (typeof kind !== 'string' || known.includes(kind)) return [];
    const near = nearest(kind, known);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    return [finding(path, `expected a kind: one of ${known.join(', ')}${hint} (given: ${JSON.stringify(kind)})`)];
  });
}

/** Which tool a field of a kind is for. */
const FIELD_TOOLS: Readonly<Record<string, readonly string[]>> = {
  run: ['command'],
  sandbox: ['codex'],
  model: ['codex', 'claude'],
  endpoint: ['codex', 'claude'],
  tunnel: ['codex', 'claude'],
};

function kindRules(name: string, kind: unknown): Finding[] {
  const tool = toolOf(name, childOf(kind, 'tool'));
  if (tool === undefined) {
    const message = `expected one of ${BUILT_IN_KINDS.join(', ')} (given: nothing)`;
    return childOf(kind, 'tool') === undefined ? [finding(['kinds', name, 'tool'], message)] : [];
  }
  const strangers = Object.entries(FIELD_TOOLS).flatMap(([field, tools]) =>
    childOf(kind, field) === undefined || tools.includes(tool)
      ? []
      : [{ ...finding(['kinds', name, field], `expected only with tool: ${tools.join(' or ')}`), at: 'key' as const }],
  );
  const variables = entriesOf(childOf(kind, 'env')).flatMap(([variable, value]) => {
    const path = ['kinds', name, 'env', variable];
    if (variable.startsWith('FLEET_')) return [{ ...finding(path, SET_BY_FLEET), at: 'key' as const }];
    if (!isSecret(variable, value)) return [];
    return [finding(path, 'expected {from: env} or {from: file, path}: a secret never stands in the fleet file')];
  });
  return [...strangers, ...variables, ...(tool === 'command' ? [] : tunnelRules(name, kind))];
}

function tunnelRules(name: string, kind: unknown): Finding[] {
  const endpoint = childOf(kind, 'endpoint');
  if (childOf(kind, 'tunnel') !== true) return [];
  if (endpoint === undefined) {
    return [finding(['kinds', name, 'tunnel'], 'expected an endpoint beside it, for the tunnel to lead to')];
  }
  // Through a tunnel the tool sees a port of its own machine: no certificate is for that name.
  const isTls = typeof endpoint === 'string' && /^https:/i.test(endpoint);
  const message = 'expected http:// where there is a tunnel: no certificate is for the end of a tunnel';
  return isTls ? [finding(['kinds', name, 'endpoint'], message)] : [];
}

/** Whether the name of a variable says that its plain value is a secret, or the value looks like one. */
function isSecret(name: string, value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const isNamedSo = SECRET_NAME.test(name) && !/_(FILE|PATH|ID)$/i.test(name);
  return isNamedSo || scrub(value) !== value;
}
