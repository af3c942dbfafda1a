import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stackFile } from '../../controller/config/inventory.ts';
import { loadFleet } from '../../controller/config/load.ts';
import { refusal, scratch } from './scratch.ts';

const HOME = { HOME: '/home/me' };

const aNode = (over: object = {}) => ({
  ...{ name: 'phase2-1', instanceId: 'i-0123456789abcdef0', region: 'us-east-1', privateIp: '10.0.0.7', user: 'fleet' },
  ...{ vcpu: null, memoryGiB: null, maxAgents: null, instanceType: 'c6i.4xlarge', market: 'on-demand' },
  ...{ isAdopted: false, labels: ['agents'] },
  ...over,
});
const outputs = (nodes: readonly object[], over: object = {}) =>
  JSON.stringify({ fleet: { version: 1, name: 'miyabi', phase: 'phase2', nodes, ...over } });

async function aPlace(fleet: string, stacks: Readonly<Record<string, string>>): Promise<string> {
  const cwd = await scratch({ 'fleet.yaml': fleet });
  await mkdir(join(cwd, '.fleet/stacks'), { recursive: true });
  for (const [name, text] of Object.entries(stacks)) await writeFile(stackFile(join(cwd, '.fleet'), name), text);
  return cwd;
}

const load = (cwd: string) => loadFleet({ env: HOME, cwd });

describe('the machines of stacks', () => {
  test('join those of the fleet file, and are reached by their private addresses', async () => {
    const cwd = await aPlace('nodes: [{ name: desk, local: true }]\nstacks: [phase2]\n', {
      phase2: outputs([aNode(), aNode({ name: 'phase2-2', privateIp: '10.0.0.8', maxAgents: 40 })]),
    });
    const { nodes, stacks } = await load(cwd);
    expect(stacks).toEqual(['phase2']);
    expect(nodes.map(({ name }) => name)).toEqual(['desk', 'phase2-1', 'phase2-2']);
    expect(nodes[1]).toMatchObject({
      via: { kind: 'ssh', host: '10.0.0.7', user: 'fleet' },
      labels: ['agents', 'phase2'],
    });
    expect(nodes[2]).toMatchObject({ maxAgents: 40, vcpu: null });
  });

  test('are the fleet where it names no other, and may be hosts of the ssh configuration', async () => {
    const stacks = 'stacks: [{ name: phase2, ssh: { host: "{instanceId}", user: me, config: ./ssh.conf } }]\n';
    const cwd = await aPlace(stacks, { phase2: outputs([aNode()]) });
    const { nodes } = await load(cwd);
    expect(nodes.map(({ via }) => via)).toMatchObject([
      { kind: 'ssh', host: 'i-0123456789abcdef0', user: 'me', config: join(cwd, 'ssh.conf') },
    ]);
  });

  test('are read from a file beside the fleet file, too', async () => {
    const cwd = await aPlace('stacks: [./phase2.json]\n', {});
    await writeFile(join(cwd, 'phase2.json'), outputs([aNode()]));
    const { nodes, stacks } = await load(cwd);
    expect(nodes.map(({ name }) => name)).toEqual(['phase2-1']);
    expect(stacks).toEqual([]);
  });

  test('are asked for where nobody has fetched them, all stacks at once', async () => {
    const cwd = await aPlace('stacks: [phase1, phase2]\n', {});
    const { code, lines } = await refusal(load(cwd));
    expect(code).toBe('config-invalid');
    expect(lines).toEqual([
      `${stackFile(join(cwd, '.fleet'), 'phase1')}: expected the outputs of stack phase1 (not here yet: \`fleet stack pull --stack phase1\`)`,
      `${stackFile(join(cwd, '.fleet'), 'phase2')}: expected the outputs of stack phase2 (not here yet: \`fleet stack pull --stack phase2\`)`,
    ]);
  });

  test.each([
    ['no JSON', 'oh', 'expected JSON, as `pulumi stack output --json` prints it'],
    ['another project', '{"url": "x"}', 'expected `fleet` in it: is the stack up, and one of this project?'],
    ['a later version', outputs([], { version: 2 }), 'expected outputs of version 1 (given: 2)'],
    ['a node without a name', outputs([{ ...aNode(), name: undefined }]), 'fleet.nodes[0].name: '],
    ['a field nobody knows', outputs([{ ...aNode(), password: 'x' }]), 'fleet.nodes[0]: '],
  ])('are refused where their outputs are %s', async (_, text, message) => {
    const cwd = await aPlace('stacks: [phase2]\n', { phase2: text });
    const { lines } = await refusal(load(cwd));
    expect(lines).toEqual([expect.stringContaining(message)]);
    expect(lines[0]).toContain('(read it again: `fleet stack pull --stack phase2`)');
  });

  test('are refused where one has the name of another, with the place of it', async () => {
    const cwd = await aPlace('nodes: [{ name: phase2-1, ssh: desk }]\nstacks: [phase2]\n', {
      phase2: outputs([aNode()]),
    });
    const { lines } = await refusal(load(cwd));
    expect(lines).toEqual([
      `${stackFile(join(cwd, '.fleet'), 'phase2')} fleet.nodes[0].name: expected another name: nodes[0] is phase2-1 already`,
    ]);
  });

  test('may be none yet, and then there is no fleet', async () => {
    const cwd = await aPlace('stacks: [phase2]\n', { phase2: outputs([]) });
    const { lines } = await refusal(load(cwd));
    expect(lines).toEqual(['stacks nodes: expected at least one node (given: a list)']);
  });
});
