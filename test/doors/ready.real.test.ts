import { afterAll, beforeAll, expect, it } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { openRig, RIG_MS_MAX, type Rig } from '../rig/rig.ts';
import { describeWith } from '../support/capability.ts';
import { aFleetAfar, linesOn, untilReady } from './afar.ts';
import { anEndpoint } from './endpoint.ts';
import { showOf, statusOf, tasksText } from './person.ts';
import { named, pinned, setUp, VERSIONS } from './set-up.ts';

/** Takes memory until it is ended. */
const HUNGRY = 'exec tail /dev/zero';
const SCRIPT = 'Run this:\n```sh\ntouch ~/begun; until [ -e ~/go ]; do sleep 0.2; done; echo well\n```';

describeWith(['rig'], 'a machine that was set up', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ machines: [{ name: 'mugen' }], image: 'bare', hasPackages: true });
  }, RIG_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it('has the pinned versions, and the second time nothing changes', async (context) => {
    const fleet = await aFleetAfar(context, rig);
    const first = await setUp(fleet, 'mugen');
    expect(first).toMatchObject({ failed: 0, error: null });
    expect(named(first.steps, 'changed')).toContain('codex');
    const versions = (await rig.machine('mugen').ssh(VERSIONS)).stdout;
    for (const name of ['NODE', 'CODEX', 'CLAUDE']) expect(versions).toContain(pinned[name]);
    expect(await setUp(fleet, 'mugen')).toMatchObject({ changed: 0, failed: 0 });
    const ready = JSON.parse((await rig.machine('mugen').exec(['cat', '/var/lib/miyabi/ready.json'])).stdout) as object;
    expect(ready).toMatchObject({ version: 1, ready: true, changed: 0 });
    // It says what is wrong, and exits with 0 all the same.
    const verified = await rig
      .machine('mugen')
      .exec(['systemd-analyze', 'verify', '/etc/systemd/system/miyabi-windows@.service']);
    expect(`${verified.stdout}${verified.stderr}`).toBe('');
  }, 600_000);

  it('is set up beside an agent at work, who does not notice', async (context) => {
    const fleet = await aFleetAfar(context, rig, { file: { agents: { count: 1, kind: 'command' } } });
    await setUp(fleet, 'mugen');
    await fleet.start();
    await untilReady(fleet);
    const work = 'echo begun >>~/notes; until [ -e ~/go ]; do sleep 0.1; done; echo ended >>~/notes';
    await fleet.fleet('submit', fleet.write('one.json', tasksText([{ id: 'one', run: work }])));
    const notes = () => linesOn(rig.machine('mugen'), `${rig.machine('mugen').home}/notes`);
    await until('it is at work', async () => (await notes()).length > 0);
    await rig
      .machine('mugen')
      .exec(['rm', '/etc/security/limits.d/90-miyabi.conf', '/etc/ssh/sshd_config.d/90-miyabi.conf']);
    const { steps, failed } = await setUp(fleet, 'mugen');
    expect([named(steps, 'changed'), failed]).toEqual([['limits', 'sshd'], 0]);
    await rig.machine('mugen').ssh('touch ~/go');
    expect(await fleet.fleet('wait', '--timeout', '60s')).toMatchObject({ exit: 0 });
    expect(await notes()).toEqual(['begun', 'ended']);
  });

  it('has its windows again after a reboot, with nobody there; and its agents go on with their conversations', async (context) => {
    const endpoint = await anEndpoint(context);
    const codex = { endpoint: endpoint.url, tunnel: true, sandbox: 'danger-full-access' };
    const fleet = await aFleetAfar(context, rig, { file: { agents: { count: 2, kind: 'codex' }, kinds: { codex } } });
    expect(await fleet.fleet('setup', 'mugen')).toMatchObject({ exit: 0 });
    const doctor = await fleet.fleet('doctor');
    expect(doctor).toMatchObject({
      exit: 0,
      out: expect.stringMatching(/mugen: codex at work: a turn with a stand-in/),
    });
    await fleet.start();
    await untilReady(fleet);
    const mugen = rig.machine('mugen');
    const sessions = async () =>
      (
        await mugen.exec(['tmux', '-S', `${mugen.home}/.miyabi/${fleet.name}/tmux.sock`, 'list-sessions', '-F', '#S'], {
          user: mugen.user,
        })
      ).stdout
        .trim()
        .split('\n')
        .sort();
    const before = await sessions();
    expect(before).toHaveLength(2);
    await fleet.fleet('submit', fleet.write('one.json', tasksText([{ id: 'one', prompt: SCRIPT }])));
    const isAtWork = async () => (await mugen.ssh('test -e ~/begun')).code === 0;
    await until('it is at work', isAtWork);
    await mugen.reboot();
    await until('its windows are there', async () => (await sessions()).join() === before.join(), 60_000);
    await mugen.ssh('touch ~/go');
    const { tasks } = await fleet.ask(Results, 'wait', 'one');
    expect(tasks).toMatchObject({ total: 1, completed: 1 });
    const { attempts } = await showOf(fleet, 'one');
    const conversations = attempts.map(({ conversation }) => conversation);
    expect(conversations.length).toBeGreaterThan(1);
    expect([...new Set(conversations)]).toEqual([expect.any(String)]);
    // Log-out ends nothing: the session of the person at the console is gone already.
    expect(await sessions()).toEqual(before);
  }, 300_000);

  it('has its windows again after a reboot, with no controller anywhere', async (context) => {
    const fleet = await aFleetAfar(context, rig, { file: { agents: { count: 2, kind: 'command' } } });
    await fleet.fleet('setup', 'mugen');
    await fleet.start();
    await untilReady(fleet);
    await fleet.fleet('stop');
    const mugen = rig.machine('mugen');
    await mugen.reboot();
    const list = ['tmux', '-S', `${mugen.home}/.miyabi/${fleet.name}/tmux.sock`, 'list-sessions', '-F', '#S'];
    await until(
      'its windows are there',
      async () => (await mugen.exec(list, { user: mugen.user })).stdout.trim().split('\n').length === 2,
      60_000,
    );
  }, 300_000);

  it('ends an agent that takes too much memory alone, says why, and goes on with the others', async (context) => {
    const agents = { count: 3, kind: 'command', memoryGiBMax: 0.25 };
    const fleet = await aFleetAfar(context, rig, { file: { agents, tasks: { retries: 0 } } });
    expect(await fleet.fleet('setup', 'mugen')).toMatchObject({ exit: 0 });
    await fleet.start();
    await untilReady(fleet);
    const tasks = [
      { id: 'hungry', agents: [1], run: HUNGRY },
      { id: 'beside', agents: [2], run: 'until [ -e ~/enough ]; do sleep 0.1; done; echo well' },
    ];
    const run = fleet.fleet('run', fleet.write('two.json', tasksText(tasks)), '--json');
    const hungry = async () => (await fleet.fleet('show', 'hungry', '--json')).out;
    await until('it has failed', async () => (await hungry()).includes('"failed"'), 60_000);
    await rig.machine('mugen').ssh('touch ~/enough');
    const { exit, out } = await run;
    expect(exit).toBe(1);
    const { results } = Results.parse(JSON.parse(out));
    expect(results.map(({ task, state }) => `${task} ${state}`)).toEqual(['hungry failed', 'beside completed']);
    expect(results[0]?.error).toContain('took more memory than its agent may have');
    const log = results[1]?.log?.replace('~', rig.machine('mugen').home) ?? '';
    expect(await linesOn(rig.machine('mugen'), log)).toEqual(['well']);
    expect((await statusOf(fleet)).nodes.map(({ state }) => state)).toEqual(['up']);
  }, 300_000);
});
