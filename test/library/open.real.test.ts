import { expect, it, type TestContext } from 'vitest';
import { type FleetInput, type Happening, openFleet } from '../../controller/index.ts';
import { until } from '../bootstrap/ground.ts';
import { aPerson, type Person, processesOf, untilStatus, untilThere, wordsOf } from '../doors/person.ts';
import { openSshd } from '../rig/sshd.ts';
import { describeWith } from '../support/capability.ts';

/** A fleet of this machine as a program of that person opens it. */
async function opened(context: TestContext, person: Person, from: FleetInput = {}) {
  const fleet = await openFleet(from, { env: person.env });
  context.onTestFinished(() => fleet.close());
  return fleet;
}

const isControlled = async (person: Person) => {
  const said = await person.fleet('status', '--json');
  return (JSON.parse(said.out) as { controller: { pid: number } | null }).controller;
};

describeWith(['tmux'], 'a run of the library', () => {
  it('is the controller itself where there is none, with what the command sees, and lets go of it', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const fleet = await opened(context, person);
    const { tasks, results } = await fleet.run([
      { id: 'first', run: 'echo "$FLEET_TASK by $FLEET_AGENT"', agents: [2] },
      { id: 'second', run: 'cat', prompt: 'Hello\n語', needs: ['first'] },
      { id: 'third', run: 'exit 3', retries: 0 },
    ]);
    expect(tasks).toMatchObject({ total: 3, completed: 2, failed: 1 });
    expect(results).toMatchObject([
      { task: 'first', answer: 'first by 2', agent: 2 },
      { task: 'second', answer: 'Hello\n語', state: 'completed' },
      { task: 'third', state: 'failed', attempts: 1 },
    ]);
    expect(await untilStatus(person, 'nobody runs it', ({ controller }) => controller === null)).toMatchObject({
      tasks: { completed: 2, failed: 1 },
    });
    expect((await fleet.run([{ id: 'third', run: 'exit 3', retries: 0 }])).results).toMatchObject([{ attempts: 1 }]);
    expect(await fleet.run([])).toMatchObject({ tasks: { total: 0 }, results: [] });
  });

  it('shares one controller with other runs: the end of one ends no other', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const fleet = await opened(context, person);
    const long = fleet.run([{ id: 'long', run: untilThere('go', person) }]);
    const short = await fleet.run([{ id: 'short', run: 'echo short' }]);
    expect(short.results).toMatchObject([{ state: 'completed', answer: 'short' }]);
    expect(await isControlled(person)).toMatchObject({ pid: process.pid });
    person.write('go', '');
    expect((await long).results).toMatchObject([{ state: 'completed', attempts: 1 }]);
    expect(await isControlled(person)).toBeNull();
  });

  it('hands in to the controller that runs; when that one is gone for good, it goes on itself', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const controller = await person.start();
    const fleet = await opened(context, person);
    const running = fleet.run([
      { id: 'before', run: untilThere('go', person) },
      { id: 'after', run: 'echo over', needs: ['before'] },
    ]);
    await untilStatus(person, 'it runs', ({ tasks }) => tasks.running === 1);
    controller.signal('SIGKILL');
    await controller.ended;
    person.write('go', '');
    expect((await running).results).toMatchObject([
      { task: 'before', state: 'completed', attempts: 1 },
      { task: 'after', state: 'completed' },
    ]);
  });

  it('ends waiting by its signal, and the tasks go on', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const fleet = await opened(context, person);
    const limit = new AbortController();
    const tasks = [{ id: 'slow', run: untilThere('go', person) }];
    const running = fleet.run(tasks, { signal: limit.signal });
    running.catch(() => {});
    await untilStatus(person, 'it runs', (status) => status.tasks.running === 1);
    const reason = new Error('enough');
    limit.abort(reason);
    await expect(running).rejects.toMatchObject({ name: 'FleetError', code: 'time-limit', cause: reason });
    await until('it runs on', () => processesOf(person.home).some((pid) => /go \]/.test(wordsOf(pid))));
    person.write('go', '');
    expect((await fleet.run(tasks)).results).toMatchObject([{ state: 'completed', attempts: 1 }]);
  });

  it('ends with unlawful when a person stops the fleet, and its tasks are kept', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const fleet = await opened(context, person);
    const running = fleet.run([{ id: 'slow', run: untilThere('go', person) }]);
    running.catch(() => {});
    await untilStatus(person, 'it runs', (status) => status.tasks.running === 1);
    expect(await person.fleet('stop', '--now')).toMatchObject({ exit: 0 });
    await expect(running).rejects.toMatchObject({ code: 'unlawful' });
    expect(await fleet.status()).toMatchObject({ state: 'TERMINATED', controller: null, tasks: { queued: 1 } });
  });
});

describeWith(['tmux'], 'an open fleet', () => {
  it('is the controller from start to close, for all who ask; a second one is refused', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const fleet = await opened(context, person);
    await fleet.start();
    await fleet.start(); // is one already
    const other = await opened(context, person);
    await expect(other.start()).rejects.toMatchObject({ code: 'locked' });
    expect(await other.submit([{ id: 'a', run: 'echo A' }])).toEqual({ accepted: ['a'], known: [], waiting: [] });
    expect(await fleet.submit([{ id: 'a', run: 'echo A' }])).toMatchObject({ accepted: [], known: ['a'] });
    expect((await other.wait()).results).toMatchObject(
      await fleet.list('tasks').then((all) => all.map(({ id }) => ({ task: id }))),
    );
    expect((await fleet.wait(['a'])).results).toMatchObject([{ answer: 'A' }]);
    expect(await person.fleet('run', person.write('b.yaml', '[{id: b, run: echo B}]'))).toMatchObject({ exit: 0 });
    expect(await fleet.pause([1, 'node:here'])).toEqual({ agents: [1, 2] });
    expect(await fleet.resume(['all'])).toEqual({ agents: [1, 2] });
    await fleet.close();
    await fleet.close();
    expect(await isControlled(person)).toBeNull();
    await expect(fleet.status()).rejects.toMatchObject({ code: 'unlawful' });
    await expect(fleet.run([{ id: 'c', run: 'true' }])).rejects.toMatchObject({ code: 'unlawful' });
  });

  it('tells what happens, in order, to whoever listens, until it is closed', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const fleet = await opened(context, person);
    await fleet.run([{ id: 'earlier', run: 'true' }]);
    const seen: Happening[] = [];
    const listening = (async () => {
      for await (const each of fleet.events()) seen.push(each);
    })();
    await fleet.run([{ id: 'heard', run: 'true' }]);
    await until('the last event', () => seen.some(({ kind }) => kind === 'task_completed'));
    const kinds = seen.filter(({ task }) => task !== null).map(({ task, kind }) => `${task} ${kind}`);
    const wanted = ['task_accepted', 'attempt_intended', 'attempt_started', 'task_completed'];
    expect(kinds.filter((words) => wanted.includes(words.split(' ')[1] ?? ''))).toEqual(
      wanted.map((kind) => `heard ${kind}`),
    );
    await fleet.close();
    await listening;
    const again = await opened(context, person);
    for await (const { seq } of again.events({ since: 0 })) {
      expect(seq).toBe(1);
      break;
    }
  });

  it('answers with what is known where no controller runs, and keeps what is handed in', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const fleet = await opened(context, person);
    expect(await fleet.status()).toMatchObject({ state: 'UNINITIALIZED', controller: null });
    expect(await fleet.list('tasks')).toEqual([]);
    await expect(fleet.show('none')).rejects.toMatchObject({ code: 'not-found' });
    await expect(fleet.wait(['none'])).rejects.toMatchObject({ code: 'not-found' });
    await expect(fleet.stop()).rejects.toMatchObject({ code: 'no-controller' });
    await expect(fleet.pause([])).rejects.toMatchObject({ code: 'usage' });
    await expect(fleet.submit([{ id: 'kept', run: 'x', kind: 'none' }])).rejects.toMatchObject({
      code: 'plan-invalid',
    });
    expect(await fleet.submit([{ id: 'kept', run: 'echo K' }])).toMatchObject({ waiting: ['kept'] });
    const waiting = fleet.wait(['kept']);
    await expect(waiting).rejects.toMatchObject({ code: 'no-controller' });
    await fleet.start();
    expect((await fleet.wait(['kept'])).results).toMatchObject([{ answer: 'K' }]);
    expect((await fleet.explain())[0]).toMatch(/^Controller: process/);
    expect(await fleet.report(['kept'])).toMatchObject({ tasks: { completed: 1 } });
    await fleet.stop();
    expect(await fleet.status()).toMatchObject({ state: 'TERMINATED', controller: null });
  });

  it('tells every failure as a FleetError, also those of the disk', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const nowhere = await openFleet({}, { env: person.env, home: '/dev/null/fleet' });
    const tasks = [{ id: 'a', run: 'true' }];
    for (const work of [nowhere.run, nowhere.submit, nowhere.start])
      await expect(work(tasks)).rejects.toMatchObject({ name: 'FleetError', hint: expect.any(String) });
    await nowhere.close();
    const missing = openFleet({ file: 'none.yaml' }, { env: person.env });
    await expect(missing).rejects.toMatchObject({ name: 'FleetError', code: 'config-invalid' });
  });

  it('gives up what is under way when it is closed, and the agents go on', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const fleet = await opened(context, person);
    const running = fleet.run([{ id: 'slow', run: untilThere('go', person) }]);
    running.catch(() => {});
    await untilStatus(person, 'it runs', (status) => status.tasks.running === 1);
    await fleet.close();
    await expect(running).rejects.toMatchObject({ code: 'unlawful' });
    await until('it runs on', () => processesOf(person.home).some((pid) => /go \]/.test(wordsOf(pid))));
    expect(await isControlled(person)).toBeNull();
  });
});

describeWith(['tmux', 'sshd'], 'a fleet over SSH', () => {
  for (const client of ['ssh2', 'openssh'] as const) {
    it(`is opened from a value, and no connection by ${client} outlives its run`, async (context) => {
      const sshd = await openSshd();
      context.onTestFinished(() => sshd.close());
      const { host, port, address, identity, knownHosts } = sshd;
      const ssh = { host, port, user: address.user ?? 'root', identity, knownHosts, config: '/dev/null', client };
      const person = await aPerson(context, { agents: 1 });
      const fleet = await opened(context, person, { nodes: [{ name: 'far', ssh }] });
      const { results } = await fleet.run([{ id: 'hello', run: 'echo hello' }]);
      expect(results).toMatchObject([{ node: 'far', answer: 'hello' }]);
      const words = () => sshd.processes().map(wordsOf);
      const isSession = (text: string) => text.startsWith('sshd') && !text.includes('[listener]');
      await until('the end of its connection', () => !words().some(isSession));
    });
  }
});
