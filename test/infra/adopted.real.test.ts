import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cloud } from '../engine/cloud.ts';
import { Project } from '../engine/stack.ts';
import { describeWith } from '../support/capability.ts';

const STACK = ['--stack', 'phase1'];
const NODE = 'infra/components/adopted-node.ts';
const RESOURCE = 'new aws.ec2.Instance(name, {}, {';

describeWith(['pulumi', 'moto'], 'MUGEN and MAJIN in a stack', () => {
  let cloud: Cloud;
  let ids: readonly string[];
  /** Imported, and then left alone: what each test begins with a copy of. */
  let adopted: Project;
  beforeAll(async () => {
    cloud = await Cloud.open();
    ids = [await cloud.aMachine('MUGEN'), await cloud.aMachine('MAJIN', 'c6i.2xlarge')];
    adopted = new Project(cloud);
    await adopted.set('phase1', phase1());
  }, 240_000);
  afterAll(async () => {
    adopted?.[Symbol.dispose]();
    await cloud?.[Symbol.asyncDispose]();
  });

  function phase1(over: object = {}) {
    const machines = ['MUGEN', 'MAJIN'].map((name, index) => ({ name, instanceId: ids[index] }));
    return { phase: 'phase1', owner: 'Mika', region: 'us-east-1', adopted: machines, ...over };
  }
  const up = (project: Project, ...words: readonly string[]) =>
    project.pulumi('up', '--yes', '--skip-preview', ...STACK, ...words);
  const touched = (project: Project) => project.calls().filter(({ call }) => call !== 'read');
  const live = () => cloud.describe(ids);

  it('are imported, both and nothing else, and then nothing is to do', async () => {
    const before = await live();
    const preview = JSON.parse(await adopted.must('preview', '--json', ...STACK)) as { changeSummary: object };
    expect(preview.changeSummary).toEqual({ create: 2, import: 2 }); // the stack itself and its provider
    await adopted.must('up', '--yes', ...STACK);
    await adopted.must('up', '--yes', ...STACK, '--expect-no-changes');
    expect(touched(adopted)).toEqual([]);
    expect(await live()).toEqual(before);
  });

  it.each([
    ['another instance type', RESOURCE, "new aws.ec2.Instance(name, { instanceType: 't3.nano' }, {"],
    ['another image', RESOURCE, "new aws.ec2.Instance(name, { ami: 'ami-1234abcd' }, {"],
    ['other user data', RESOURCE, "new aws.ec2.Instance(name, { userData: 'echo hello' }, {"],
    ['other tags', RESOURCE, "new aws.ec2.Instance(name, { tags: { Name: 'other' } }, {"],
    ['another name, as of another machine', RESOURCE, "new aws.ec2.Instance(name + '-new', {}, {"],
  ])('are not touched by %s in the program', async (_, from, to) => {
    using project = adopted.copy();
    project.edit(NODE, from, to);
    await up(project, '--refresh');
    expect(touched(project)).toEqual([]);
  });

  it.each([
    ['one taken out of the settings', () => ({ adopted: [{ name: 'MUGEN', instanceId: ids[0] }] })],
    ['all taken out', () => ({ adopted: [] })],
    ['the id of one given to the other', () => ({ adopted: [{ name: 'MUGEN', instanceId: ids[1] }] })],
    ['one only to be read from now on', () => ({ adopted: [{ name: 'MUGEN', instanceId: ids[0], mode: 'read' }] })],
    ['another region', () => ({ region: 'eu-west-1' })],
    ['another account', () => ({ accountIds: ['000000000000'] })],
  ])('are not touched by settings with %s', async (_, over) => {
    using project = adopted.copy();
    await project.set('phase1', phase1(over()));
    await up(project, '--ignore-protect');
    expect(touched(project)).toEqual([]);
  });

  it.each([
    ['destroy', ['destroy', '--yes', '--skip-preview']],
    ['destroy of what is not protected', ['destroy', '--yes', '--skip-preview', '--exclude-protected']],
    ['destroy past all protection', ['destroy', '--yes', '--skip-preview', '--ignore-protect']],
    ['refresh', ['refresh', '--yes', '--skip-preview']],
  ])('are not touched by %s', async (_, words) => {
    using project = adopted.copy();
    await project.pulumi(...words, ...STACK);
    expect(touched(project)).toEqual([]);
  });

  it('are only looked at where they are only to be read', async () => {
    using project = new Project(cloud);
    const machines = ids.map((instanceId, index) => ({ name: `m${index}`, instanceId, mode: 'read' }));
    await project.set('phase1', phase1({ adopted: machines }));
    await project.must('up', '--yes', '--skip-preview', ...STACK);
    await project.must('destroy', '--yes', '--skip-preview', ...STACK);
    expect(touched(project)).toEqual([]);
  });

  it('are as they were, after all of it', async () => {
    expect((await live()).map(({ state }) => state)).toEqual(['running', 'running']);
  });
});
