import { describe } from 'vitest';
import { rigLack } from '../rig/lack.ts';
import { type Capability, findProgram, isCapability } from './machine.ts';

/**
 * Whether a program may be used here. `npm test` looks once and tells in FLEET_TEST_HAVE; where a test file is run
 * directly, the environment and PATH answer.
 */
export function have(name: Capability): boolean {
  const told = process.env.FLEET_TEST_HAVE;
  if (told === undefined && name === 'rig') return rigLack() === undefined;
  return told === undefined ? locate(name) !== undefined : told.split(',').filter(isCapability).includes(name);
}

/** Absolute path of a program. Throws where `have(name)` is false. */
export function program(name: Capability): string {
  const path = have(name) ? locate(name) : undefined;
  if (path === undefined) throw new Error(`${name} is not on this machine; ask have('${name}') first`);
  return path;
}

/**
 * A `describe` that needs programs. Where one is missing its tests are skipped, and the title says so: a skipped
 * test's title ends with the reason in brackets, `(needs tmux)`.
 */
export function describeWith(needs: readonly Capability[], title: string, body: () => void): void {
  const missing = needs.filter((name) => !have(name));
  if (missing.length === 0) describe(title, body);
  else describe.skip(`${title} (needs ${missing.join(', ')})`, body);
}

function locate(name: Capability): string | undefined {
  const told = process.env[`FLEET_TEST_${name.toUpperCase()}`];
  return told === undefined || told === '' ? findProgram(name) : told;
}
