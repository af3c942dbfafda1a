import { z } from 'zod';
import type { JsonSchema } from './reference.ts';
import { FleetFile } from './schema.ts';
import { isMap } from './value.ts';

const WIDTH = 100;

/** Values shown in the example; a field that is not here is shown as a comment with its default. */
const SHOWN = {
  name: 'miyabi',
  nodes: [{ name: 'here', local: true, labels: ['workstation'] }],
  agents: {
    count: 18,
    perVcpu: 4,
    kind: 'codex',
    categories: { coding: 35, business: 25, research: 20, support: { share: 20, strict: true } },
  },
  kinds: {
    codex: { tool: 'codex', sandbox: 'workspace-write', env: { OPENAI_API_KEY: { from: 'env' } } },
    lint: { tool: 'command', run: 'npm run lint' },
  },
  tasks: { timeout: '30m', retries: 2 },
};

/** Further entries, shown as comments: they name machines that nobody has. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  nodes: [
    '- { name: mugen, ssh: ubuntu@mugen.example, vcpu: 16, cwd: /srv/repo, labels: [adopted] }',
    '- name: majin',
    '  ssh: { host: majin, port: 2222, identity: ~/.ssh/fleet, jump: me@gate.example }',
    '  vcpu: 8',
  ],
};

/** examples/fleet.yaml: every field with its description, the shown ones set, the others as comments. */
export function annotatedExample(): string {
  const schema = z.toJSONSchema(FleetFile, { io: 'input' });
  return [
    '# yaml-language-server: $schema=../docs/fleet.schema.json',
    '# Every field of the fleet file. Made by `npm run docs`; docs/configuration.md says more.',
    ...fields(schema, SHOWN, 0, true),
    '',
  ].join('\n');
}

/** The fields of an object schema; descriptions only where `isTold`, so that a second entry of a list is short. */
function fields(
  schema: JsonSchema,
  shown: Readonly<Record<string, unknown>>,
  indent: number,
  isTold: boolean,
): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    if (typeof property === 'boolean') return [];
    const value = shown[name];
    if (!isTold && value === undefined) return [];
    const told = isTold ? comment(property.description ?? '', indent) : [];
    const gap = indent === 0 ? [''] : [];
    const line =
      value === undefined
        ? [pad(indent, `# ${name}:${defaultText(property)}`)]
        : field(name, property, value, indent, isTold);
    const also = indent === 0 ? (ALSO[name] ?? []) : [];
    return [...gap, ...told, ...line, ...also.map((text) => `  # ${text}`)];
  });
}

function field(name: string, schema: JsonSchema, value: unknown, indent: number, isTold: boolean): string[] {
  const item = schemaOf(schema.items);
  if (Array.isArray(value) && item?.properties) {
    return [
      pad(indent, `${name}:`),
      ...value.flatMap((one, index) => listItem(item, one, indent + 2, isTold && index === 0)),
    ];
  }
  if (!isMap(value)) return [pad(indent, `${name}: ${inline(value)}`)];
  if (schema.properties) return [pad(indent, `${name}:`), ...fields(schema, value, indent + 2, isTold)];
  const entry = schemaOf(schema.additionalProperties);
  const isLong = entry?.properties !== undefined;
  if (!isLong || entry === undefined) return [pad(indent, `${name}: ${inline(value)}`)];
  const entries = Object.entries(value).flatMap(([key, one], index) =>
    field(key, entry, one, indent + 2, isTold && index === 0),
  );
  return [pad(indent, `${name}:`), ...entries];
}

function listItem(schema: JsonSchema, value: unknown, indent: number, isTold: boolean): string[] {
  const lines = fields(schema, isMap(value) ? value : {}, indent + 2, isTold);
  return [pad(indent, '-'), ...lines];
}

function schemaOf(part: JsonSchema['items'] | JsonSchema['additionalProperties']): JsonSchema | undefined {
  return typeof part === 'object' && !Array.isArray(part) ? part : undefined;
}

function defaultText(schema: JsonSchema): string {
  return schema.default === undefined ? '' : ` ${inline(schema.default)}`;
}

/** A value on one line, as YAML. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (isMap(value)) {
    const entries = Object.entries(value).map(([key, one]) => `${key}: ${inline(one)}`);
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
  }
  const text = String(value);
  return typeof value === 'string' && !/^[A-Za-z][A-Za-z0-9-]*$/.test(text) && !/^\d+[smhd]$/.test(text)
    ? JSON.stringify(text)
    : text;
}

function pad(indent: number, text: string): string {
  return ' '.repeat(indent) + text;
}

/** A text as lines of comment, parted between words. */
export function comment(text: string, indent: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(pad(indent, `# ${word}`));
  }
  return lines;
}
