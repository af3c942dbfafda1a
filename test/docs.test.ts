import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LATER_FLEET_FIELDS, LATER_TASK_FIELDS } from '../controller/config/later.ts';
import { loadFleet } from '../controller/config/load.ts';
import type { JsonSchema } from '../controller/config/reference.ts';
import { fleetJsonSchema, taskJsonSchema } from '../controller/config/reference.ts';
import { ERROR_CODES } from '../controller/errors.ts';
import { generatedFiles } from '../docs/generate.ts';

const ROOT = join(import.meta.dirname, '..');
const generated = generatedFiles();

describe('the generated documents', () => {
  test.for(Object.keys(generated))('%s is current (else: npm run docs)', async (path) => {
    expect(await readFile(join(ROOT, path), 'utf8')).toBe(generated[path]);
  });

  test('every field of the fleet file and of a task is described', () => {
    expect(undescribed(fleetJsonSchema())).toEqual([]);
    expect(undescribed(taskJsonSchema())).toEqual([]);
  });

  test('every error code and every field that is not in this version is named', () => {
    for (const code of Object.keys(ERROR_CODES)) expect(generated['docs/errors.md']).toContain(`\`${code}\``);
    const later = [LATER_FLEET_FIELDS, LATER_TASK_FIELDS].flatMap((table) => Object.values(table).flat());
    for (const name of later) expect(generated['docs/configuration.md']).toMatch(new RegExp(`[\`.]${name}\``));
  });

  test('no field is both known and not in this version', () => {
    const known = Object.keys(fleetJsonSchema().properties ?? {});
    expect(known.filter((name) => LATER_FLEET_FIELDS['']?.includes(name))).toEqual([]);
  });

  test('the example is a fleet file that is accepted', async () => {
    const fleet = await loadFleet({ file: 'examples/fleet.yaml', env: { HOME: '/home/me' }, cwd: ROOT });
    expect(fleet).toMatchObject({ name: 'miyabi', agents: { count: 18, perVcpu: 4 } });
    expect(fleet.kinds.map(({ name }) => name)).toContain('lint');
  });

  test('the example shows every field', () => {
    const names = (schema: JsonSchema): string[] =>
      Object.entries(schema.properties ?? {}).flatMap(([name, part]) => [
        name,
        ...(typeof part === 'object' && part.properties ? names(part) : []),
      ]);
    for (const name of names(fleetJsonSchema())) {
      expect(generated['examples/fleet.yaml']).toMatch(new RegExp(`^\\s*(# )?${name}:`, 'm'));
    }
  });
});

/** Paths of properties without a description. The file as a whole and parts behind a reference have none. */
function undescribed(schema: JsonSchema, path = ''): string[] {
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, part]) => {
    if (typeof part === 'boolean') return [];
    const own = part.description === undefined && name !== 'tasks' ? [`${path}.${name}`] : [];
    return [...own, ...undescribed(part, `${path}.${name}`)];
  });
  const parts = [
    schema.items,
    schema.additionalProperties,
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    ...Object.values(schema.$defs ?? {}),
  ];
  return [
    ...below,
    ...parts.flatMap((part) =>
      typeof part === 'object' && !Array.isArray(part) ? undescribed(part, `${path}.*`) : [],
    ),
  ];
}
