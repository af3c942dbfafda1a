import { posix } from 'node:path';
import ts from 'typescript';
import { importsOf, place, type Source, walk } from './sources.ts';

/** One row of the level table. A pattern is a path below controller/; `*` stands for one name, `**` for any depth. */
export interface Row {
  level: number;
  files: readonly string[];
}

export interface Edge {
  from: string;
  to: string;
  typeOnly: boolean;
}

/** Level of a controller file by the table; undefined when no row matches it. */
export function levelOf(path: string, table: readonly Row[]): number | undefined {
  const below = path.replace(/^controller\//, '');
  return table.find((row) => row.files.some((pattern) => posix.matchesGlob(below, pattern)))?.level;
}

/** `controller/task/retry.ts` → `task`; files directly in controller/ share the room ``. */
function roomOf(path: string): string {
  const parts = path.split('/');
  return parts.length > 2 ? (parts[1] ?? '') : '';
}

/** Imports between controller files. */
export function edgesOf(sources: readonly Source[]): readonly Edge[] {
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ target, typeOnly }) =>
      target?.startsWith('controller/') ? [{ from: source.path, to: target, typeOnly }] : [],
    ),
  );
}

/** Sentences about edges that the table forbids. `composer` may import values across the rooms of its own level. */
export function judgeEdges(edges: readonly Edge[], table: readonly Row[], composer: string): readonly string[] {
  return edges.flatMap((edge) => {
    const from = levelOf(edge.from, table);
    const to = levelOf(edge.to, table);
    if (from === undefined || to === undefined) return []; // said by the test of unplaced files
    const words = `${edge.from} (level ${from}) imports ${edge.to} (level ${to})`;
    if (to > from) return [`${words}: only lower levels may be imported; move what is shared down`];
    const across = to === from && roomOf(edge.from) !== roomOf(edge.to);
    if (across && !edge.typeOnly && edge.from !== composer) {
      return [`${words}: across rooms of one level only types may be imported (import type)`];
    }
    return [];
  });
}

/** Sentences about imports of a part (`fleet/plan/agents.ts`) that go past its front door (`fleet/plan.ts`). */
export function judgeDoors(edges: readonly Edge[], paths: readonly string[]): readonly string[] {
  const doors = new Set(paths);
  return edges.flatMap(({ from, to }) => {
    const folder = posix.dirname(to);
    const door = `${folder}.ts`;
    const inside = from === door || posix.dirname(from) === folder || from.startsWith(`${folder}/`);
    return doors.has(door) && !inside ? [`${from} imports ${to} past its front door ${door}`] : [];
  });
}

/** Each cycle once, as `a → b → a`. */
export function findCycles(edges: readonly Edge[]): readonly string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(file);
    if (seenAt >= 0) cycles.push([...trail.slice(seenAt), file].join(' → '));
    if (seenAt >= 0 || done.has(file)) return;
    for (const target of next.get(file) ?? []) visit(target, [...trail, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return cycles;
}

/** Uses of globals in a source, as `Date.now`, `process.env`, `new Date()`, `fetch`, with their places. */
export function worldUses(source: Source): readonly { use: string; at: string }[] {
  const uses: { use: string; at: string }[] = [];
  walk(source.tree, (node) => {
    const use = worldUse(node);
    if (use !== undefined) uses.push({ use, at: place(source, node) });
  });
  return uses;
}

const GLOBAL_OBJECTS = ['Date', 'Math', 'performance', 'process', 'console', 'crypto'];
const GLOBAL_CALLS = ['fetch', 'setTimeout', 'setInterval', 'setImmediate'];

function worldUse(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) {
    const object = bareName(node.expression);
    return object !== undefined && GLOBAL_OBJECTS.includes(object) ? `${object}.${node.name.text}` : undefined;
  }
  if (ts.isElementAccessExpression(node) && bareName(node.expression) === 'process') return 'process[…]';
  if (ts.isNewExpression(node) && bareName(node.expression) === 'Date') {
    return (node.arguments?.length ?? 0) === 0 ? 'new Date()' : undefined;
  }
  if (!ts.isCallExpression(node)) return undefined;
  const called = bareName(node.expression);
  if (called === 'Date') return 'Date()';
  return called !== undefined && GLOBAL_CALLS.includes(called) ? called : undefined;
}

/** `x` of `x` and of `globalThis.x`. */
function bareName(node: ts.Expression): string | undefined {
  if (ts.isIdentifier(node)) return node.text;
  if (!ts.isPropertyAccessExpression(node) || !ts.isIdentifier(node.expression)) return undefined;
  return node.expression.text === 'globalThis' ? node.name.text : undefined;
}

/** Places of statements that do something when the module is merely imported. */
export function importEffects(source: Source): readonly string[] {
  return source.tree.statements.filter(doesSomething).map((statement) => place(source, statement));
}

function doesSomething(statement: ts.Statement): boolean {
  if (ts.isVariableStatement(statement)) return awaits(statement);
  const declares =
    ts.isImportDeclaration(statement) ||
    ts.isExportDeclaration(statement) ||
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement) ||
    ts.isModuleDeclaration(statement);
  return !declares;
}

/** Whether something is awaited in it, functions inside aside. */
function awaits(node: ts.Node): boolean {
  if (ts.isFunctionLike(node)) return false;
  return ts.isAwaitExpression(node) || (ts.forEachChild(node, awaits) ?? false);
}
