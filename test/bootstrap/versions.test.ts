import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PINNED_TOOLS } from '../../controller/rehearsal/machine.ts';
import { ROOT } from '../support/sources.ts';

const text = readFileSync(join(ROOT, 'bootstrap/versions.env'), 'utf8');
const values = Object.fromEntries(
  [...text.matchAll(/^(\w+)=(?:'([^']*)'|(\S*))$/gm)].map(([, name = '', quoted, plain]) => [
    name,
    quoted ?? plain ?? '',
  ]),
);

describe('the versions that nodes get', () => {
  it('are those that rehearsals and the controller itself run', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect([values.NODE_VERSION, values.CODEX_VERSION, values.CLAUDE_VERSION]).toEqual([
      dependencies.node,
      PINNED_TOOLS.codex.version,
      PINNED_TOOLS.claude.version,
    ]);
  });

  it.each(['NODE', 'CODEX', 'CLAUDE'])(
    'of %s are packages named with that version and their whole digest, for both architectures',
    (name) => {
      for (const architecture of ['LINUX_X64', 'LINUX_ARM64']) {
        const [path = '', integrity = ''] = (values[`${name}_${architecture}`] ?? '').split(' ');
        expect(path).toContain(`-${values[`${name}_VERSION`]}`);
        expect(integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
      }
    },
  );
});
