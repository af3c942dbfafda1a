import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'vitest';
import { Secret } from '../../controller/secret.ts';
import { describeWith } from '../support/capability.ts';
import { aNodeWith, type Greeted, processesWith, type TestNode, until } from './ground.ts';

const EVENTS = [
  { type: 'thread.started', thread_id: '0199-thread' },
  { type: 'item.started', item: { type: 'command_execution', command: "/bin/bash -lc 'npm test'" } },
  { type: 'item.completed', item: { type: 'agent_message', text: 'I mended the 日本語 parser.' } },
];
const CODEX = [...EVENTS.map((event) => `echo '${JSON.stringify(event).replaceAll("'", "'\\''")}'`)].join('\n');
const LATER = `echo '${JSON.stringify({ type: 'item.completed', item: { type: 'agent_message', text: 'And now it is later.' } })}'`;

/** A person's own tmux, with an agent's window attached inside. */
function attach(context: TestContext, node: TestNode, session: string) {
  const env = {
    PATH: process.env.PATH,
    HOME: node.home,
    LC_ALL: 'C.UTF-8',
    TMUX_TMPDIR: node.home,
    TERM: 'xterm-256color',
    SHELL: '/bin/sh',
  };
  const outer = (...words: string[]) =>
    execFileSync('tmux', ['-L', 'outer', ...words], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  outer(
    '-f',
    '/dev/null',
    'new-session',
    '-d',
    '-x',
    '160',
    '-y',
    '50',
    `tmux -S ${join(node.root, 'tmux.sock')} attach -t =${session}`,
  );
  context.onTestFinished(() => {
    if (processesWith(`TMUX_TMPDIR=${node.home}`).length > 0) outer('kill-server');
  });
  return {
    press: (...keys: string[]) => outer('send-keys', ...keys),
    shows: (text: string) => until(`${text} on the screen`, () => outer('capture-pane', '-p').includes(text)),
    screen: () => outer('capture-pane', '-p', '-S', '-'),
  };
}

async function sessionsAre(here: Greeted, names: readonly string[]): Promise<void> {
  await until(`sessions ${names.join(' ')}`, () => {
    const last = here.reports.findLast(({ is }) => is === 'sessions');
    return last?.is === 'sessions' && [...(last.names ?? [])].toSorted().join() === names.join();
  });
}

const inner = (node: TestNode, ...words: string[]) =>
  execFileSync('tmux', ['-S', join(node.root, 'tmux.sock'), ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

describeWith(['tmux', 'jq'], 'the window of an agent', () => {
  test.concurrent('shows its work readably to a person who attaches, and no key that is pressed there harms it', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const names = [`${node.fleet}-001`, `${node.fleet}-002`];
    await here.link.openSessions(names);
    await here.link.openSessions(names);
    await sessionsAre(here, names);
    const attempt = await here.start(`${CODEX}\nuntil [ -e go ]; do sleep 0.1; done; ${LATER}; exec sleep 1000`, {
      tool: 'codex',
      prompt: 'Please mend the parser.',
      secrets: { KEY: new Secret('s3cret-in-the-window') },
    });
    const person = attach(context, node, names[0] ?? '');
    for (const text of ['Please mend the parser.', '$ npm test', 'I mended the 日本語 parser.'])
      await person.shows(text);
    context.expect(person.screen()).not.toContain('agent_message');
    person.press('C-c', 'C-c', 'C-z', 'C-\\', 'C-d', 'q', 'Enter');
    await here.start(':> ../../001/work/go', { agent: 2 });
    await person.shows('And now it is later.');
    context
      .expect(person.screen() + inner(node, 'capture-pane', '-p', '-S', '-', '-t', `=${names[0]}:`))
      .not.toContain('s3cret');
    context.expect(inner(node, 'list-sessions', '-F', '#{session_name}').trim().split('\n')).toEqual(names);
    context.expect(here.records.filter((record) => record.is === 'end' && record.attempt === attempt)).toEqual([]);
  });

  test.concurrent('is remade after the tmux server was killed, and the work never noticed', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const names = [`${node.fleet}-001`, `${node.fleet}-002`];
    await here.link.openSessions(names);
    const attempt = await here.start(`echo begun; until [ -e go ]; do sleep 0.1; done; echo done`);
    await here.said(attempt, 'begun');
    await sessionsAre(here, names);
    inner(node, 'kill-server');
    await sessionsAre(here, []);
    await here.link.openSessions(names);
    await sessionsAre(here, names);
    const person = attach(context, node, names[0] ?? '');
    await person.shows('begun');
    await here.start(':> ../../001/work/go', { agent: 2 });
    context.expect(await here.ended(attempt)).toMatchObject({ how: 'exited', exit: 0 });
    await person.shows('done');
    await here.link.closeSessions(names);
    await sessionsAre(here, []);
  });

  test.concurrent('costs nothing while nobody looks, also after somebody has', async (context) => {
    const node = await aNodeWith(context);
    const here = await node.greet();
    const name = `${node.fleet}-001`;
    await here.link.openSessions([name]);
    const attempt = await here.start('echo begun; exec sleep 1000');
    await here.said(attempt, 'begun');
    const command = () => inner(node, 'list-panes', '-t', `=${name}`, '-F', '#{pane_current_command}').trim();
    await until('a sleeping window', () => command() === 'sleep');
    const person = attach(context, node, name);
    await person.shows('begun');
    person.press('C-b', 'd');
    await until('a sleeping window again', () => command() === 'sleep');
    context.expect(processesWith(`${here.file(attempt)}.out`)).toEqual([]);
  });
});
