import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';

export const ROOT = join(import.meta.dirname, '../..');

/** A TypeScript source, parsed. `path` is relative to the repository, with forward slashes. */
export interface Source {
  path: string;
  tree: ts.SourceFile;
}

/** One import or re-export of a source. */
export interface Import {
  /** As written: `./plan.ts`, `zod`, `node:fs`. */
  specifier: string;
  /** Path in the repository for relative specifiers, else undefined. */
  target: string | undefined;
  /** Erased before running. */
  typeOnly: boolean;
  /** Names taken, as exported there; `*` for everything or a dynamic import. */
  names: readonly string[];
}

/** Every file under a folder of the repository, by path; none where the folder is not there. */
export function listFiles(folder: string): readonly string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(entry.parentPath.slice(ROOT.length + 1), entry.name))
    .filter((path) => !path.includes('node_modules/'))
    .sort();
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function parse(path: string, text = readText(path)): Source {
  return { path, tree: ts.createSourceFile(path, text, ts.ScriptTarget.ES2024, true) };
}

/** Every TypeScript source under a folder, parsed. */
export function parseFolder(folder: string): readonly Source[] {
  return listFiles(folder)
    .filter((path) => path.endsWith('.ts'))
    .map((path) => parse(path));
}

/** Calls `visit` for every node of the tree, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** `controller/a.ts:12` */
export function place(source: Source, node: ts.Node): string {
  return `${source.path}:${source.tree.getLineAndCharacterOfPosition(node.getStart(source.tree)).line + 1}`;
}

/** Imports, re-exports, `import()` calls and `import('…')` types. */
export function importsOf(source: Source): readonly Import[] {
  const found: Import[] = [];
  const add = (literal: ts.Node | undefined, typeOnly: boolean, names: readonly string[]): void => {
    if (literal === undefined || !ts.isStringLiteralLike(literal)) return;
    const relative = literal.text.startsWith('.');
    const target = relative ? posix.join(posix.dirname(source.path), literal.text) : undefined;
    found.push({ specifier: literal.text, target, typeOnly, names });
  };
  walk(source.tree, (node) => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, isTypeImport(node.importClause), namesOf(node.importClause));
    } else if (ts.isExportDeclaration(node)) {
      const named = node.exportClause && ts.isNamedExports(node.exportClause) ? node.exportClause.elements : undefined;
      const typeOnly = node.isTypeOnly || named?.every((element) => element.isTypeOnly) === true;
      add(node.moduleSpecifier, typeOnly, named?.map(exportedName) ?? ['*']);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false, ['*']);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true, ['*']);
    }
  });
  return found;
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const bindings = clause.namedBindings;
  if (clause.name !== undefined || bindings === undefined || !ts.isNamedImports(bindings)) return false;
  return bindings.elements.length > 0 && bindings.elements.every((element) => element.isTypeOnly);
}

/** Names that exist when running; `*` for a whole module, also one imported for its effects alone. */
function namesOf(clause: ts.ImportClause | undefined): readonly string[] {
  const bindings = clause?.namedBindings;
  if (clause === undefined || clause.name !== undefined || (bindings && ts.isNamespaceImport(bindings))) return ['*'];
  const elements = bindings && ts.isNamedImports(bindings) ? [...bindings.elements] : [];
  return elements.filter((element) => !element.isTypeOnly).map(exportedName);
}

function exportedName(element: ts.ImportSpecifier | ts.ExportSpecifier): string {
  return (element.propertyName ?? element.name).text;
}
