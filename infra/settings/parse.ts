import type { z } from 'zod';
import { checkTogether, type Problem } from './check.ts';
import { Settings } from './schema.ts';

export type Parsed = { settings: Settings; problems?: never } | { settings?: never; problems: readonly Problem[] };

/** Every problem at once, each with its place, its reason and what to do. */
export function parseSettings(raw: unknown): Parsed {
  const parsed = Settings.safeParse(raw);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(problemsOf) };
  const problems = checkTogether(parsed.data);
  return problems.length === 0 ? { settings: parsed.data } : { problems };
}

/** Keys that people look for in a group, and why they are not there. */
const MISTAKEN_KEYS: Readonly<Record<string, string>> = {
  instanceId: 'a group makes its own machines; one that is there already belongs under `adopted`',
  instanceIds: 'a group makes its own machines; those that are there already belong under `adopted`',
  ami: 'images are pinned for the whole stack; say `amis: {REGION: ami-…}` at the top',
  schedule: 'not in this version',
};

function problemsOf(issue: z.core.$ZodIssue): readonly Problem[] {
  const path = pathOf(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ path: path || 'settings', message: issue.message }];
  return issue.keys.map((key) => ({
    path: path === '' ? key : `${path}.${key}`,
    message: MISTAKEN_KEYS[key] ?? 'no such setting; docs/infrastructure.md lists them',
  }));
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`))
    .join('');
}
