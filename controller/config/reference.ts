import { z } from 'zod';
import { Settings } from '../../infra/settings/schema.ts';
import { ERROR_CODES } from '../errors.ts';
import { TaskSpec } from '../task/task.ts';
import { LATER_FLEET_FIELDS, LATER_TASK_FIELDS, type LaterFields } from './later.ts';
import { FLEET_BYTES_MAX, PLAN_BYTES_MAX, PLAN_TASKS_MAX } from './limit.ts';
import { OVERRIDES } from './override.ts';
import { FleetFile } from './schema.ts';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** JSON Schema of the fleet file, for editors. */
export function fleetJsonSchema(): JsonSchema {
  return { title: 'Fleet file of Miyabi Fleet', ...z.toJSONSchema(FleetFile, { io: 'input' }) };
}

/** JSON Schema of a task file: a list of tasks, or `tasks:` with one. */
export function taskJsonSchema(): JsonSchema {
  const { $schema, ...task } = z.toJSONSchema(TaskSpec, { io: 'input' });
  const list: JsonSchema = { type: 'array', maxItems: PLAN_TASKS_MAX, items: { $ref: '#/$defs/task' } };
  return {
    ...($schema === undefined ? {} : { $schema }),
    title: 'Task file of Miyabi Fleet',
    anyOf: [
      { type: 'object', properties: { tasks: list }, required: ['tasks'], additionalProperties: false },
      { $ref: '#/$defs/list' },
    ],
    $defs: { task, list },
  };
}

interface Field {
  path: string;
  type: string;
  normal: string;
  means: string;
}

/** Every field below an object, in the order of the schema: `nodes[].name`, `kinds.NAME.tool`. */
function fieldsOf(schema: JsonSchema, path = ''): Field[] {
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    if (typeof property === 'boolean') return [];
    const inner = path === '' ? name : `${path}.${name}`;
    const isNeeded = schema.required?.includes(name) === true;
    return [fieldOf(inner, property, isNeeded), ...fieldsOf(property, inner)];
  });
  const others = [schema.items, schema.additionalProperties].flatMap((part) =>
    typeof part === 'object' && !Array.isArray(part) ? [part] : [],
  );
  const suffix = schema.type === 'array' ? '[]' : '.NAME';
  return [
    ...below,
    ...others.flatMap((part) => fieldsOf(part, path + suffix)),
    ...(schema.anyOf ?? schema.oneOf ?? []).flatMap((part) => (typeof part === 'boolean' ? [] : fieldsOf(part, path))),
  ];
}

function fieldOf(path: string, schema: JsonSchema, isNeeded: boolean): Field {
  const isSection = schema.type === 'object' && schema.properties !== undefined;
  return {
    path,
    type: typeText(schema),
    normal: isNeeded ? 'needed' : schema.default === undefined || isSection ? '' : code(JSON.stringify(schema.default)),
    means: schema.description ?? '',
  };
}

const TYPE_WORDS: Readonly<Record<string, string>> = { string: 'text', boolean: 'true or false', null: 'nothing' };

function typeText(schema: JsonSchema): string {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((part) => (typeof part === 'boolean' ? '' : typeText(part))).join(' or ');
  if (schema.const !== undefined) return code(String(schema.const));
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.type === 'array') return `list of ${itemText(schema.items)}`;
  if (schema.type === 'object') return 'map';
  if (schema.type === 'integer') return `whole number${rangeText(schema)}`;
  if (schema.type === 'number') return `number${rangeText(schema)}`;
  return TYPE_WORDS[String(schema.type)] ?? 'anything';
}

function itemText(items: JsonSchema['items']): string {
  if (typeof items !== 'object' || Array.isArray(items)) return 'anything';
  return items.type === 'object' ? 'maps' : typeText(items);
}

function rangeText({ minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  const most = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (exclusiveMinimum !== undefined)
    return ` above ${exclusiveMinimum}${most === undefined ? '' : `, at most ${most}`}`;
  if (minimum === undefined) return '';
  return most === undefined ? ` from ${minimum}` : ` ${minimum} to ${most}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function fieldTable(schema: JsonSchema): string {
  const fields = new Map<string, Field>();
  for (const field of fieldsOf(schema)) {
    const same = fields.get(field.path); // of another branch of a union
    fields.set(field.path, same === undefined ? field : { ...same, type: `${same.type} or ${field.type}` });
  }
  const rows = [...fields.values()].map(({ path, type, normal, means }) => [code(path), type, normal, means]);
  return table(['field', 'value', 'default', 'meaning'], rows);
}

function laterList(later: LaterFields): string {
  return Object.entries(later)
    .flatMap(([pattern, names]) => names.map((name) => code([pattern, name].filter((part) => part !== '').join('.'))))
    .join(', ');
}

const GENERATED = '<!-- Made by `npm run docs` from the schemas. Changes here are lost. -->';

function sizeText(bytes: number): string {
  return bytes >= 1_048_576 ? `${bytes / 1_048_576} MiB` : `${bytes / 1024} KiB`;
}

/** docs/configuration.md */
export function configurationMarkdown(): string {
  const variables = Object.values(OVERRIDES).map(({ flag, variable, path }) => [
    code(variable),
    code(flag),
    code(path.join('.')),
  ]);
  return `${GENERATED}

# Configuration

Flags win over \`FLEET_*\` variables, these over the fleet file, this over the defaults. An empty variable says nothing.
\`fleet config show --origin\` tells where each value came from.

## The fleet file

Looked for as \`--file\`, then \`FLEET_FILE\`, then \`fleet.yaml\` in the current folder. With none, this machine is the
fleet. It is one YAML 1.2 document in UTF-8 of at most ${sizeText(FLEET_BYTES_MAX)}, without tags and merge keys. Unknown fields are refused, and
every problem is told at once as \`file:line:column path: what was expected (what was given)\`. \`examples/fleet.yaml\` shows
every field; \`docs/fleet.schema.json\` is for editors.

${fieldTable(fleetJsonSchema())}

A duration is \`90s\`, \`30m\`, \`2h\`, \`1h30m\` or a number of seconds. Refused in this version:
${laterList(LATER_FLEET_FIELDS)}.

## Secrets

A secret never stands in the fleet file and is never a flag. A kind names the variable and where its value comes from:
\`OPENAI_API_KEY: {from: env}\`, or \`{from: file, path: ~/.keys/openai}\`; the file must be its owner's alone (mode 0600 or
stricter). Kinds of the tool \`codex\` take \`OPENAI_API_KEY\` and those of \`claude\` take \`ANTHROPIC_API_KEY\` from the
environment when it is there and the kind says nothing else.

## Variables and flags

${table(
  ['variable', 'flag', 'field'],
  [
    ['`FLEET_FILE`', '`--file`', 'the fleet file itself'],
    ['`FLEET_HOME`', '`--home`', 'the state folder'],
    ...variables,
  ],
)}

The state folder holds the ledger, the lock and the logs. It is \`.fleet/\` beside the fleet file; with no file,
\`$XDG_STATE_HOME/miyabi-fleet/NAME\` or \`~/.local/state/miyabi-fleet/NAME\`.

${taskChapter()}`;
}

function taskChapter(): string {
  return `## Task files

A task file is YAML or JSON: a list of tasks, or \`tasks:\` with one. Or it is Markdown: one task a file, the fields as front
matter between two lines \`---\`, the text below them the prompt, byte for byte from its first line that is not empty. A folder
means its \`*.md\`, \`*.yaml\`, \`*.yml\` and \`*.json\` in the order of their names, but no README. \`-\` means standard input: YAML,
JSON, or Markdown with front matter. A file has at most ${sizeText(PLAN_BYTES_MAX)}, a plan at most ${PLAN_TASKS_MAX} tasks.

A Markdown task without \`id\` is called after its file; another one after its title (its ASCII letters and digits), else
\`task-1\`, \`task-2\`, … by its place. \`needs\` may name tasks of the same plan and tasks handed in before; circles are refused
and printed.

${fieldTable(z.toJSONSchema(TaskSpec, { io: 'input' }))}

Refused in this version: ${laterList(LATER_TASK_FIELDS)}, and \`agents\` by strategy.
`;
}

/** docs/infrastructure.md */
export function infrastructureMarkdown(): string {
  return `${GENERATED}

# Machines as code

A stack is one file, \`Pulumi.NAME.yaml\`, and everything in it stands under one key, \`miyabi-fleet:settings\`. A phase is settings and
nothing else: the program asks for no stack by its name. Stacks add up: the fleet is whatever those that are up have made.
[runbook.md](runbook.md) says how to grow, shrink and mend; [cost.md](cost.md) what it costs.

## What a stack file may say

Strict: what it does not know it refuses. Every problem is told at once, with its place, its reason and what to do, before any resource is registered.

${fieldTable(z.toJSONSchema(Settings, { io: 'input' }))}

## What a stack makes

- **Adopted machines** are imported with nothing said of them, behind five guards that cover each other's holes: \`import\` stays in the
  program, \`protect\`, \`retainOnDelete\`, \`ignoreChanges: ["*"]\`, and a provider of their own without default tags. With \`mode: read\` they are
  not even in the state as something owned. No \`up\`, \`destroy\`, refresh or edit of settings reaches them; tests count the calls.
- **Nodes** come from one launch template for each group: pinned image, IMDSv2 with tokens and a hop limit of 1, encrypted gp3, stopped and not
  terminated when they switch themselves off, tags that say project, fleet, phase, role and owner. A change of image, size, disk or user data
  counts for nodes to come; those that are there stay as they are until somebody replaces them.
- **Access**: SSM always, by an instance role that may do that and read exactly the named parameters. SSH from the named ranges; with none there is
  no inbound rule at all. Ranges that let everybody in are refused.
- **Money**: with \`budget\`, a monthly budget and, with \`runningHoursMax\`, an alarm for each node that runs for longer.

Nothing that is a secret is ever in settings, user data, state or outputs: nodes read keys from SSM parameters, and the controller from its own
environment.

## What a stack says

\`pulumi stack output --json\` prints \`fleet\`, in which each node has its name, instance, region, private address, user, and what is known of its
size. \`fleet stack pull\` reads it; from then on \`stacks: [NAME]\` in the fleet file joins those nodes to the fleet.
`;
}

/** docs/errors.md */
export function errorsMarkdown(): string {
  const codes = Object.entries(ERROR_CODES);
  const rows = codes.map(([name, { exit, retryable, means }]) => [
    `[${code(name)}](#${name})`,
    String(exit),
    retryable ? 'yes' : 'no',
    means,
  ]);
  return `${GENERATED}

# Errors

An error is one sentence that says what happened, and a hint that says what to do; what stands in backticks there is to be
typed as it is. With \`--json\` it is \`{code, message, hint}\` on standard output. The exit code says the same to scripts: 1 a
task failed or was cancelled, or \`doctor\` found something; 2 wrong usage or configuration; 3 time limit or not reachable;
4 refused.

${table(['code', 'exit', 'worth trying again', 'what happened'], rows)}

${codes.map(([name, meaning]) => errorChapter(name, meaning)).join('\n')}`;
}

function errorChapter(
  name: string,
  { exit, retryable, means, why, act, example }: (typeof ERROR_CODES)[keyof typeof ERROR_CODES],
): string {
  return `## ${name}

${means}

- Why: ${why}
- What to do: ${act}
- Exit code ${exit}${retryable ? ', worth trying again' : ''}.

\`\`\`text
fleet: ${example.message}
  → ${example.hint}
\`\`\`
`;
}
