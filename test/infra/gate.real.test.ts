import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cloud } from '../engine/cloud.ts';
import { Project } from '../engine/stack.ts';
import { run } from '../rig/command.ts';
import { describeWith } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import { someSettings } from './builders.ts';

const NODE = 'infra/components/adopted-node.ts';

describeWith(['pulumi', 'moto'], 'npm run pulumi', () => {
  let cloud: Cloud;
  /** An adopted machine and three nodes, up. */
  let project: Project;
  let mugen: string;
  const settings = (over: object = {}) => someSettings({ adopted: [{ name: 'MUGEN', instanceId: mugen }], ...over });
  beforeAll(async () => {
    cloud = await Cloud.open();
    mugen = await cloud.aMachine('MUGEN');
    project = new Project(cloud);
    await project.set('phase2', settings());
    await project.must('up', '--yes', '--skip-preview', '--stack', 'phase2');
    await project.must('up', '--yes', '--skip-preview', '--stack', 'phase2');
    project.calls();
  }, 240_000);
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await cloud?.[Symbol.asyncDispose]();
  });

  const call = async (on: Project, ...words: readonly string[]) => {
    const comment = join(on.folder, 'comment.md');
    const program = [join(ROOT, 'bin/node'), join(ROOT, '.ci/pulumi.ts')];
    const all = [
      ...program,
      ...words,
      '--cwd',
      on.folder,
      '--stack',
      'phase2',
      '--non-interactive',
      '--comment',
      comment,
    ];
    const { code, stderr } = await run(all, { env: on.env, msMax: 120_000 });
    return { code, stderr, comment: readFileSync(comment, 'utf8') };
  };

  it('lets through what changes nothing, and says so', async () => {
    using copy = project.copy();
    const { code, comment } = await call(copy, 'preview');
    expect(code).toBe(0);
    expect(comment).toContain('Nothing would change.');
    expect(comment).toContain('it costs unknown a month'); // nobody said what MUGEN is
  });

  const [SEEN, UNSEEN] = [
    [", ignoreChanges: ['*']"],
    ['protect: true, ', 'retainOnDelete: true, ', 'import: instanceId, '],
  ];
  it.each([
    ['one guard, of which Pulumi shows what it would do', SEEN, ['would be replaced']],
    ['three, which Pulumi shows as unchanged', UNSEEN, ['without protect', 'without retainOnDelete', 'without import']],
  ])('refuses a program without %s', async (_, texts, words) => {
    using copy = project.copy();
    for (const text of texts) copy.edit(NODE, text, '');
    const { code, stderr, comment } = await call(copy, 'up', '--yes');
    expect(code).toBe(4);
    for (const word of words) expect(stderr).toContain(`gate: MUGEN: ${word}`);
    expect(comment).toContain('**not to be merged**');
    expect(copy.calls().filter(({ call: kind }) => kind !== 'read')).toEqual([]);
  });

  it('refuses to take nodes away until it is agreed to', async () => {
    using copy = project.copy();
    await copy.set('phase2', settings({ groups: [{ name: 'phase2', count: 2, instanceType: 'c6i.4xlarge' }] }));
    const refused = await call(copy, 'up', '--yes');
    expect([refused.code, refused.comment]).toEqual([4, expect.stringContaining('| delete | `phase2-3` |')]);
    expect((await call(copy, 'up', '--yes', '--may-remove')).code).toBe(0);
    const taken = copy.calls().filter(({ call: kind }) => kind !== 'read');
    expect(taken.map(({ call: kind, name }) => `${kind} ${name}`)).toEqual(['delete phase2-3']);
  });

  it('holds the price to its limit', async () => {
    using copy = project.copy();
    await copy.set('phase2', settings({ monthlyUsdMax: 100, adopted: [] }));
    const { code, stderr } = await call(copy, 'preview');
    expect(code).toBe(4);
    expect(stderr).toContain('above monthlyUsdMax of $100.00');
  });
});
