import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/sources.ts';
import type { FleetAfar } from './afar.ts';

export interface Step {
  step: string;
  is: string;
  why: string;
}
export interface SetupResult {
  node: string;
  steps: readonly Step[];
  changed: number | null;
  failed: number | null;
  error: { code: string } | null;
}

/** What the machine has, as its own user finds it. */
export const VERSIONS = 'tmux -V; git --version; node --version; codex --version; claude --version';

/** By their names in bootstrap/versions.env. */
export const pinned = Object.fromEntries(
  [...readFileSync(join(ROOT, 'bootstrap/versions.env'), 'utf8').matchAll(/^(\w+)_VERSION=(\S+)$/gm)].map(
    ([, name = '', version = '']) => [name, version],
  ),
);

/** What `fleet setup` of a node says, step by step. */
export async function setUp(fleet: FleetAfar, node: string, ...words: readonly string[]): Promise<SetupResult> {
  const said = await fleet.fleet('setup', node, '--json', ...words);
  const { results } = JSON.parse(said.out) as { results: readonly SetupResult[] };
  return results[0] as SetupResult;
}

/** Steps that came to this. */
export const named = (steps: readonly Step[], is: string) =>
  steps.filter((step) => step.is === is).map(({ step }) => step);
