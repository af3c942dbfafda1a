import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostFlaw } from '../../controller/config/address.ts';
import { type Draft, type DraftNode, draftText } from '../../controller/config/draft.ts';
import { loadFleet } from '../../controller/config/load.ts';
import { scratch } from './scratch.ts';

const node = (host: string, different: Partial<DraftNode> = {}): DraftNode => ({
  host,
  config: null,
  vcpu: null,
  memoryGiB: null,
  notes: [],
  ...different,
});
const draft = (different: Partial<Draft> = {}): Draft => ({
  name: 'miyabi',
  schema: './docs/fleet.schema.json',
  source: '~/.ssh/config',
  nodes: [],
  others: [],
  kind: 'codex',
  ...different,
});

async function load(text: string) {
  const cwd = await scratch({ 'fleet.yaml': text });
  return loadFleet({ env: { HOME: '/home/me' }, cwd });
}

describe('a fleet file that is written from hosts', () => {
  test('is read as those nodes, with what is known of them, and is short', async () => {
    const mugen = node('mugen', { vcpu: 16, memoryGiB: 62.7, notes: ['tmux: missing. Install it.'] });
    const old = node('old', { notes: ['old did not answer.'] });
    const text = draftText(draft({ nodes: [mugen, node('ubuntu@10.0.0.7:2222')], others: [old] }));
    expect(text.split('\n').length).toBeLessThan(40);
    expect(text).toContain(
      '  - { name: mugen, ssh: mugen, vcpu: 16, memoryGiB: 62.7 }\n    # tmux: missing. Install it.\n',
    );
    expect(text).toContain('  # old did not answer.\n  # - { name: old, ssh: old }\n');
    const { name, nodes, agents } = await load(text);
    expect({ name, count: agents.count, kind: agents.kind }).toEqual({ name: 'miyabi', count: 'auto', kind: 'codex' });
    expect(nodes).toMatchObject([
      { name: 'mugen', vcpu: 16, memoryGiB: 62.7, via: { host: 'mugen', config: null } },
      { name: '10.0.0.7', vcpu: null, via: { host: '10.0.0.7', port: 2222, user: 'ubuntu' } },
    ]);
  });

  test('takes a host in when its # is taken away', async () => {
    const text = draftText(draft({ nodes: [node('a')], others: [node('b', { notes: ['why'] })] }));
    const { nodes } = await load(
      text.replace('  # - { name: b', '  - { name: b').replace('  # - { name: here', '  - { name: here'),
    );
    expect(nodes.map(({ name }) => name)).toEqual(['a', 'here', 'b']);
  });

  test('has this machine as its node where no host can be used', async () => {
    const { nodes } = await load(draftText(draft({ others: [node('b')] })));
    expect(nodes).toMatchObject([{ name: 'here', via: { kind: 'local' } }]);
  });

  test('is read without an error and means the same hosts, whatever they are called and whatever was said of them', async () => {
    const cwd = await scratch();
    const host = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', '1', '.', '-', '_', ':', 'é', '語', 'e', 'x') }),
      fc.constantFrom(
        'null',
        'true',
        '123',
        '1e3',
        '0x1f',
        'fe80::1',
        '::1',
        'no',
        '~',
        '1.5',
        '2024-01-01',
        '-x',
        '0o7',
      ),
    );
    const hosts = fc.uniqueArray(
      host.filter((name) => hostFlaw(name) === undefined),
      { maxLength: 6 },
    );
    const notes = fc.array(
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a\nnodes: []', '\u2028x: y', '\r- z', '#')),
      { maxLength: 4 },
    );
    const config = fc.constantFrom(null, '/home/a b/config: #x', '/c');
    await fc.assert(
      fc.asyncProperty(hosts, hosts, notes, config, async (some, more, said, file) => {
        const nodes = some.map((name) => node(name, { notes: said, config: file, vcpu: 3, memoryGiB: 0.1 }));
        const text = draftText(draft({ nodes, others: more.map((name) => node(name, { notes: said, config: file })) }));
        await writeFile(join(cwd, 'fleet.yaml'), text);
        const fleet = await loadFleet({ env: { HOME: '/home/me' }, cwd });
        const hostsRead = fleet.nodes.map(({ via }) => (via.kind === 'ssh' ? [via.host, via.config] : via.kind));
        expect(hostsRead).toEqual(some.length === 0 ? ['local'] : some.map((name) => [name, file]));
      }),
      { numRuns: 60 },
    );
  });
});
