import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cloud } from '../engine/cloud.ts';
import { Project } from '../engine/stack.ts';
import { describeWith } from '../support/capability.ts';

/**
 * Every guard of an adopted machine taken away in turn, and everything done that might reach it: which calls do. With all
 * of them none does, whatever is done, but default tags of its provider, which is why that has none. Where `protect` or
 * `ignoreChanges` alone is gone the others still hold; `import` keeps another from being made, `retainOnDelete` it alive.
 */

const NODE = 'infra/components/adopted-node.ts';
const STACK = ['--stack', 'phase1'];
const UP = ['up', '--yes', '--skip-preview', ...STACK];
const DESTROY = ['destroy', '--yes', '--skip-preview', ...STACK];
const GUARDS = "{ protect: true, retainOnDelete: true, ignoreChanges: ['*'] }";

type Edit = readonly [from: string, to: string];
const COLUMNS: Readonly<Record<string, readonly Edit[]>> = {
  'all guards': [],
  'no import': [['import: instanceId, ', '']],
  'no protect': [['protect: true, ', '']],
  'no retain': [['retainOnDelete: true, ', '']],
  'no ignore': [[", ignoreChanges: ['*'] }", ' }']],
  none: [
    ['import: instanceId, ', ''],
    [GUARDS, '{}'],
  ],
};

type Act = (project: Project, settings: Adopted['settings']) => Promise<unknown>;
const args = (text: string): Act => {
  return async (project) => {
    project.edit(NODE, 'new aws.ec2.Instance(name, {},', `new aws.ec2.Instance(name, ${text},`);
    await project.pulumi(...UP);
  };
};
const ROWS: Readonly<Record<string, Act>> = {
  nothing: (project) => project.pulumi(...UP),
  'another type': args("{ instanceType: 't3.nano' }"),
  'another image': args("{ ami: 'ami-1234abcd' }"),
  'another image, --ignore-protect': async (project, settings) => {
    await args("{ ami: 'ami-1234abcd' }")(project, settings);
    await project.pulumi(...UP, '--ignore-protect');
  },
  'taken out': async (project, settings) => {
    await project.set('phase1', settings({ adopted: [] }));
    await project.pulumi(...UP);
  },
  'taken out, --ignore-protect': async (project, settings) => {
    await project.set('phase1', settings({ adopted: [] }));
    await project.pulumi(...UP, '--ignore-protect');
  },
  renamed: async (project) => {
    project.edit(NODE, 'new aws.ec2.Instance(name,', "new aws.ec2.Instance(name + '-other',");
    await project.pulumi(...UP);
  },
  'id of the other': async (project, settings) => {
    await project.set('phase1', settings({ other: true }));
    await project.pulumi(...UP);
  },
  destroy: (project) => project.pulumi(...DESTROY),
  'destroy --exclude-protected': (project) => project.pulumi(...DESTROY, '--exclude-protected'),
  'destroy --ignore-protect': (project) => project.pulumi(...DESTROY, '--ignore-protect'),
  'default tags': async (project) => {
    project.edit(
      'infra/index.ts',
      'region: settings.region,',
      "region: settings.region, defaultTags: { tags: { CostCenter: 'x' } },",
    );
    await project.pulumi(...UP);
  },
};

const UNTOUCHED = '–';

interface Adopted {
  project: Project;
  mugen: string;
  settings(over: { other?: boolean; adopted?: readonly object[] }): object;
}

/** A machine imported with all guards; then the program loses some of them. */
async function adopt(cloud: Cloud, edits: readonly Edit[]): Promise<Adopted> {
  const [mugen, majin] = [await cloud.aMachine('MUGEN'), await cloud.aMachine('MAJIN')];
  const project = new Project(cloud);
  const settings: Adopted['settings'] = ({ other = false, ...over }) => ({
    ...{ phase: 'phase1', owner: 'Mika', region: 'us-east-1' },
    adopted: [{ name: 'MUGEN', instanceId: other ? majin : mugen }],
    ...over,
  });
  await project.set('phase1', settings({}));
  await project.must(...UP); // imported
  await project.must(...UP);
  for (const [from, to] of edits) project.edit(NODE, from, to);
  await project.pulumi(...UP);
  return { project, mugen, settings };
}

/** Which sorts of calls reached the machine, or one that was made in its stead. */
function callsAt(project: Project, mugen: string): string {
  const touched = project.calls().filter(({ call, id }) => call !== 'read' && (id === mugen || call === 'create'));
  return [...new Set(touched.map(({ call }) => call))].join('+') || UNTOUCHED;
}

describeWith(['pulumi', 'moto'], 'the guards of an adopted machine', () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await Cloud.open();
  });
  afterAll(async () => cloud?.[Symbol.asyncDispose]());

  it('cover each other’s holes', async () => {
    const table = Object.fromEntries(Object.keys(ROWS).map((row): [string, string[]] => [row, []]));
    for (const edits of Object.values(COLUMNS)) {
      let adopted: Adopted | undefined;
      for (const [row, act] of Object.entries(ROWS)) {
        adopted ??= await adopt(cloud, edits);
        using project = adopted.project.copy();
        await act(project, adopted.settings);
        const how = callsAt(project, adopted.mugen);
        table[row]?.push(how);
        if (how === UNTOUCHED) continue;
        adopted.project[Symbol.dispose]();
        adopted = undefined; // another machine for the next: this one is not what it was
      }
      adopted?.project[Symbol.dispose]();
    }
    const columns = Object.keys(COLUMNS);
    const lines = Object.entries(table).map(([row, cells]) => [row, ...cells].join(' | '));
    await expect(`${[['', ...columns].join(' | '), ...lines].join('\n')}\n`).toMatchFileSnapshot(
      '../golden/guards.txt',
    );
    const whole = Object.entries(table).filter(([row]) => row !== 'default tags');
    for (const [row, [cell]] of whole) expect([row, cell]).toEqual([row, UNTOUCHED]);
    const open = columns.filter((_, index) => whole.some(([, cells]) => cells[index] !== UNTOUCHED));
    expect(open).toEqual(['no import', 'no retain', 'none']);
  }, 3_600_000);
});
