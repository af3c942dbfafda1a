import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { entriesFor, fingerprint, parseKnownHosts } from '../../controller/transport/known-hosts.ts';
import { encode, hashed, keyOf } from './keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'known-hosts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const hasKeygen = spawnSync('ssh-keygen', ['-V']).error === undefined;

describe.skipIf(!hasKeygen)('entries of a host (needs ssh-keygen)', () => {
  it('are the ones that ssh-keygen finds', () => {
    const label = fc.constantFrom('a', 'b', 'Node');
    const name = fc.oneof(
      label,
      fc.tuple(label, label).map((parts) => parts.join('.')),
      fc.constantFrom('10.0.0.1', '::1', '*.b', 'a?', '*', 'web[1]', '?.b', '?'),
    );
    const ported = fc
      .tuple(name, fc.constantFrom(22, 2222))
      .map(([host, port]) => (port === 22 ? host : `[${host}]:${port}`));
    const pattern = fc.tuple(fc.boolean(), ported).map(([isNot, text]) => (isNot ? `!${text}` : text));
    const hosts = fc.oneof(
      { weight: 3, arbitrary: fc.array(pattern, { minLength: 1, maxLength: 3 }).map((list) => list.join(',')) },
      { weight: 1, arbitrary: fc.constantFrom('!a,*', '*,!?', '!*.b,a*', '*,!a.b', '![a]:2222,*', '!b') },
      { weight: 1, arbitrary: ported.map((text) => hashed(text.toLowerCase())) },
    );
    const line = fc.oneof(
      { weight: 6, arbitrary: hosts.map((text) => `${text} ${encode(1)}`) },
      { weight: 1, arbitrary: fc.constantFrom('# a comment', '', 'broken') },
    );
    const asked = fc.tuple(fc.oneof(label, fc.constantFrom('a.b', '10.0.0.1', 'web[1]')), fc.constantFrom(22, 2222));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), asked, (lines, [host, port]) => {
        const path = join(folder, 'file');
        writeFileSync(path, `${lines.join('\n')}\n`);
        const wanted = port === 22 ? host : `[${host}]:${port}`;
        const ours = entriesFor(parseKnownHosts([{ path, text: lines.join('\n') }]), host, port);
        const { stdout } = spawnSync('ssh-keygen', ['-F', wanted.toLowerCase(), '-f', path], { encoding: 'utf8' });
        const theirs = [...stdout.matchAll(/found: line (\d+)/g)].map((match) => `${path}:${match[1]}`);
        expect(ours.map(({ at }) => at)).toEqual(theirs);
      }),
      { numRuns: 300 },
    );
  });

  it('have the fingerprints that ssh-keygen shows', () => {
    const path = join(folder, 'key.pub');
    writeFileSync(path, `${encode(9)}\n`);
    expect(execFileSync('ssh-keygen', ['-lf', path], { encoding: 'utf8' })).toContain(fingerprint(keyOf(9)));
  });
});
