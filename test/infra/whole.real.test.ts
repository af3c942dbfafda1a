import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { aPerson, type Person, statusOf, tasksText } from '../doors/person.ts';
import { Cloud } from '../engine/cloud.ts';
import { type Following, follow } from '../engine/follow.ts';
import { Project } from '../engine/stack.ts';
import { run } from '../rig/command.ts';
import { openRig, RIG_MS_MAX, type Rig } from '../rig/rig.ts';
import { describeWith } from '../support/capability.ts';
import { someSettings } from './builders.ts';

const PAIR = ['mugen', 'majin'];
const MADE = ['phase2-1', 'phase2-2', 'phase2-3'];
const ALL = [...PAIR, ...MADE];
const READY_MS_MAX = 300_000;
const STORY_MS_MAX = 900_000;
/** A key that must be found nowhere but in the environment of whoever has it. */
const CANARY = `sk-canary-${'0123456789abcdef'.repeat(2)}`;

interface Ready {
  ready: boolean;
  steps: readonly { step: string; is: string }[];
}

describeWith(['pulumi', 'moto', 'rig'], 'from two machines to five, with agents at work on each', () => {
  let cloud: Cloud;
  let rig: Rig;
  let project: Project;
  let following: Following;
  let ids: readonly string[];
  beforeAll(async () => {
    cloud = await Cloud.open();
    ids = [await cloud.aMachine('mugen'), await cloud.aMachine('majin', 'c6i.2xlarge')];
    const machines = ALL.map((name) => ({ name, isOff: true }));
    rig = await openRig({ machines, image: 'bare', hasPackages: true, hasMetadata: true });
    following = follow(cloud, rig);
    project = new Project(cloud);
    project.env.OPENAI_API_KEY = CANARY;
  }, RIG_MS_MAX);
  afterAll(async () => {
    await following?.[Symbol.asyncDispose]();
    await rig?.[Symbol.asyncDispose]();
    project?.[Symbol.dispose]();
    await cloud?.[Symbol.asyncDispose]();
  });

  const on = async (name: string, line: string) => (await rig.machine(name).exec(['sh', '-c', line])).stdout.trim();
  const up = (stack: string) => project.must('up', '--yes', '--skip-preview', '--stack', stack);

  /** What of the way took how long, in seconds from its beginning. */
  async function makeNodes(): Promise<Record<string, number>> {
    const sshKeys = [readFileSync(`${rig.identity}.pub`, 'utf8').trim()];
    await project.set('phase2', someSettings({ sshKeys }));
    const began = performance.now();
    const stages: Record<string, number> = {};
    const done = (stage: string) => {
      stages[stage] = Math.round((performance.now() - began) / 100) / 10;
    };
    await up('phase2');
    done('up');
    const areOn = () => {
      following.check();
      return MADE.every((name) => rig.machine(name).isOn);
    };
    await until('all three are on', areOn, READY_MS_MAX);
    done('on');
    const report = (name: string) => on(name, 'cat /var/lib/miyabi/ready.json 2>/dev/null').catch(() => ''); // it boots
    const isSetUp = async (name: string) => {
      following.check();
      return (await report(name)) !== '';
    };
    await until('each is set up', async () => (await Promise.all(MADE.map(isSetUp))).every(Boolean), READY_MS_MAX);
    done('ready');
    return stages;
  }

  async function aDesk(context: TestContext): Promise<Person> {
    const { HOME: _, ...env } = project.env;
    const person = await aPerson(context, { env: { ...env, FLEET_AGENTS: undefined, FLEET_KIND: undefined } });
    const ssh = { host: '{name}', config: rig.sshConfig };
    const stacks = ['phase1', 'phase2'].map((name) => ({ name, ssh }));
    const kinds = { command: { env: { OPENAI_API_KEY: { from: 'env' } } } };
    person.write('fleet.yaml', JSON.stringify({ stacks, agents: { count: 5, kind: 'command' }, kinds }));
    return person;
  }

  it(
    'pulumi up makes three nodes that set themselves up, fleet setup brings the pair there, and each works',
    async (context) => {
      const adopted = PAIR.map((name, index) => ({ name, instanceId: ids[index] }));
      await project.set('phase1', { phase: 'phase1', owner: 'Mika', region: 'us-east-1', adopted });
      await up('phase1');
      const stages = await makeNodes();
      for (const name of MADE) {
        const { ready, steps } = JSON.parse(await on(name, 'cat /var/lib/miyabi/ready.json')) as Ready;
        expect(steps.filter(({ is }) => is === 'failed')).toEqual([]);
        expect(ready).toBe(true);
        const status = await on(name, 'cloud-init status --wait --format json');
        expect(JSON.parse(status)).toMatchObject({ status: 'done', errors: [] });
        expect(await on(name, 'cloud-init schema --system')).toContain('Valid');
      }

      const person = await aDesk(context);
      const pulled = await person.fleet('stack', 'pull', '--project', project.folder);
      expect(pulled).toMatchObject({ exit: 0, out: expect.stringContaining('phase2: 3 nodes') });
      const doctor = await person.fleet('doctor');
      for (const name of PAIR) expect(doctor.out).toMatch(new RegExp(`node ${name}: .*tmux`));
      expect(await person.fleet('setup', ...PAIR)).toMatchObject({ exit: 0 });
      expect(await person.fleet('doctor')).toMatchObject({ exit: 0 });

      const controller = await person.start();
      expect((await statusOf(person)).nodes.map(({ name }) => name).sort()).toEqual([...ALL].sort());
      const line = 'sleep 3; hostname; test -n "$OPENAI_API_KEY"';
      const tasks = person.write(
        'five.json',
        tasksText(ALL.map((_, index) => ({ id: `t${index}`, agents: [index + 1], run: line }))),
      );
      const results = await person.ask(Results, 'run', tasks);
      expect(results.tasks).toMatchObject({ total: 5, completed: 5 });
      expect(new Set(results.results.map(({ node }) => node))).toEqual(new Set(ALL));
      controller.signal('SIGTERM');
      await controller.ended;
      process.stdout.write(`from pulumi up, in seconds: ${JSON.stringify(stages)}\n`);

      const ours = [project.folder, rig.folder, person.home];
      expect((await run(['grep', '-rlsaF', '--exclude-dir=node_modules', CANARY, ...ours])).stdout).toBe('');
      for (const name of ALL) {
        const places = '/var/log /var/lib/cloud /etc /opt/miyabi /home /root /proc/[0-9]*/cmdline';
        const search = ['sh', '-c', `grep -rlsaF -f - ${places}`]; // from a pipe: else it finds itself
        expect((await rig.machine(name).exec(search, { input: CANARY })).stdout).toBe('');
      }
    },
    STORY_MS_MAX,
  );

  it(
    'a node whose instance is stopped goes off, and comes back with what it had',
    async () => {
      const node = (await cloud.instances()).find(({ name }) => name === MADE[0]);
      if (node === undefined) throw new Error('there is no instance');
      const machine = rig.machine(node.name);
      await cloud.stop(node.id);
      await until('it is off', () => !machine.isOn, READY_MS_MAX);
      await cloud.start(node.id);
      await until('it answers', async () => machine.isOn && (await machine.ssh('true')).code === 0, READY_MS_MAX);
      expect(await on(node.name, 'codex --version')).toContain('0.169.0');
    },
    STORY_MS_MAX,
  );
});
