import { expect, it } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { tell } from '../../controller/operations/tell.ts';
import { describeWith, program } from '../support/capability.ts';
import { anEndpoint } from './endpoint.ts';
import { aPerson, submit, taskOf, untilStatus } from './person.ts';

describeWith(['tmux', 'codex'], 'what a person tells an agent', () => {
  it('is the next turn of its conversation, with the real Codex CLI', async (context) => {
    const endpoint = await anEndpoint(context);
    const person = await aPerson(context, { agents: 2, env: { FLEET_KIND: 'codex' } });
    const codex = { program: program('codex'), sandbox: 'read-only', endpoint: endpoint.url };
    person.write('fleet.yaml', JSON.stringify({ kinds: { codex } }));
    await person.start();
    await submit(person, [{ id: 'first', prompt: 'Remember the heron.', agents: [2] }]);
    expect((await person.ask(Results, 'wait', 'first')).results).toMatchObject([{ state: 'completed', agent: 2 }]);
    const said = await person.fleet('tell', '2', '--json', '--', 'And now,', 'which bird?');
    const { told } = tell.output.parse(JSON.parse(said.out));
    expect(told).toMatchObject([{ agent: 2 }]);
    const [task] = told.map((each) => each.task);
    expect((await person.ask(Results, 'wait', task ?? '')).results).toMatchObject([{ state: 'completed', agent: 2 }]);
    const last = endpoint.seen.at(-1)?.body ?? '';
    expect(last).toContain('Remember the heron.'); // the whole conversation is there
    expect(last).toContain('And now, which bird?');
  });

  it('is refused, for all of them, when one has no conversation; nothing is queued', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    await person.start();
    await untilStatus(person, 'agents are there', ({ agents }) => agents.length === 2);
    await submit(person, [{ id: 'plain', run: 'echo hello', agents: [1] }]);
    await person.ask(Results, 'wait', 'plain');
    const said = await person.fleet('tell', 'all', '--', 'hello');
    expect(said).toMatchObject({ exit: 4, err: expect.stringMatching(/agent 1 had no conversation yet, agent 2/) });
    expect((await taskOf(person, 'plain'))?.state).toBe('completed');
    expect((await person.fleet('list', 'tasks')).out).not.toContain('tell-');
  });
});
