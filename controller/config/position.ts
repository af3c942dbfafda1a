import { isUtf8 } from 'node:buffer';
import { type Alias, Composer, type Document, isAlias, isMap, isScalar, isSeq, LineCounter, Parser } from 'yaml';

const DEPTH_MAX = 64;
/** Most values that aliases may add: a small file must not grow into a large one. */
const ALIAS_VALUES_MAX = 10_000;
const SYNTAX_PROBLEMS_MAX = 20;

export type Path = readonly (string | number)[];

/** A place in a text. Both begin with 1; a column counts UTF-16 units, as editors do. */
export interface Position {
  line: number;
  column: number;
}

/** Something wrong with a text before its meaning is looked at. */
export interface Flaw extends Position {
  message: string;
}

/** A YAML or JSON text as a plain value, which remembers where everything stood. */
export interface Source {
  file: string;
  value: unknown;
  /** Where the key or the value at the path stands; the nearest thing around it where there is none. */
  locate(path: Path, at: 'key' | 'value'): Position;
}

export type Reading<T> = { is: 'read'; value: T } | { is: 'flawed'; flaws: readonly Flaw[] };

/** Bytes as text: UTF-8 without its byte order mark, at most `bytesMax`, no NUL. */
export function decode(bytes: Uint8Array, bytesMax: number): Reading<string> {
  if (bytes.length > bytesMax) return flawed([{ line: 1, column: 1, message: `expected at most ${bytesMax} bytes` }]);
  if (!isUtf8(bytes)) return flawed([{ ...badBytes(bytes), message: 'expected UTF-8 text (other bytes were given)' }]);
  const text = new TextDecoder().decode(bytes);
  const nul = text.indexOf('\0');
  if (nul >= 0) return flawed([{ ...positionAt(text, nul), message: 'expected text without NUL bytes' }]);
  return { is: 'read', value: text };
}

function flawed(flaws: readonly Flaw[]): { is: 'flawed'; flaws: readonly Flaw[] } {
  return { is: 'flawed', flaws };
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

function badBytes(bytes: Uint8Array): Position {
  let start = 0;
  for (let line = 1; ; line += 1) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const part = bytes.subarray(start, end);
    if (!isUtf8(part)) return { line, column: new TextDecoder().decode(part).indexOf('\uFFFD') + 1 };
    if (newline < 0) return { line, column: 1 };
    start = end + 1;
  }
}

/** Reads one YAML 1.2 (or JSON) document: no tags, no merge keys, few aliases, bounded depth. An empty one is null. */
export function readYaml(file: string, text: string): Reading<Source> {
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const tokens = new Parser(lines.addNewLine).parse(text);
  const documents = [...new Composer({ merge: false, prettyErrors: false }).compose(tokens, true, text.length)];
  const syntax = documents.flatMap((document) => syntaxFlaws(document, position));
  const second = documents[1];
  if (second !== undefined) {
    syntax.push({ ...position(second.range[0]), message: 'expected one YAML document (another begins here)' });
  }
  if (syntax.length > 0) return flawed(syntax.slice(0, SYNTAX_PROBLEMS_MAX));
  const document = documents[0];
  if (document === undefined) throw new Error('the composer was asked for at least one document');
  const reader = new ValueReader(position);
  const value = reader.read(document.contents, 0);
  if (reader.flaws.length > 0) return flawed(reader.flaws);
  return {
    is: 'read',
    value: { file, value, locate: (path, at) => position(reader.offsetOf(document.contents, path, at)) },
  };
}

function syntaxFlaws(document: Document.Parsed, position: (offset: number) => Position): Flaw[] {
  const found = [...document.errors, ...document.warnings];
  const tooDeep = found.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  if (tooDeep) return [{ ...position(tooDeep.pos[0]), message: TOO_DEEP }];
  const flaws = found.map((error) => ({ ...position(error.pos[0]), message: wordsOf(error.code, error.message) }));
  const { yaml } = document.directives ?? {};
  if (yaml?.explicit && yaml.version !== '1.2') {
    flaws.unshift({ line: 1, column: 1, message: `expected YAML 1.2 (given: ${yaml.version})` });
  }
  return flaws;
}

const TOO_DEEP = `expected at most ${DEPTH_MAX} levels`;

function wordsOf(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'expected each key once (this one stands above already)';
  if (code === 'TAB_AS_INDENT') return 'expected spaces as indentation (a tab was given)';
  if (code === 'TAG_RESOLVE_FAILED') return `expected a plain value, without a tag (${message})`;
  return `expected valid YAML (${message})`;
}

const PLAIN_TAGS = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((tag) => `tag:yaml.org,2002:${tag}`),
);

/** Turns nodes into plain values, and paths into places; what has no plain value is a flaw. */
class ValueReader {
  readonly flaws: Flaw[] = [];
  readonly #position: (offset: number) => Position;
  /** Anchors passed so far; the yaml library would look through the whole document for each alias. */
  readonly #anchors = new Map<string, unknown>();
  readonly #targets = new Map<Alias, unknown>();
  #aliasValues = 0;
  #aliasDepth = 0;

  constructor(position: (offset: number) => Position) {
    this.#position = position;
  }

  read(node: unknown, depth: number): unknown {
    if (this.#aliasDepth > 0) this.#aliasValues += 1;
    if (depth > DEPTH_MAX) return this.#flaw(node, TOO_DEEP);
    if (this.#aliasValues > ALIAS_VALUES_MAX) return this.#flaw(node, 'expected few aliases (these grow too large)');
    if (isAlias(node)) return this.#readAlias(node, depth);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null;
    if (node.anchor !== undefined && this.#aliasDepth === 0) this.#anchors.set(node.anchor, node);
    if (node.tag !== undefined && !PLAIN_TAGS.has(node.tag)) {
      return this.#flaw(node, `expected a plain value, without a tag (given: ${node.tag})`);
    }
    if (isSeq(node)) return node.items.map((item) => this.read(item, depth + 1));
    if (isMap(node)) return this.#readMap(node.items, depth);
    return node.value;
  }

  #readAlias(alias: Alias, depth: number): unknown {
    const target = this.#targets.get(alias) ?? this.#anchors.get(alias.source);
    if (target === undefined) return this.#flaw(alias, `expected an anchor &${alias.source} above this alias`);
    this.#targets.set(alias, target);
    this.#aliasDepth += 1;
    const value = this.read(target, depth + 1);
    this.#aliasDepth -= 1;
    return value;
  }

  #readMap(items: readonly { key: unknown; value: unknown }[], depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (const { key, value } of items) {
      const name = keyText(key);
      if (name === undefined) this.#flaw(key, 'expected a name as key (a list or a map was given)');
      else if (name === '__proto__') this.#flaw(key, 'expected another key (__proto__ is not allowed)');
      else map[name] = this.read(value, depth + 1);
    }
    return map;
  }

  /** Where the thing at the path begins, or the nearest thing around it; what an alias means counts as standing there. */
  offsetOf(root: unknown, path: Path, at: 'key' | 'value'): number {
    let node = root;
    let found = startOf(node);
    for (const [index, step] of path.entries()) {
      const around = isAlias(node) ? this.#targets.get(node) : node;
      if (isMap(around)) {
        const pair = around.items.find(({ key }) => keyText(key) === String(step));
        if (pair === undefined) break;
        const asKey = (at === 'key' && index === path.length - 1) || !hasPlace(pair.value);
        found = startOf(asKey ? pair.key : pair.value);
        node = pair.value;
      } else if (isSeq(around)) {
        const item = around.items[Number(step)];
        if (item === undefined) break;
        found = startOf(item);
        node = item;
      } else break;
    }
    return found;
  }

  #flaw(node: unknown, message: string): null {
    if (this.flaws.length < SYNTAX_PROBLEMS_MAX) this.flaws.push({ ...this.#position(startOf(node)), message });
    return null;
  }
}

function keyText(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined;
  return key.value === null ? '' : String(key.value);
}

function startOf(node: unknown): number {
  const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : undefined;
  return range?.[0] ?? 0;
}

/** False for `key:` with nothing after it: YAML gives that a place on a later line. */
function hasPlace(node: unknown): boolean {
  return isAlias(node) || isMap(node) || isSeq(node) || (isScalar(node) && node.source !== '');
}
