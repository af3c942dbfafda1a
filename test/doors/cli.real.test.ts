import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { OPERATIONS } from '../../controller/operations/index.ts';
import { Results } from '../../controller/operations/results.ts';
import { Status } from '../../controller/operations/status.ts';
import { until } from '../bootstrap/ground.ts';
import { describeWith } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import {
  aPerson,
  call,
  countOf,
  processesOf,
  statusOf,
  submit,
  taskOf,
  tasksText,
  untilStatus,
  untilThere,
  wordsOf,
} from './person.ts';

const Failure = z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() });

describeWith(['tmux'], 'fleet start', () => {
  it('says that it is ready, and a second one is refused with exit 4 that names the first', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const first = await person.start();
    for (const words of [['start'], ['start', '--detach']]) {
      const second = await person.fleet(...words);
      expect(second).toMatchObject({ exit: 4, out: '' });
      expect(second.err).toContain(`process ${first.pid} on `);
    }
    expect((await statusOf(person)).controller?.pid).toBe(first.pid);
  });

  it('ends by SIGTERM with exit 0 while agents go on working, and the next one takes up what ended meanwhile', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const first = await person.start();
    await submit(person, [{ id: 'long', run: `${untilThere('go', person)} > ${person.desk}/said` }]);
    await untilStatus(person, 'the task runs', (status) => countOf(status).running === 1);
    first.signal('SIGTERM');
    expect(await first.ended).toMatchObject({ exit: 0, out: '' });
    const alone = await statusOf(person);
    expect(alone).toMatchObject({ controller: null, nodes: [{ state: 'unknown' }], agents: [{ state: 'unknown' }] });
    person.write('go', '');
    await until('the end of its work', () => !processesOf(person.home).some((pid) => /go \]/.test(wordsOf(pid))));
    expect(await taskOf(person, 'long')).toMatchObject({ state: 'running' });
    await person.start();
    const { results } = await person.ask(Results, 'wait', 'long');
    expect(results).toMatchObject([{ state: 'completed', attempts: 1 }]);
  });

  it('runs in the background with --detach, and stop ends it', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    expect(await person.fleet('start', '--detach')).toMatchObject({ exit: 0, out: '' });
    const { controller } = await statusOf(person);
    expect(wordsOf(controller?.pid ?? -1)).toContain('controller/cli/main.ts start');
    expect(await person.fleet('stop')).toMatchObject({ exit: 0, out: '' });
    expect(wordsOf(controller?.pid ?? -1)).toBe('');
    expect(readFileSync(join(person.state, 'controller.log'), 'utf8')).toContain('The fleet is stopped.');
  });
});

describeWith(['tmux'], 'fleet run', () => {
  it('is the controller itself when there is none, and hands in to the one that runs', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const file = (id: string) =>
      person.write(`${id}.yaml`, tasksText([{ id, run: 'cat; echo $FLEET_TASK', prompt: 'Hello ' }]));
    const alone = await person.ask(Results, 'run', file('alone'));
    expect(alone.results).toMatchObject([{ task: 'alone', state: 'completed', answer: 'Hello alone' }]);
    expect((await statusOf(person)).controller).toBeNull();
    await person.start();
    const joined = await person.ask(Results, 'run', file('joined'));
    expect(joined.results).toMatchObject([{ task: 'joined', state: 'completed', answer: 'Hello joined' }]);
    expect((await statusOf(person)).controller).not.toBeNull();
    expect(await person.ask(Results, 'run', file('joined'))).toEqual(joined); // the same task: not run again
  });

  it('that joined a controller says when that one is gone, and goes on waiting with the next', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const first = await person.start();
    const file = person.write('tasks.yaml', tasksText([{ id: 'slow', run: untilThere('go', person) }]));
    const joined = person.begin(['run', file]);
    await untilStatus(person, 'its task runs', ({ tasks }) => tasks.running === 1);
    first.signal('SIGKILL');
    await until('it says so', () => joined.said().err.includes('No controller runs'), 20_000);
    await person.start();
    await until('it says so', () => joined.said().err.includes('A controller runs again.'), 20_000);
    person.write('go', '');
    expect(await joined.ended).toMatchObject({ exit: 0 });
  });

  it('leaves the tasks to the controller that runs when it is interrupted by Ctrl-C', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    await person.start();
    const file = person.write('tasks.yaml', tasksText([{ id: 'stays', run: untilThere('go', person) }]));
    const joined = person.begin(['run', file]);
    await untilStatus(person, 'the task runs', (status) => countOf(status).running === 1);
    joined.signal('SIGINT');
    expect(await joined.ended).toMatchObject({ exit: 130, out: '' });
    person.write('go', '');
    await untilStatus(person, 'its end', (status) => countOf(status).completed === 1);
  });

  it('goes on with what a run left that was interrupted by Ctrl-C: the task is not run again', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const file = person.write('tasks.yaml', tasksText([{ id: 'kept', run: untilThere('go', person) }]));
    const first = person.begin(['run', file]);
    await untilStatus(person, 'the task runs', (status) => countOf(status).running === 1);
    first.signal('SIGINT');
    expect(await first.ended).toMatchObject({ exit: 130, out: '', err: expect.stringContaining('what runs goes on') });
    person.write('go', '');
    const { results } = await person.ask(Results, 'run', file);
    expect(results).toMatchObject([{ state: 'completed', attempts: 1, answer: 'kept by 1\nover' }]);
  });

  it('exits with 1 where a task failed, and with 3 where the time was up or a task is parked', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const run = (id: string, task: object, ...words: string[]) =>
      person.fleet('run', person.write(`${id}.yaml`, tasksText([{ id, ...task }])), ...words, '--json');
    const failed = await run('fails', { run: 'echo "no way" >&2; exit 7', retries: 0 });
    expect(failed.exit).toBe(1);
    expect(Results.parse(JSON.parse(failed.out)).results).toMatchObject([
      { state: 'failed', attempts: 1, error: expect.stringContaining('exit 7') },
    ]);
    const late = await run('late', { run: 'sleep 60' }, '--timeout', '1s');
    expect(late.exit).toBe(3);
    expect(late.err).toContain('1s');
  });

  it('exits with 3 where a key is missing, parks the task and names the key; with the key, retry completes it', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const keyed = {
      tool: 'command',
      run: 'echo "a key of $(printf %s "$KEY" | wc -c)"',
      env: { KEY: { from: 'env' } },
    };
    person.write('fleet.yaml', JSON.stringify({ kinds: { keyed } }));
    const file = person.write('tasks.yaml', tasksText([{ id: 'parked', kind: 'keyed', prompt: 'x' }]));
    const parked = await person.fleet('run', file, '--json');
    expect(parked.exit).toBe(3);
    expect(Results.parse(JSON.parse(parked.out)).results).toMatchObject([
      { state: 'parked', attempts: 0, error: expect.stringContaining('KEY') },
    ]);
    person.begin(['start'], { env: { KEY: 'four' } });
    await untilStatus(person, 'the controller', ({ controller }) => controller !== null);
    expect(await person.ask(OPERATIONS.retry.output, 'retry', 'parked')).toEqual({ queued: ['parked'] });
    const { results } = await person.ask(Results, 'wait', 'parked');
    expect(results).toMatchObject([{ state: 'completed', answer: 'a key of 4' }]);
  });
});

describeWith(['tmux'], 'what is wrong', () => {
  it('starts nothing: a bad task file, a circle, unknown words and flags exit with 2 and say where', async (context) => {
    const person = await aPerson(context);
    const bad = person.write('bad.yaml', 'tasks:\n  - id: one\n    run: "true"\n    colour: red\n  - id: two\n');
    const circle = person.write(
      'circle.yaml',
      tasksText([
        { id: 'a', run: 'true', needs: ['b'] },
        { id: 'b', run: 'true', needs: ['a'] },
      ]),
    );
    for (const verb of ['run', 'submit']) {
      const said = await person.fleet(verb, bad, '--json');
      expect(said).toMatchObject({ exit: 2 });
      expect(Failure.parse(JSON.parse(said.out)).code).toBe('plan-invalid');
      expect(said.err).toMatch(/bad\.yaml:4:5[\s\S]*bad\.yaml:5:/);
      const round = await person.fleet(verb, circle, '--json');
      expect(round).toMatchObject({ exit: 2 });
      expect(Failure.parse(JSON.parse(round.out))).toMatchObject({
        code: 'cycle',
        message: expect.stringContaining('a → b → a'),
      });
    }
    for (const words of [
      ['status', '--colour'],
      ['frobnicate'],
      ['run'],
      ['start', '--agents', 'many'],
      ['list', 'tasks', '--state', 'lost'],
      ['config', 'eat'],
    ])
      expect(await person.fleet(...words)).toMatchObject({ exit: 2, out: '' });
    expect(await person.fleet('run', join(person.desk, 'nowhere.yaml'))).toMatchObject({ exit: 2 });
    expect(existsSync(person.state)).toBe(false);
    expect(existsSync(join(person.home, '.miyabi'))).toBe(false);
  });

  it('is told as one JSON object with --json: what is not there exits with 2, what needs a controller with 3', async (context) => {
    const person = await aPerson(context);
    const failure = async (...words: string[]) => {
      const { exit, out } = await person.fleet(...words, '--json');
      return { exit, code: Failure.parse(JSON.parse(out)).code };
    };
    expect(await failure('show', 'nobody')).toEqual({ exit: 2, code: 'not-found' });
    expect(await failure('wait', 'nobody')).toEqual({ exit: 2, code: 'not-found' });
    expect(await failure('stop')).toEqual({ exit: 3, code: 'no-controller' });
    expect(await failure('cancel', 'nobody')).toEqual({ exit: 3, code: 'no-controller' });
    await person.start();
    await untilStatus(person, 'nothing waits', ({ intentsWaiting }) => intentsWaiting === 0);
    expect(await failure('cancel', 'nobody')).toEqual({ exit: 2, code: 'not-found' });
    expect(await failure('wait', 'nobody')).toEqual({ exit: 2, code: 'not-found' });
    expect(await failure('explain', 'nobody')).toEqual({ exit: 2, code: 'not-found' });
    expect(await failure('pause', '77')).toEqual({ exit: 2, code: 'not-found' });
    expect(await failure('pause', 'everybody')).toEqual({ exit: 2, code: 'usage' });
  });
});

describeWith(['tmux'], 'what is handed in', () => {
  it('waits while no controller runs, and the next start takes it', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const file = person.write(
      'tasks.yaml',
      tasksText([
        { id: 'a', run: 'echo A' },
        { id: 'b', run: 'echo B', needs: ['a'] },
      ]),
    );
    const said = await person.fleet('submit', file);
    expect(said).toMatchObject({ exit: 0, out: '' });
    expect(said.err).toContain('no controller runs');
    expect(await statusOf(person)).toMatchObject({ controller: null, intentsWaiting: 1, state: 'UNINITIALIZED' });
    await person.start();
    await untilStatus(person, 'the ledger has them', ({ intentsWaiting }) => intentsWaiting === 0);
    const { results } = await person.ask(Results, 'wait', 'a', 'b');
    expect(results.map(({ answer }) => answer)).toEqual(['A', 'B']);
    expect((await taskOf(person, 'b'))?.state).toBe('completed');
  });

  it('is cancelled, queued or running, and tried again by retry', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    await person.start();
    await submit(person, [
      { id: 'runs', run: untilThere('go', person) },
      { id: 'waits', run: 'echo waited', needs: ['runs'] },
      { id: 'queued', run: 'echo queued', agents: [1] },
    ]);
    await untilStatus(person, 'one runs', (status) => countOf(status).running === 1);
    const cancelled = await person.ask(OPERATIONS.cancel.output, 'cancel', 'queued', 'runs');
    expect(cancelled).toEqual({ cancelled: ['queued'], stopping: ['runs'], ended: [] });
    await untilStatus(person, 'both are cancelled', (status) => countOf(status).cancelled === 2);
    await until('the end of its process', () => !processesOf(person.home).some((pid) => /go \]/.test(wordsOf(pid))));
    expect(await taskOf(person, 'waits')).toMatchObject({ state: 'parked' });
    person.write('go', '');
    expect(await person.ask(OPERATIONS.retry.output, 'retry', 'queued', 'runs')).toEqual({
      queued: ['queued', 'runs'],
    });
    const status = await untilStatus(person, 'all are done', (each) => countOf(each).completed === 3);
    expect(countOf(status)).toEqual({ completed: 3 });
    expect(await person.ask(OPERATIONS.cancel.output, 'cancel', 'runs')).toMatchObject({ ended: ['runs'] });
  });
});

describeWith(['tmux'], 'what one reads', () => {
  it('is JSON of the operations’ own schemas and nothing else on standard output', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    await person.start();
    await submit(person, [
      { id: 'done', run: 'echo "two\nlines"; echo trouble >&2' },
      { id: 'runs', run: untilThere('go', person) },
      { id: 'blocked', run: 'true', needs: ['runs'] },
    ]);
    const status = await untilStatus(
      person,
      'one is done',
      ({ tasks, nodes }) => tasks.completed === 1 && tasks.running === 1 && nodes[0]?.agents.busy === 1,
    );
    expect(status).toMatchObject({
      state: 'RUNNING',
      intentsWaiting: 0,
      nodes: [{ name: 'here', state: 'up', agents: { assigned: 2, busy: 1 } }],
    });
    const busy = status.agents.find(({ task }) => task === 'runs');
    expect(busy).toMatchObject({ state: 'busy', kind: 'command', evidence: expect.stringContaining('attempt ') });
    const { nodes } = await person.ask(OPERATIONS.list.output, 'list', 'nodes');
    expect(nodes).toMatchObject([{ name: 'here', via: 'local', state: 'up' }]);
    const { agents } = await person.ask(OPERATIONS.list.output, 'list', 'agents');
    expect(agents?.map(({ number }) => number)).toEqual([1, 2]);
    const { tasks } = await person.ask(OPERATIONS.list.output, 'list', 'tasks', '--state', 'blocked', 'running');
    expect(tasks?.map(({ id, state }) => [id, state]).sort()).toEqual([
      ['blocked', 'blocked'],
      ['runs', 'running'],
    ]);
    const task = await person.ask(OPERATIONS.show.output, 'show', 'done');
    expect(task).toMatchObject({
      task: { state: 'completed' },
      attempts: [{ ordinal: 1, verdict: 'done', exit: 0, answer: 'two\nlines' }],
    });
    const agent = await person.ask(OPERATIONS.show.output, 'show', String(busy?.number));
    expect(agent.agent).toMatchObject({ task: 'runs', state: 'busy' });
    expect((await person.ask(OPERATIONS.show.output, 'show', 'here')).node).toMatchObject({
      name: 'here',
      state: 'up',
    });
    const why = await person.ask(OPERATIONS.explain.output, 'explain', 'blocked');
    expect(why.lines.join('\n')).toContain('It needs runs, which is running.');
    expect((await person.ask(OPERATIONS.explain.output, 'explain')).lines.join('\n')).toContain('Controller: process');
    const config = await person.ask(z.looseObject({ version: z.literal(1) }), 'config', 'show', '--origin');
    expect(config).toMatchObject({ name: person.name, file: null, origins: { name: 'environment', nodes: 'default' } });
    const doctor = await person.ask(Doctor, 'doctor');
    expect(doctor.findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(doctor.findings.find(({ check }) => check === 'controller')?.detail).toContain('last heartbeat');
  });

  it('is only JSON on standard output through npm run -s, too', async (context) => {
    const person = await aPerson(context);
    const words = ['npm', 'run', '-s', 'fleet', '--', 'status', '--json'];
    const said = await call(words, { env: person.env, cwd: ROOT }).ended;
    expect(said).toMatchObject({ exit: 0, err: '' });
    expect(Status.parse(JSON.parse(said.out))).toMatchObject({ state: 'UNINITIALIZED', controller: null });
  });

  it('is the output of an attempt with logs: as it comes with -f until its end, and standard error with --err', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    await person.start();
    await submit(person, [{ id: 'talks', run: `echo trouble >&2; ${untilThere('go', person)}` }]);
    await untilStatus(person, 'it runs', (status) => countOf(status).running === 1);
    const following = person.begin(['logs', '-f', 'talks']);
    await until('its first line', () => following.said().out === 'talks by 1\n');
    expect(await person.fleet('logs', '1')).toMatchObject({ exit: 0, out: 'talks by 1\n' });
    person.write('go', '');
    expect(await following.ended).toMatchObject({ exit: 0, out: 'talks by 1\nover\n', err: '' });
    expect(await person.fleet('logs', 'talks', '--raw')).toMatchObject({ exit: 0, out: 'talks by 1\nover\n' });
    expect(await person.fleet('logs', 'talks', '--err')).toMatchObject({ exit: 0, out: 'trouble\n' });
    expect(await person.fleet('logs', 'nobody')).toMatchObject({ exit: 2, out: '' });
  });
});

const Doctor = z.strictObject({
  version: z.literal(1),
  findings: z.array(
    z.strictObject({ check: z.string(), ok: z.boolean(), detail: z.string(), fix: z.string().nullable() }),
  ),
});
