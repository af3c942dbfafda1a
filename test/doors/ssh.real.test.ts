import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { openRig, RIG_MS_MAX, type Rig } from '../rig/rig.ts';
import { describeWith, program } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import { aFleetAfar, toolBind, toolPath, tracesOn, untilReady } from './afar.ts';
import { anEndpoint } from './endpoint.ts';
import { agentsIn, screenOf, statusOf, tasksText } from './person.ts';

/** Kinds whose model is the one of the test, on this machine, through a tunnel. */
async function kindsAfar(context: TestContext) {
  const endpoint = await anEndpoint(context);
  const kind = { endpoint: endpoint.url, tunnel: true };
  return {
    endpoint,
    kinds: {
      codex: { ...kind, program: toolPath('codex', program('codex')), sandbox: 'danger-full-access' },
      claude: { ...kind, program: toolPath('claude', program('claude')) },
    },
  };
}

function tokensOf({ usage }: Results): number {
  return usage.inputTokens + usage.outputTokens;
}

describeWith(['rig', 'codex', 'claude'], 'MUGEN and MAJIN over SSH', () => {
  let rig: Rig;
  beforeAll(async () => {
    const binds = (['codex', 'claude'] as const).map((name) => toolBind(name, program(name)));
    rig = await openRig({ machines: [{ name: 'mugen' }, { name: 'majin' }], binds });
  }, RIG_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it('hold 12 and 6 agents, complete eighteen tasks with the real Codex CLI, and their windows can be read', async (context) => {
    const { endpoint, kinds } = await kindsAfar(context);
    const fleet = await aFleetAfar(context, rig, { file: { agents: { count: 18, kind: 'codex' }, kinds } });
    await fleet.start();
    const { nodes } = await untilReady(fleet);
    expect(nodes.map(({ name, via, agents }) => [name, via, agents.assigned])).toEqual([
      ['majin', 'ssh', 6],
      ['mugen', 'ssh', 12],
    ]);
    const screen = screenOf(context, fleet, 7);
    const results = await fleet.ask(Results, 'run', `${ROOT}/examples/eighteen`);
    expect(results.tasks).toMatchObject({ total: 18, completed: 18 });
    // Those that need others' files do not find them on another machine, and say so.
    expect(results.results.filter(({ answer }) => !/^(Done\.|The command failed)/.test(answer ?? ''))).toEqual([]);
    const served = endpoint.served().reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0);
    expect(tokensOf(results)).toBe(served);
    await until('the window shows the work', () => /Done\.|The command/.test(screen()));
  });

  it('run six tasks with the real Claude Code CLI through the system’s ssh and a host in between', async (context) => {
    const { endpoint, kinds } = await kindsAfar(context);
    const config = rig.sshConfig;
    const nodes = [{ name: 'majin', ssh: { host: 'majin', jump: 'mugen', config }, vcpu: 8, memoryGiB: 16 }];
    const fleet = await aFleetAfar(context, rig, { file: { nodes, agents: { count: 6, kind: 'claude' }, kinds } });
    const six = Array.from({ length: 6 }, (_, index) => ({ id: `c${index}`, prompt: `Say ${index}.` }));
    const results = await fleet.ask(Results, 'run', fleet.write('six.json', tasksText(six)));
    expect(results.tasks).toMatchObject({ total: 6, completed: 6 });
    const served = endpoint.served().reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0);
    expect(tokensOf(results)).toBe(served);
  });

  it('name agents that fit nowhere with the limit that binds, before and after the start', async (context) => {
    const fleet = await aFleetAfar(context, rig, { file: { agents: { count: 30, kind: 'command' } } });
    const said = await fleet.fleet('start', '--dry-run');
    expect(said.err).toContain('node mugen: 16 agents of at most 16 (limit: vcpu)');
    expect(said.err).toContain('6 agents fit nowhere');
    await fleet.start();
    await untilReady(fleet);
    const status = await statusOf(fleet);
    expect([status.agents.length, status.unplaced]).toEqual([24, 6]);
    expect((await fleet.fleet('status')).out).toContain('6 agents fit nowhere');
  });

  it('keep nothing of ours after fleet remove', async (context) => {
    const fleet = await aFleetAfar(context, rig);
    await fleet.start();
    const status = await untilReady(fleet);
    expect(agentsIn(status, 'idle')).toHaveLength(18);
    expect(await fleet.fleet('remove', 'mugen')).toMatchObject({ exit: 4 }); // a controller drives it
    expect(await fleet.fleet('stop')).toMatchObject({ exit: 0 });
    expect(await fleet.fleet('remove', 'all')).toMatchObject({ exit: 0 });
    await until('nothing is left', async () => {
      const traces = await Promise.all(rig.machines.map((machine) => tracesOn(machine, fleet.name)));
      return traces.every((text) => text === '');
    });
  });
});
