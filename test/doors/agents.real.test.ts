import { expect, it } from 'vitest';
import { OPERATIONS } from '../../controller/operations/index.ts';
import { Results } from '../../controller/operations/results.ts';
import type { Status } from '../../controller/operations/status.ts';
import { until } from '../bootstrap/ground.ts';
import { describeWith } from '../support/capability.ts';
import {
  agentsIn,
  aPerson,
  countOf,
  processesOf,
  statusOf,
  submit,
  tasksText,
  untilStatus,
  untilThere,
  windowsOf,
  wordsOf,
} from './person.ts';

const { pause, resume, restart, stop, reload } = OPERATIONS;
const isWorking = (home: string) => processesOf(home).some((pid) => /go \]/.test(wordsOf(pid)));
const four = (run: string) => ['a', 'b', 'c', 'd'].map((id) => ({ id, run }));

describeWith(['tmux'], 'agents', () => {
  it('are paused and resumed by number, range, category and state, and paused ones get no task', async (context) => {
    const person = await aPerson(context, { agents: 6 });
    await person.start();
    const status = await untilStatus(person, 'all are idle', (each) => agentsIn(each, 'idle').length === 6);
    const support = status.agents.filter(({ category }) => category === 'support').map(({ number }) => number);
    expect(support.length).toBeGreaterThan(0);
    expect(await person.ask(pause.output, 'pause', '1')).toEqual({ agents: [1] });
    expect(await person.ask(pause.output, 'pause', '2-3,2')).toEqual({ agents: [2, 3] });
    expect(await person.ask(pause.output, 'pause', 'category:support')).toEqual({ agents: support });
    const paused = [...new Set([1, 2, 3, ...support])].sort((a, b) => a - b);
    await untilStatus(person, 'they are paused', (each) => agentsIn(each, 'paused').join() === paused.join());
    await submit(person, four('echo $FLEET_AGENT'));
    const { results } = await person.ask(Results, 'wait', 'a', 'b', 'c', 'd');
    expect(results.filter(({ agent }) => agent === null || paused.includes(agent))).toEqual([]);
    expect(await person.ask(resume.output, 'resume', 'state:paused')).toEqual({ agents: paused });
    await untilStatus(person, 'all are idle again', (each) => agentsIn(each, 'idle').length === 6);
    expect(await person.ask(pause.output, 'pause', 'node:here')).toEqual({ agents: [1, 2, 3, 4, 5, 6] });
    expect(await person.ask(resume.output, 'resume', 'all')).toEqual({ agents: [1, 2, 3, 4, 5, 6] });
  });

  it('are restarted: what they do ends and begins again as a new attempt, which costs the task nothing', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    await person.start();
    await submit(person, [{ id: 'again', run: untilThere('go', person), retries: 0 }]);
    const running = await untilStatus(person, 'it runs', (each) => countOf(each).running === 1);
    const [agent] = agentsIn(running, 'busy');
    const first = (await person.ask(OPERATIONS.show.output, 'show', 'again')).attempts[0]?.id;
    expect(await person.ask(restart.output, 'restart', 'state:busy')).toEqual({ agents: [agent] });
    await until('a new attempt', async () => {
      const { attempts } = await person.ask(OPERATIONS.show.output, 'show', 'again');
      return attempts.length === 2 && attempts[0]?.state === 'started' && attempts[1]?.id === first;
    });
    person.write('go', '');
    const { results } = await person.ask(Results, 'wait', 'again');
    expect(results).toMatchObject([{ state: 'completed', attempts: 2 }]);
    const { attempts } = await person.ask(OPERATIONS.show.output, 'show', 'again');
    expect(attempts.map(({ state, verdict }) => [state, verdict])).toEqual([
      ['ended', 'done'],
      ['cancelled', 'restarted'],
    ]);
  });

  it('come and go with their windows when the fleet file’s count is changed and read again', async (context) => {
    const person = await aPerson(context, { env: { FLEET_AGENTS: undefined } });
    const count = (agents: number) => person.write('fleet.yaml', JSON.stringify({ agents: { count: agents } }));
    const names = (agents: number) => Array.from({ length: agents }, (_, index) => `${person.name}-00${index + 1}`);
    const windows = () => windowsOf(person).map(({ name }) => name);
    count(2);
    await person.start();
    await until('two windows', () => windows().join() === names(2).join());
    count(5);
    expect(await person.fleet('reload', '--dry-run')).toMatchObject({ exit: 0, out: '' });
    expect(await person.ask(reload.output, 'reload')).toEqual({ agents: 5, nodes: 1 });
    await until('five windows', () => windows().join() === names(5).join());
    count(1);
    expect(await person.fleet('reload')).toMatchObject({ exit: 0, out: '' });
    await until('one window', () => windows().join() === names(1).join());
    await untilStatus(person, 'one agent', ({ agents }) => agents.length === 1);
    person.write('fleet.yaml', JSON.stringify({ agents: { count: 0 } }));
    expect(await person.fleet('reload')).toMatchObject({ exit: 2, out: '' });
    count(1);
    expect(await statusOf(person)).toMatchObject({ state: 'RUNNING', agents: [{ number: 1 }] });
  });
});

describeWith(['tmux'], 'fleet stop', () => {
  it('drains: what runs finishes, what waits stays queued for the next start, the windows go', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const controller = await person.start();
    await submit(person, four(untilThere('go', person)));
    await untilStatus(person, 'two run', (each) => countOf(each).running === 2 && windowsOf(person).length === 2);
    const stopping = person.begin(['stop', '--json']);
    await untilStatus(person, 'it drains', ({ state }) => state === 'DRAINING');
    const late = await person.begin(['submit', '-'], { input: tasksText([{ id: 'late', run: 'true' }]) }).ended;
    expect(late).toMatchObject({ exit: 4, err: expect.stringContaining('DRAINING') });
    person.write('go', '');
    const stopped = await stopping.ended;
    expect(stopped).toMatchObject({ exit: 0, err: expect.stringContaining('TERMINATED') });
    expect(stop.output.parse(JSON.parse(stopped.out))).toEqual({ state: 'DRAINING', ending: 0 });
    expect(await controller.ended).toMatchObject({ exit: 0 });
    expect(countOf(await statusOf(person))).toEqual({ completed: 2, queued: 2 });
    expect(windowsOf(person)).toEqual([]);
    await person.start();
    const { tasks } = await person.ask(Results, 'wait', 'a', 'b', 'c', 'd');
    expect(tasks).toMatchObject({ total: 4, completed: 4 });
  });

  it('ends what runs with --now: its tasks stay queued, nothing of them runs on, and the next start completes them', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const controller = await person.start();
    await submit(person, four(untilThere('go', person)));
    await untilStatus(person, 'two run', (each) => countOf(each).running === 2 && windowsOf(person).length === 2);
    expect(await person.ask(stop.output, 'stop', '--now')).toEqual({ state: 'DRAINING', ending: 2 });
    expect(await controller.ended).toMatchObject({ exit: 0 });
    expect(countOf(await statusOf(person))).toEqual({ queued: 4 });
    expect(isWorking(person.home)).toBe(false);
    expect(windowsOf(person)).toEqual([]);
    person.write('go', '');
    await person.start();
    const { results } = await person.ask(Results, 'wait', 'a', 'b', 'c', 'd');
    expect(results.map(({ state }) => state)).toEqual(['completed', 'completed', 'completed', 'completed']);
    expect(results.map(({ attempts }) => attempts).sort((a, b) => a - b)).toEqual([1, 1, 2, 2]);
  });
});

describeWith(['tmux'], '--dry-run', () => {
  it('says what would be done and changes nothing, without a controller and with one', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const file = person.write(
      'tasks.yaml',
      tasksText([
        { id: 'x', run: 'true' },
        { id: 'y', run: 'true', needs: ['x'] },
      ]),
    );
    const dry = (...words: string[]) => person.fleet(...words, '--dry-run');
    const layers = 'layer 1: x\nlayer 2: y\n';
    for (const verb of ['run', 'submit']) expect(await dry(verb, file)).toMatchObject({ exit: 0, out: layers });
    expect(await dry('start')).toMatchObject({ exit: 0, err: expect.stringContaining('node here: 2 agents') });
    expect(await statusOf(person)).toMatchObject({ state: 'UNINITIALIZED', intentsWaiting: 0 });
    expect(processesOf(person.home)).toEqual([]);
    await person.start();
    await submit(person, [{ id: 'runs', run: untilThere('go', person) }]);
    const isQuiet = (each: Status) => agentsIn(each, 'busy').length === 1 && agentsIn(each, 'idle').length === 1;
    const before = await untilStatus(person, 'one works, one is idle', isQuiet);
    const said: [words: string[], says: string][] = [
      [['cancel', 'runs'], 'would cancel runs (running)'],
      [['pause', '1-2'], 'would pause: agent 1, 2'],
      [['restart', 'all'], 'would restart: agent 1, 2'],
      [['stop', '--now'], 'would end 1 running attempt;'],
      [['stop'], 'would let 1 running attempt finish'],
      [['reload'], 'node here: 2 agents'],
      [['submit', file], ''],
    ];
    for (const [words, says] of said)
      expect(await dry(...words)).toMatchObject({ exit: 0, err: expect.stringContaining(says) });
    expect(await dry('retry', 'runs')).toMatchObject({ exit: 4, err: expect.stringContaining('runs is running') });
    const after = await statusOf(person);
    expect(strip(after)).toEqual(strip(before));
  });
});

/** Without what changes by itself. */
function strip(status: Status): unknown {
  const { now: _, nodes, agents, ...rest } = status;
  const lasting = <T extends { evidence: string }>({ evidence: _, ...each }: T) => each;
  return { ...rest, nodes: nodes.map((node) => ({ ...lasting(node), lastSeen: null })), agents: agents.map(lasting) };
}
