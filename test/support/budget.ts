import ts from 'typescript';
import { place, type Source, walk } from './sources.ts';

/** How long something is, and where. */
export interface Length {
  at: string;
  name: string;
  lines: number;
}

export function countLines(text: string): number {
  return text === '' ? 0 : text.replace(/\n$/, '').split('\n').length;
}

/** Every function, method, accessor and arrow function with a body of its own, nested ones included. */
export function functionLengths(source: Source): readonly Length[] {
  const lengths: Length[] = [];
  walk(source.tree, (node) => {
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return;
    const lines = countLines(node.getText(source.tree));
    lengths.push({ at: place(source, node), name: functionName(node), lines });
  });
  return lengths;
}

/** Shell functions that begin with `name() {` or `name() (` and end with a line that begins with the closing bracket. */
export function shellFunctionLengths(path: string, text: string): readonly Length[] {
  const lengths: Length[] = [];
  let open: { name: string; line: number } | undefined;
  text.split('\n').forEach((line, index) => {
    const name = /^(?:function\s+)?([\w:-]+)\s*\(\)\s*[{(]/.exec(line)?.[1];
    if (name !== undefined) open = { name, line: index };
    const closes = name === undefined ? /^[})]/ : /[^(][})]\s*$/; // all on one line, or later
    if (open === undefined || !closes.test(line)) return;
    lengths.push({ at: `${path}:${open.line + 1}`, name: open.name, lines: index - open.line + 1 });
    open = undefined;
  });
  return lengths;
}

/** `files 12, median 80, p90 200, longest 250`; of nothing, `files 0`. */
export function describeLengths(what: string, lengths: readonly number[]): string {
  const sorted = [...lengths].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (sorted.length === 0) return `${what} 0`;
  return `${what} ${sorted.length}, median ${at(0.5)}, p90 ${at(0.9)}, longest ${sorted.at(-1)}`;
}

/** Words of TypeScript that this house does without, with their places. */
export function bannedSyntax(source: Source): readonly string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    const what = bannedWord(node);
    if (what !== undefined) found.push(`${place(source, node)} ${what}`);
  });
  const directive = /@ts-(ignore|nocheck|expect-error)|\b(biome|oxlint|eslint)-(ignore|disable)/.exec(source.tree.text);
  if (directive !== null) found.push(`${source.path} silences a check: ${directive[0]}`);
  return found;
}

function bannedWord(node: ts.Node): string | undefined {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return 'any: use unknown and parse';
  if (ts.isNonNullExpression(node)) return '! (non-null): handle the absence';
  if (ts.isEnumDeclaration(node)) return 'enum: use a union of literals';
  if (ts.isModuleDeclaration(node) && ts.isIdentifier(node.name)) return 'namespace: a file is a module';
  if (ts.isDecorator(node)) return 'decorator: call a function';
  if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent)) {
    return 'parameter property: declare the field';
  }
  return undefined;
}

function functionName(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  const parent = node.parent;
  return ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) ? parent.name.getText() : '(unnamed)';
}
