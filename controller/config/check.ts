import { z } from 'zod';
import type { LaterFields } from './later.ts';
import { nearest } from './nearest.ts';
import type { Flaw, Path, Position, Source } from './position.ts';
import { childOf, isMap } from './value.ts';

/** Something wrong with a value, before anybody says where it stood. */
export interface Finding {
  path: Path;
  /** Whether the key or the value is at fault. */
  at: 'key' | 'value';
  /** What was expected, and what was given. */
  message: string;
}

/** A finding in its place. */
export interface Problem {
  /** The file, or the flag or variable that was wrong. */
  where: string;
  /** Null for what has no lines. */
  position: Position | null;
  path: string;
  message: string;
}

const PROBLEMS_PRINTED_MAX = 100;

/** `file:line:column path: message`, a problem a line, in the order of their places; very many are cut and counted. */
export function printProblems(problems: readonly Problem[]): string {
  const wheres = [...new Set(problems.map(({ where }) => where))];
  const rank = new Map(wheres.map((where, index) => [where, index]));
  const sorted = [...problems].sort(
    (one, other) =>
      (rank.get(one.where) ?? 0) - (rank.get(other.where) ?? 0) ||
      (one.position?.line ?? 0) - (other.position?.line ?? 0) ||
      (one.position?.column ?? 0) - (other.position?.column ?? 0),
  );
  const lines = sorted.slice(0, PROBLEMS_PRINTED_MAX).map(printProblem);
  const left = problems.length - lines.length;
  return [...lines, ...(left > 0 ? [`and ${left} more`] : [])].join('\n');
}

function printProblem({ where, position, path, message }: Problem): string {
  const place = plain(placeText(where, position), 1000);
  return `${place}${path === '' ? '' : ` ${plain(path, 200)}`}: ${plain(message, 1000)}`;
}

/** Text of a stranger's file on one line, without what a terminal would obey. */
function plain(text: string, charactersMax: number): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax - 1)}…` : text;
  return cut.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\uFFFD');
}

/** `file:line:column`. */
export function placeText(where: string, position: Position | null): string {
  return position === null ? where : `${where}:${position.line}:${position.column}`;
}

export function placeFinding({ path, at, message }: Finding, source: Source): Problem {
  return { where: source.file, position: source.locate(path, at), path: pathText(path), message };
}

export function placeFlaw({ line, column, message }: Flaw, file: string): Problem {
  return { where: file, position: { line, column }, path: '', message };
}

/** `nodes[2].name`. */
export function pathText(path: Path): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}

export type Checked<T> = { is: 'good'; value: T } | { is: 'bad'; findings: readonly Finding[] };

/**
 * Parses a value by its schema and finds all that is wrong with it, in our words. `broken` are the rules between
 * fields that it breaks, found by whoever knows them.
 */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  later: LaterFields,
  broken: readonly Finding[] = [],
): Checked<z.output<S>> {
  const parsed = schema.safeParse(value, { error: describe });
  if (parsed.success) return broken.length === 0 ? { is: 'good', value: parsed.data } : { is: 'bad', findings: broken };
  const issues = parsed.error.issues.flatMap((issue) => flatten(issue));
  const wrong = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path],
  );
  return {
    is: 'bad',
    findings: [
      ...[...issues, ...issuesBehind(schema, value, wrong)].flatMap((issue) => findingsOf(issue, schema, value, later)),
      ...broken,
    ],
  };
}

type Issue = z.core.$ZodIssue;

/** Rules over a whole map are not looked at while a part of it is wrong: takes the wrong parts out and looks again. */
function issuesBehind(schema: z.ZodType, value: unknown, wrong: readonly PropertyKey[][]): Issue[] {
  const rest = structuredClone(value);
  for (const path of wrong) if (!remove(rest, path)) return [];
  const again = schema.safeParse(rest, { error: describe });
  if (again.success) return [];
  const isNew = (issue: Issue) => issue.code === 'custom' && !wrong.some((path) => isWithin(issue.path, path));
  return again.error.issues.filter(isNew);
}

/** Removes what stands at the path; of a list, all of it, so that no index moves. False when there is nothing left. */
function remove(root: unknown, path: readonly PropertyKey[]): boolean {
  const trail: unknown[] = [root];
  for (const step of path) trail.push(childOf(trail.at(-1), step));
  for (let depth = path.length - 1; depth >= 0; depth -= 1) {
    const around = trail[depth];
    const step = path[depth];
    if (isMap(around) && step !== undefined) return Reflect.deleteProperty(around, step);
  }
  return false;
}

function isWithin(path: readonly PropertyKey[], around: readonly PropertyKey[]): boolean {
  return around.every((step, index) => step === path[index]);
}

/** The issues of the branch of a union that was meant: the one that takes this sort of value. */
function flatten(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const meant = issue.errors.filter((branch) => !branch.some(isWrongSort));
  const only = meant[0];
  if (only === undefined || only.length === 0 || meant.length > 1) return [issue];
  return only.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }));
}

function isWrongSort(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function findingsOf(issue: Issue, schema: z.ZodType, value: unknown, later: LaterFields): Finding[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      at: 'key' as const,
      message: unknownKey(key, path, schema, later),
    }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, at: 'key', message: issue.issues[0]?.message ?? issue.message }];
  }
  return [{ path, at: 'value', message: `${issue.message}${givenText(path, value)}` }];
}

function givenText(path: Path, root: unknown): string {
  if (path.includes('env')) return ''; // may be a secret somebody put in the wrong place
  return ` (given: ${show(path.reduce<unknown>(childOf, root))})`;
}

function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…"`;
}

const SORTS: Readonly<Record<string, string>> = {
  object: 'a map (name: value)',
  record: 'a map (name: value)',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

/** What was expected, where a schema does not say it itself. */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${SORTS[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return `expected ${sizeText('least', Number(issue.minimum), issue.origin)}`;
    case 'too_big':
      return `expected ${sizeText('most', Number(issue.maximum), issue.origin)}`;
    case 'invalid_value':
      return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
    default:
      return undefined;
  }
}

function sizeText(bound: 'least' | 'most', size: number, origin: string): string {
  if (origin === 'string') return `at ${bound} ${size} characters`;
  if (origin === 'array' || origin === 'record' || origin === 'set') {
    return `at ${bound} ${size} ${size === 1 ? 'entry' : 'entries'}`;
  }
  return `at ${bound} ${size}`;
}

function unknownKey(key: string, path: Path, schema: z.ZodType, later: LaterFields): string {
  const isLater = Object.entries(later).some(([pattern, names]) => isAt(pattern, path) && names.includes(key));
  if (isLater) return 'not in this version';
  if (key === '<<') return 'unknown key (merge keys are not read; write the fields out)';
  const near = nearest(key, keysAt(schema, path));
  return near === undefined ? 'unknown key' : `unknown key; did you mean ${near}?`;
}

/** Whether a path such as `nodes.*` means this path. */
function isAt(pattern: string, path: Path): boolean {
  const steps = pattern === '' ? [] : pattern.split('.');
  return steps.length === path.length && steps.every((step, index) => step === '*' || step === String(path[index]));
}

/** Names of the fields that the schema knows at a path. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let found: z.core.$ZodType[] = [schema];
  for (const step of path) found = found.flatMap(unwrap).flatMap((inner) => childSchemas(inner, step));
  return found.flatMap(unwrap).flatMap((inner) => (inner instanceof z.ZodObject ? Object.keys(inner.shape) : []));
}

function childSchemas(schema: z.core.$ZodType, step: string | number): z.core.$ZodType[] {
  if (schema instanceof z.ZodArray) return [schema.element];
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  if (!(schema instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
  const field = shape[String(step)];
  return field === undefined ? [] : [field];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.unwrap());
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrap);
  return schema instanceof z.ZodPipe ? unwrap(schema.in) : [schema];
}
