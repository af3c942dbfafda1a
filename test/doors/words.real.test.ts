import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findAgent } from '../../controller/cli/naming.ts';
import { openReader } from '../../controller/ledger/sqlite.ts';
import { OPERATIONS } from '../../controller/operations/index.ts';
import { describeWith } from '../support/capability.ts';
import { agentsIn, aPerson, countOf, type Person, showOf, submit, untilStatus, untilThere } from './person.ts';

/** The agent that `fleet attach` would open, or what it says instead. */
async function attached({ state, name }: Person, word: string): Promise<unknown> {
  const ledger = openReader(join(state, 'ledger.db'));
  try {
    return (await findAgent(ledger, name, word)).number;
  } finally {
    await ledger?.destroy();
  }
}

/** Two agents: one works on `works`, the other rests; `done` and `fails` have ended. */
async function aDesk(person: Person) {
  const controller = await person.start();
  await submit(person, [
    { id: 'done', run: 'echo over' },
    { id: 'fails', run: 'exit 1', retries: 0 },
    { id: '2', run: 'echo a task that is called 2' },
  ]);
  await untilStatus(person, 'all three ended', ({ tasks }) => tasks.completed === 2 && tasks.failed === 1);
  await submit(person, [{ id: 'works', run: untilThere('go', person), agents: [1] }]);
  await untilStatus(
    person,
    'one works and one rests',
    (status) => agentsIn(status, 'busy').length === 1 && agentsIn(status, 'idle').length === 1,
  );
  return controller;
}

describeWith(['tmux'], 'what a person types', () => {
  it('for an agent is its number, its window, a task that it works on, or the node that has no other', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    expect(await person.fleet('attach', '1')).toMatchObject({ exit: 2, err: expect.stringContaining('no agents yet') });
    await aDesk(person);
    for (const word of ['1', '001', `${person.name}-001`, 'works']) expect(await attached(person, word)).toBe(1);
    const refused = async (word: string) => {
      const { exit, err } = await person.fleet('attach', word);
      return `${exit} ${err}`;
    };
    expect(await refused('here')).toMatch(/^2 fleet: here has 2 agents: 1-2\n.*fleet attach 1/);
    expect(await refused('done')).toMatch(
      /^4 fleet: no agent works on done: it is completed; agent \d worked on it last\n.*fleet logs done/,
    );
    expect(await refused('nobody')).toMatch(
      /^2 fleet: there is no agent nobody, and no task or node.*\n.*Agents are 1-2/,
    );
    expect(await refused('77')).toMatch(/^2 fleet: there is no agent 77/);
  });

  it('a second time, with the same tasks, runs nothing anew, and says so', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const input = 'tasks: [{ id: once, run: "echo ran >> ran" }]';
    const first = await person.begin(['run', '-'], { input }).ended;
    expect(first).toMatchObject({ exit: 0, err: expect.not.stringContaining('before') });
    const again = await person.begin(['run', '-'], { input }).ended;
    expect(again).toMatchObject({ exit: 0, err: expect.stringContaining('1 task was handed in before') });
    expect(again.err).toContain('fleet retry once, or another id');
    expect((await showOf(person, 'once')).attempts).toHaveLength(1);
  });

  it('for one thing is understood by show, logs and explain alike; a task’s id is never taken for an agent', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    await aDesk(person);
    for (const word of ['1', '001', `${person.name}-001`]) {
      expect((await person.ask(OPERATIONS.show.output, 'show', word)).agent).toMatchObject({
        number: 1,
        task: 'works',
      });
      expect((await person.fleet('logs', word)).out).toBe('works by 1\n');
      const { lines } = await person.ask(OPERATIONS.explain.output, 'explain', word);
      expect(lines.join('\n')).toMatch(
        /^Agent 1 \(on here, for \S+ tasks, command by default\) is busy: .*\nIt works on works\.\nTask works is running/,
      );
    }
    expect((await person.ask(OPERATIONS.show.output, 'show', '2')).task).toMatchObject({ id: '2' });
    const { lines } = await person.ask(OPERATIONS.explain.output, 'explain', 'here');
    expect(lines.slice(0, 3)).toEqual([
      expect.stringMatching(/^Node here is up: /),
      'Its agents: 1-2.',
      'Agent 1 works on works.',
    ]);
    expect(await person.fleet('explain', 'nobody')).toMatchObject({ exit: 2 });
    expect((await person.fleet('pause', `${person.name}-001,2`)).err).toContain('pause: agent 1, 2');
  });
});

describeWith(['tmux'], 'a dry run', () => {
  it('promises what would really be done, and is refused where that would be', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    const controller = await aDesk(person);
    const dry = async (...words: string[]) => {
      const { exit, out, err } = await person.fleet(...words, '--dry-run');
      expect(out).toBe('');
      return `${exit} ${err}`;
    };
    expect(await dry('cancel', 'works', 'done')).toMatch(/^0 [\s\S]*would cancel works \(running\)/);
    expect(await dry('cancel', 'done')).toMatch(/^0 done has ended already \(completed\)/);
    expect(await dry('retry', 'fails')).toMatch(/^0 would try again fails \(failed\)\n$/);
    expect(await dry('retry', 'works')).toMatch(/^4 .*works is running/);
    expect(await dry('restart', 'all')).toMatch(/^0 would restart: agent 1, 2\n {2}agent 2 has no task/);
    const tell = (...words: string[]) => person.fleet('tell', 'all', ...words, '--', 'hello');
    const [wouldTell, told] = [await tell('--dry-run'), await tell()];
    expect(wouldTell).toMatchObject({ exit: 4, err: expect.stringContaining('agent 1 had no conversation yet') });
    expect(told).toEqual(wouldTell);
    expect(await dry('reload')).toMatch(/^0 node here: 2 agents of at most \d+[\s\S]*So it is read here/);
    person.write('fleet.yaml', JSON.stringify({ nodes: [{ name: 'other', local: true }] }));
    const home = ['--home', person.state];
    expect(await dry('reload', ...home)).toMatch(
      /^4 fleet: a node at work cannot leave the fleet: 1 attempt runs on here/,
    );
    controller.signal('SIGTERM');
    await controller.ended;
    expect(await dry('reload', ...home)).toMatch(/^3 .*no controller runs/);
    expect(await dry('retry', ...home, 'fails')).toContain('No controller runs: it would wait until fleet start.');
  });
});

describeWith(['tmux'], 'what is shown', () => {
  it('explains unknown where no controller looks, and does not count one thing as several', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const controller = await person.start();
    await submit(person, [{ id: 'only', run: 'true' }]);
    await untilStatus(person, 'its end', (status) => countOf(status).completed === 1);
    expect((await person.fleet('status')).out).not.toMatch(/^unknown: /m);
    expect((await person.fleet('wait')).out).toBe('No task was open: there was nothing to wait for.\n');
    expect((await person.fleet('wait', 'only')).out).toContain(' by 1 agent, ');
    controller.signal('SIGTERM');
    await controller.ended;
    expect((await person.fleet('status')).out).toMatch(/\n\nunknown: nobody hears of it now/);
  });
});
