import { scrub } from '../secret.ts';
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
  return [...sameName, ...secondLocal];
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
  return [...strangers, ...variables];
}

/** Whether the name of a variable says that its plain value is a secret, or the value looks like one. */
function isSecret(name: string, value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const isNamedSo = SECRET_NAME.test(name) && !/_(FILE|PATH|ID)$/i.test(name);
  return isNamedSo || scrub(value) !== value;
}
