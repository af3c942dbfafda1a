import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { until } from '../bootstrap/ground.ts';
import { describeWith, have, program } from '../support/capability.ts';
import { findProgram } from '../support/machine.ts';
import { ROOT } from '../support/sources.ts';
import { aPerson, type Person, submit, untilStatus } from './person.ts';

const ZSH = findProgram('zsh');
const COMMAND = join(ROOT, 'bin/fleet');

const FILE = JSON.stringify({
  nodes: [{ name: 'here', local: true, labels: ['desk'] }],
  agents: { count: 3, kind: 'command', categories: { coding: 2, サポート: 1 } },
  kinds: { lint: { tool: 'command', run: 'true' }, '$(touch pwned)': {} },
});
const GOOD_FILE = FILE.replace(',"$(touch pwned)":{}', '');

/** A person at a desk with three agents, tasks in several states, and `fleet` in PATH. */
async function aDesk(): Promise<{ person: Person; end: () => Promise<void> }> {
  const ends: (() => unknown)[] = [];
  const onEnd = { onTestFinished: (end: () => unknown) => void ends.push(end) }; // at the end of the file
  const env = { FLEET_AGENTS: undefined, FLEET_KIND: undefined };
  const person = await aPerson(onEnd as unknown as TestContext, { env });
  person.write('fleet.yaml', GOOD_FILE);
  const bin = join(person.home, 'bin');
  mkdirSync(bin);
  symlinkSync(COMMAND, join(bin, 'fleet'));
  const path = [bin, ...(ZSH ? [dirname(ZSH)] : []), process.env.PATH].join(':');
  Object.assign(person.env, { PATH: path });
  const controller = await person.start();
  const tasks = [
    { id: 'docs-good', title: 'Write: it\tdown', run: 'true' },
    { id: 'docs-bad', run: 'exit 1', retries: 0 },
  ];
  await submit(person, tasks);
  await untilStatus(person, 'both ended', ({ tasks: { completed, failed } }) => completed + failed === 2);
  await untilStatus(person, 'all rest', ({ agents }) => agents.every(({ state }) => state === 'idle'));
  controller.signal('SIGTERM');
  await controller.ended;
  return {
    person,
    end: async () => {
      for (const end of ends.reverse()) await end();
    },
  };
}

describeWith(['tmux'], 'what may stand at the cursor', () => {
  let desk: Awaited<ReturnType<typeof aDesk>>;
  beforeAll(async () => {
    desk = await aDesk();
  });
  afterAll(() => desk?.end());

  const complete = async (...words: string[]) => {
    const { exit, out, err } = await desk.person.fleet('complete', '--', ...words);
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    return out.split('\n').filter((line) => line !== '');
  };
  const values = async (...words: string[]) => (await complete(...words)).map((line) => line.split('\t')[0]);

  it('is told of agents, nodes, tasks and kinds as they are now, by what they have in common too', async () => {
    const selections = ['all', 'node:here', 'category:coding', 'category:サポート', 'state:idle'];
    expect(await values('pause', '')).toEqual([...selections, '1', '2', '3']);
    expect(await values('tell', '1,state:')).toEqual(['1,state:idle']);
    expect(await values('attach', '')).toEqual(['docs-bad', 'docs-good', '1', '2', '3', 'here']);
    expect(await values('exec', '')).toEqual(['all', 'here', 'label:desk']);
    expect(await complete('show', 'docs-')).toEqual(['docs-bad\tfailed', 'docs-good\tcompleted: Write: it down']);
    expect(await values('retry', '')).toEqual(['docs-bad']);
    expect(await values('cancel', '')).toEqual([]);
    expect(await values('start', '--kind', '')).toEqual(['lint', 'codex', 'claude', 'command']);
    expect(await values('start', '--kind=l')).toEqual(['--kind=lint']);
  });

  it('is nothing, without a word and without an error, where nothing can be known', async () => {
    expect(await complete('pause', '--home', '/nonexistent', '')).toEqual(['all']);
    expect(await complete('pause', '--file', '/nonexistent/fleet.yaml', '')).toEqual(['all']);
    expect(await complete('exec', '--file', desk.person.write('broken.yaml', '{{{'), '')).toEqual([
      'all',
      'here\tnode',
    ]);
    expect(await complete('frobnicate', '')).toEqual([]);
    expect(await complete('cancel', '--no-such', '')).toEqual([]);
    expect(await complete()).not.toEqual([]);
    const deaf = desk.person.write('state/ledger.db', 'no ledger');
    expect(await complete('show', '--home', dirname(deaf), '')).toEqual([]);
  });

  it('is never what a shell would obey, whatever stands in the fleet file', async () => {
    const hostile = desk.person.write('hostile.yaml', FILE);
    expect(await values('start', '--file', hostile, '--kind', '')).toEqual(['lint', 'codex', 'claude', 'command']);
  });

  describe('in bash', () => {
    /** What bash would put into the line; words as readline parts them, at `:` and `=` too. */
    const replies = (line: string, words: readonly string[]): string[] => {
      const script = [
        'eval "$(fleet completion bash)"; line=$1; shift',
        'COMP_LINE=$line COMP_POINT=9999 COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))',
        `_fleet 2>&1; printf '%s\\n' "\${COMPREPLY[@]}"`,
      ];
      const { env, desk: cwd } = desk.person;
      const said = spawnSync('bash', ['-c', script.join('\n'), 'bash', line, ...words], { env, cwd, encoding: 'utf8' });
      expect(said.stderr).toBe('');
      return said.stdout.split('\n').filter((text) => text !== '');
    };

    it('subcommands, flags, their values and selections complete, also after : and =', () => {
      expect(replies('fleet resu', ['fleet', 'resu'])).toEqual(['resume']);
      expect(replies('fleet  list  tasks --st', ['fleet', 'list', 'tasks', '--st'])).toEqual(['--state']);
      expect(replies('fleet list --state fa', ['fleet', 'list', '--state', 'fa'])).toEqual(['failed']);
      expect(replies('fleet pause 1,state:i', ['fleet', 'pause', '1,state', ':', 'i'])).toEqual(['idle']);
      expect(replies('fleet pause category:', ['fleet', 'pause', 'category', ':'])).toEqual(['coding', 'サポート']);
      expect(replies('fleet start --kind=l', ['fleet', 'start', '--kind', '=', 'l'])).toEqual(['lint']);
      expect(replies('~/bin/fleet show doc', ['~/bin/fleet', 'show', 'doc'])).toEqual(['docs-bad', 'docs-good']);
    });

    it.skipIf(!have('shellcheck'))('the script is clean (needs shellcheck)', async () => {
      const path = desk.person.write('completion.sh', (await desk.person.fleet('completion', 'bash')).out);
      expect(spawnSync(program('shellcheck'), ['-s', 'bash', path], { encoding: 'utf8' })).toMatchObject({
        stdout: '',
        status: 0,
      });
    });

    it('a Tab pressed in a terminal completes the word, and file names where files are meant', async () => {
      const screen = await aScreen(['bash', '--norc', '--noprofile', '-i'], 'eval "$(fleet completion bash)"');
      screen.type('fleet pause category:cod', 'Tab');
      await until('the category', () => screen.shows(/fleet pause category:coding$/m));
      screen.type('C-u');
      desk.person.write('my plan.yaml', '[]');
      screen.type('fleet run my', 'Tab');
      await until('the file', () => screen.shows(/fleet run my\\ plan\.yaml/));
    });
  });

  describe.skipIf(!have('fish'))('in fish (needs fish)', () => {
    const fish = (line: string): string[] => {
      const script = `fleet completion fish | source; complete -C ${JSON.stringify(line)}`;
      const { env, desk: cwd } = desk.person;
      const said = spawnSync(program('fish'), ['--no-config', '-c', script], { env, cwd, encoding: 'utf8' });
      expect(said.stderr).toBe('');
      return said.stdout.split('\n').filter((text) => text !== '');
    };

    it('subcommands, flags, their values, selections and files complete, with what they are', () => {
      expect(fish('fleet pau')).toEqual(['pause\tGives agents no new task; what they do goes on']);
      expect(fish('fleet list tasks --st')[0]).toMatch(/^--state\t/);
      expect(fish('fleet list --state fa')).toEqual(['failed']);
      expect(fish('fleet pause 1,state:')).toEqual(['1,state:idle']);
      expect(fish('fleet show docs-b')).toEqual(['docs-bad\tfailed']);
      desk.person.write('tasks/one.md', 'x');
      expect(fish('fleet run tas').map((line) => line.split('\t')[0])).toEqual(['tasks/']);
    });
  });

  const asFile =
    'mkdir ~/zfun; fleet completion zsh > ~/zfun/_fleet; fpath=(~/zfun $fpath); autoload -U compinit; compinit -u -D';
  const asText = 'autoload -U compinit; compinit -u -D; eval "$(fleet completion zsh)"';
  it.skipIf(ZSH === undefined).each([
    ['as a file', asFile],
    ['as text', asText],
  ])('completes in zsh when Tab is pressed, loaded %s (needs zsh)', async (_, load) => {
    const screen = await aScreen([ZSH ?? 'zsh', '-f', '-i'], load);
    screen.type('fleet pause category:cod', 'Tab');
    await until('the category', () => screen.shows(/fleet pause category:coding/));
    screen.type('C-u', 'fleet retry ', 'Tab');
    await until('the task', () => screen.shows(/fleet retry docs-bad/));
    screen.type('C-u', 'fleet run fleet.y', 'Tab');
    await until('the file', () => screen.shows(/fleet run fleet\.yaml/));
  });

  /** A shell in a terminal; `load` is typed first. */
  async function aScreen(shell: readonly string[], load: string) {
    const { home, desk: cwd, env } = desk.person;
    const socket = join(home, `${shell[0]?.split('/').at(-1)}.sock`);
    const tmux = (...words: string[]) =>
      spawnSync('tmux', ['-S', socket, ...words], { env: { ...env, TERM: 'xterm' }, cwd, encoding: 'utf8' }).stdout;
    tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'screen', '-x', '120', '-y', '40', '-c', cwd, ...shell);
    onTestFinished(() => void tmux('kill-server'));
    const shown = () => tmux('capture-pane', '-p', '-t', 'screen');
    tmux('send-keys', '-t', 'screen', `${load}; PS1="ready> "; clear`, 'Enter');
    await until('the shell', () => /^ready>$/.test(shown().trim()));
    return {
      type: (...keys: string[]) => {
        for (const key of keys) tmux('send-keys', '-t', 'screen', key);
      },
      shows: (pattern: RegExp) => pattern.test(shown()),
    };
  }
});
