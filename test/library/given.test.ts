import { describe, expect, it } from 'vitest';
import type { FleetInput, Tasks } from '../../controller/index.ts';
import { readFleet, readTasks } from '../../controller/library/given.ts';

const HERE = { cwd: '/work', env: { HOME: '/home/me' }, home: undefined };
/** What a program in JavaScript may hand in. */
const anything = <T>(value: unknown) => value as T;

async function refusal(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await work.then(
    () => expect.fail('it was accepted'),
    (reason: unknown) => reason,
  );
  return error as { code: string; message: string };
}

describe('a fleet given as a value', () => {
  it('is filled in as a fleet file is; nothing at all is this machine', async () => {
    expect(await readFleet({}, HERE)).toMatchObject({
      name: 'fleet',
      file: null,
      stateFolder: '/home/me/.local/state/miyabi-fleet/fleet',
      nodes: [{ name: 'here', via: { kind: 'local' } }],
    });
    const fleet = await readFleet(
      { name: 'mine', nodes: [{ name: 'far', ssh: 'me@far.example' }], tasks: { timeout: '2h' } },
      { ...HERE, home: 'state' },
    );
    expect(fleet).toMatchObject({ stateFolder: '/work/state', tasks: { timeoutSeconds: 7200 } });
    expect(fleet.nodes).toMatchObject([{ name: 'far', via: { kind: 'ssh', host: 'far.example', user: 'me' } }]);
    expect(fleet.origins).toMatchObject({ name: 'file', stateFolder: 'flag', lostAfter: 'default' });
  });

  it('wins over FLEET_ variables, which fill in what it does not say', async () => {
    const env = { ...HERE.env, FLEET_AGENTS: '9', FLEET_KIND: 'command', FLEET_NAME: 'said' };
    const fleet = await readFleet({ agents: { count: 2 } }, { ...HERE, env });
    expect(fleet).toMatchObject({ name: 'said', agents: { count: 2, kind: 'command' } });
    expect(fleet.stateFolder).toBe('/home/me/.local/state/miyabi-fleet/said');
    const wrong = refusal(readFleet({}, { ...HERE, env: { ...HERE.env, FLEET_AGENTS: 'many' } }));
    expect((await wrong).message).toMatch(/^FLEET_AGENTS agents.count: expected a whole number/);
  });

  it('is refused as a fleet file is, every problem at once with its path', async () => {
    const wrong = { nmae: 'x', nodes: [{ name: 'far' }], agents: { count: 0, kind: 'codx' }, lostAfter: 'never' };
    const { code, message } = await refusal(readFleet(anything<FleetInput>(wrong), HERE));
    expect(code).toBe('config-invalid');
    expect(message.split('\n')).toEqual([
      expect.stringContaining('fleet agents.count: expected a whole number'),
      expect.stringContaining('fleet lostAfter: expected a duration'),
      expect.stringContaining('fleet nmae: unknown key; did you mean name?'),
      expect.stringContaining('fleet nodes[0]: expected ssh: user@host, or local: true'),
      expect.stringContaining('fleet agents.kind: expected a kind: one of codex'),
    ]);
  });

  it('is refused when it is no plain value, or a file and something else', async () => {
    const circle: Record<string, unknown> = {};
    circle.nodes = [circle];
    for (const wrong of [
      circle,
      { agents: { count: 3n } },
      'fleet.yaml',
      null,
      [],
      { file: 'a', name: 'b' },
      { file: 3 },
    ])
      expect(await refusal(readFleet(anything<FleetInput>(wrong), HERE))).toMatchObject({ code: 'config-invalid' });
  });

  it('stays as it was given, whatever becomes of the value', async () => {
    const env: Record<string, string> = { A: 'first' };
    const fleet = await readFleet({ tasks: { env } }, HERE);
    env.A = 'second';
    expect(fleet.tasks.env).toEqual({ A: 'first' });
  });
});

describe('tasks given as values', () => {
  it('are read as those of a task file; one without a name gets the same one for the same content', async () => {
    const tasks: Tasks = [
      { id: 'a', run: 'true', timeout: '2m', priority: 'high' },
      { title: 'Count them', prompt: '1\n2 "語" \\ \u2028' },
    ];
    const read = await readTasks(tasks, '/');
    expect(read).toMatchObject([{ id: 'a', timeout: 120, priority: 1 }, { prompt: '1\n2 "語" \\ \u2028' }]);
    expect(read[1]?.id).toMatch(/^count-them-[0-9a-f]{6}$/);
    expect(await readTasks(tasks, '/')).toEqual(read);
    expect(await readTasks([], '/')).toEqual([]);
  });

  it('are refused with the path of each problem', async () => {
    const wrong = [
      { id: 'a', prmpt: 'x', run: 'x' },
      { id: 'a', run: 'x', timeout: 'soon' },
      { id: 'b', prompt: ' ' },
    ];
    const { code, message } = await refusal(readTasks(anything<Tasks>(wrong), '/'));
    expect(code).toBe('plan-invalid');
    expect(message.split('\n')).toEqual([
      'tasks[0].prmpt: unknown key; did you mean prompt?',
      expect.stringContaining('tasks[1].timeout: expected a duration'),
      expect.stringContaining('tasks[2].prompt: expected a prompt'),
      'tasks[1].id: expected another name: a is taken at tasks[0]',
    ]);
    const circle = [
      { id: 'a', run: 'x', needs: ['b'] },
      { id: 'b', run: 'x', needs: ['a'] },
    ];
    expect(await refusal(readTasks(circle, '/'))).toMatchObject({ code: 'cycle' });
    for (const none of [null, 'plan.yaml', { id: 'a', run: 'x' }, { files: 'plan.yaml' }, [{ id: 1n }]])
      expect(await refusal(readTasks(anything<Tasks>(none), '/'))).toMatchObject({ code: 'plan-invalid' });
  });
});
