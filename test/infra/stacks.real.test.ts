import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Outputs } from '../../infra/outputs.ts';
import { RULES } from '../../infra/policy/rules.ts';
import { Cloud } from '../engine/cloud.ts';
import { Project } from '../engine/stack.ts';
import { describeWith } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import { aGroup, someSettings } from './builders.ts';

const PACK = ['--policy-pack', join(ROOT, 'infra/policy/run.ts')];

interface Preview {
  changeSummary: Readonly<Record<string, number>>;
  steps: readonly { op: string; urn: string }[];
}

/** What a preview would do, a line each, in an order of its own. */
const listed = ({ steps }: Preview) =>
  `${steps
    .map(({ op, urn }) => `${op} ${urn.split('::').slice(2).join(' ').split('$').at(-1)}`)
    .sort()
    .join('\n')}\n`;

describeWith(['pulumi', 'moto'], 'the stacks of this repository', () => {
  let cloud: Cloud;
  let project: Project;
  beforeAll(async () => {
    cloud = await Cloud.open();
  });
  afterAll(async () => cloud?.[Symbol.asyncDispose]());
  afterEach(() => project?.[Symbol.dispose]());

  /** The settings of a stack file as they are, with what it leaves to be filled in. */
  async function shipped(stack: string): Promise<object> {
    const text = readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), 'utf8');
    const [mugen, majin] = [await cloud.aMachine('MUGEN'), await cloud.aMachine('MAJIN', 'c6i.2xlarge')];
    const filled = text
      .replace('i-00000000000000000', mugen)
      .replace('i-00000000000000001', majin)
      .replace('ami-00000000000000000', 'ami-12345678');
    const { config } = parse(filled) as { config: Record<string, object> };
    return config['miyabi-fleet:settings'] ?? {};
  }

  it.each(['phase1', 'phase2', 'phase3'])(
    '%s makes what its list says, nothing the second time, and goes with all of it',
    async (stack) => {
      project = new Project(cloud);
      await project.set(stack, await shipped(stack));
      const preview = JSON.parse(await project.must('preview', '--json', '--stack', stack, ...PACK)) as Preview;
      await expect(listed(preview)).toMatchFileSnapshot(`../golden/stacks/${stack}.txt`);
      await project.must('up', '--yes', '--skip-preview', '--stack', stack);
      const made = project.calls().filter(({ call }) => call === 'create');
      await project.must('up', '--yes', '--skip-preview', '--stack', stack, '--expect-no-changes');
      expect(project.calls().filter(({ call }) => call !== 'read')).toEqual([]);
      const destroyed = await project.pulumi('destroy', '--yes', '--skip-preview', '--stack', stack);
      expect(destroyed.code === 0).toBe(stack !== 'phase1'); // its machines are protected
      expect(project.calls().filter(({ call }) => call !== 'read')).toHaveLength(made.length);
    },
  );

  it.each(['phase1', 'phase2'])(
    '%s, with its placeholders, is refused before anything is registered',
    async (stack) => {
      project = new Project(cloud);
      const { config } = parse(readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), 'utf8')) as {
        config: Record<string, object>;
      };
      await project.set(stack, config['miyabi-fleet:settings'] ?? {});
      const { code, stdout, stderr } = await project.pulumi('up', '--yes', '--skip-preview', '--stack', stack);
      expect([code === 0, project.calls()]).toEqual([false, []]);
      expect(`${stdout}${stderr}`).toContain('a placeholder; put the id of');
    },
  );
});

/** One of this machine that is older than what is needed. */
function findOldNode(): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return paths.find((path) => {
    const { stdout } = spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' });
    return Number.parseInt(stdout, 10) < 24;
  });
}

const oldNode = findOldNode();

describeWith(['pulumi', 'moto'], 'a stack of new nodes', () => {
  let cloud: Cloud;
  /** Three nodes, up: what each test begins with a copy of. */
  let three: Project;
  beforeAll(async () => {
    cloud = await Cloud.open();
    three = new Project(cloud);
    await three.set('phase2', someSettings());
    await up(three);
    three.calls();
  }, 240_000);
  afterAll(async () => {
    three?.[Symbol.dispose]();
    await cloud?.[Symbol.asyncDispose]();
  });

  const up = (project: Project) => project.must('up', '--yes', '--skip-preview', '--stack', 'phase2');
  const changed = (project: Project) =>
    project
      .calls()
      .filter(({ call }) => call !== 'read')
      .map(({ call, name }) => `${call} ${name}`)
      .sort();

  it('gets one more and loses the last ones as its count says, and its outputs tell', async () => {
    using project = three.copy();
    await project.set('phase2', someSettings({ groups: [aGroup({ count: 4 })] }));
    await up(project);
    expect(changed(project)).toEqual(['create phase2-4']);
    const outputs = Outputs.parse(JSON.parse(await project.must('stack', 'output', '--json', '--stack', 'phase2')));
    expect(outputs.fleet.nodes.map(({ name }) => name)).toEqual(['phase2-1', 'phase2-2', 'phase2-3', 'phase2-4']);
    await project.set('phase2', someSettings({ groups: [aGroup({ count: 2 })] }));
    await up(project);
    expect(changed(project)).toEqual(['delete phase2-3', 'delete phase2-4']);
  });

  it('keeps its nodes as they are when it is given another image, size of machine, disk and key to log in with', async () => {
    using project = three.copy();
    const over = {
      ...{ amis: { 'us-east-1': 'ami-87654321' }, sshKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 mika'] },
      groups: [aGroup({ instanceType: 'c7i.4xlarge', volumeGiB: 100 })],
    };
    await project.set('phase2', someSettings(over));
    await up(project);
    expect(changed(project)).toEqual(['update phase2']);
  });

  it('opens SSH for the ranges that are said, lets nodes read the parameters that are named, and tells of money', async () => {
    using project = three.copy();
    const over = {
      ...{ sshCidrs: ['203.0.113.7/32', '2001:db8::/48'], parameters: ['/miyabi/openai'], runningHoursMax: 12 },
      budget: { monthlyUsd: 2000, emails: ['mika@example.com'] },
    };
    await project.set('phase2', someSettings(over));
    await up(project);
    const made = changed(project);
    expect(made.filter((line) => line.startsWith('create miyabi-phase2-ssh'))).toHaveLength(2);
    expect(made).toEqual(
      expect.arrayContaining(['create miyabi-phase2-parameters', 'create phase2-1-running', 'create miyabi-phase2']),
    );
    expect(made.filter((line) => !line.startsWith('create'))).toEqual([]);
  });

  it('is refused with every problem in its settings at once, before anything is registered', async () => {
    using project = new Project(cloud);
    await project.set('phase2', someSettings({ sshCidrs: ['0.0.0.0/0'], ownr: 'x', groups: [aGroup({ count: -1 })] }));
    const { code, stdout, stderr } = await project.pulumi('up', '--yes', '--skip-preview', '--stack', 'phase2');
    expect(code).not.toBe(0);
    for (const place of ['sshCidrs[0]', 'ownr', 'groups[0].count']) expect(`${stdout}${stderr}`).toContain(place);
    expect(project.calls()).toEqual([]);
  });

  it.skipIf(oldNode === undefined)(
    `is not begun by a Node that is too old, which is said in one line${oldNode === undefined ? ' (needs an older node)' : ''}`,
    async () => {
      using project = three.copy();
      project.env.FLEET_ENGINE_NODE = oldNode;
      const { code, stdout, stderr } = await project.pulumi('up', '--yes', '--skip-preview', '--stack', 'phase2');
      expect([code === 0, changed(project)]).toEqual([false, []]);
      const said = `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line.startsWith('    error:') && line.includes('Node'));
      expect(said).toEqual([expect.stringMatching(/needs Node 24, and `node` here is \d+.*; nothing was done/)]);
    },
  );

  it('is not made where it breaks a policy, and every one that is broken is named', async () => {
    using project = new Project(cloud);
    const adopted = [{ name: 'MUGEN', instanceId: await cloud.aMachine('MUGEN') }];
    await project.set('phase2', someSettings({ adopted, sshCidrs: ['203.0.113.7/32'] }));
    const [group, access] = ['infra/components/node-group.ts', 'infra/components/access.ts'];
    project.edit(group, "httpTokens: 'required'", "httpTokens: 'optional'");
    project.edit(group, "encrypted: 'true'", "encrypted: 'false'");
    project.edit(group, "instanceInitiatedShutdownBehavior: 'stop'", "instanceInitiatedShutdownBehavior: 'terminate'");
    project.edit(group, 'Buffer.from(userData)', `Buffer.from(userData + '# sk-${'a'.repeat(20)}')`);
    project.edit(access, 'fromPort: 22, toPort: 22', 'fromPort: 1, toPort: 65535');
    project.edit('infra/layout.ts', 'Phase: phase, Owner: owner', 'Phase: phase');
    project.edit(
      'infra/index.ts',
      'region: settings.region,',
      "region: settings.region, defaultTags: { tags: { CostCenter: 'x' } },",
    );
    project.edit('infra/components/adopted-node.ts', 'protect: true, ', '');
    const { code, stdout } = await project.pulumi('up', '--yes', '--stack', 'phase2', ...PACK);
    expect(code).not.toBe(0);
    expect(RULES.map(({ name }) => name).filter((name) => !stdout.includes(name))).toEqual([]);
    expect(changed(project)).toEqual([]);
  });
});
