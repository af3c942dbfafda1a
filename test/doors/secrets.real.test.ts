import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { describeWith, program } from '../support/capability.ts';
import { anEndpoint } from './endpoint.ts';
import { aPerson, type Person, screenOf, submit, untilStatus, windowsOf } from './person.ts';

const SAMPLE_MS = 20;

/** Everything below a folder. */
function below(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
}

const filesBelow = (folder: string) => below(folder).filter((path) => lstatSync(path).isFile());

function processes(): { pid: number; words: string; environment: string }[] {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'latin1');
    } catch {
      return ''; // it ended meanwhile
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid: Number(pid), words: read(pid, 'cmdline'), environment: read(pid, 'environ') }));
}

/** Looks at all processes again and again: words that held the text, and whose environment did. */
function sample(text: string) {
  const found = { looks: 0, words: [] as string[], holders: new Set<string>() };
  const timer = setInterval(() => {
    found.looks += 1;
    for (const { words, environment } of processes()) {
      if (words.includes(text)) found.words.push(words);
      if (environment.includes(text)) found.holders.add(words.replaceAll('\0', ' ').slice(0, 300));
    }
  }, SAMPLE_MS);
  return { found, end: () => clearInterval(timer) };
}

/** Everything that the reading subcommands print. */
async function readAll(person: Person, tasks: readonly string[]): Promise<string> {
  const calls = [
    ...['nodes', 'agents', 'tasks'].map((what) => ['list', what]),
    ...tasks.flatMap((task) => [
      ['show', task],
      ['explain', task],
      ['logs', task],
      ['logs', task, '--raw'],
      ['logs', task, '--err'],
    ]),
    ...[['status'], ['explain'], ['doctor'], ['config', 'show', '--origin'], ['show', 'here'], ['show', '1']],
  ];
  const texts: string[] = [];
  for (let index = 0; index < calls.length; index += 4) {
    const asked = calls
      .slice(index, index + 4)
      .map((words) => person.fleet(...words, ...(words[0] === 'logs' ? [] : ['--json'])));
    for (const { out, err } of await Promise.all(asked)) texts.push(out, err);
  }
  return texts.join('\n');
}

describeWith(['tmux', 'codex'], 'a key', () => {
  it('is used by the tool, and is in no argument, file, window, log or message', async (context) => {
    const canary = `sk-proj-${randomBytes(24).toString('hex')}`;
    const endpoint = await anEndpoint(context);
    const person = await aPerson(context, { agents: 2, env: { FLEET_KIND: 'codex' } });
    const codex = { program: program('codex'), sandbox: 'danger-full-access', endpoint: endpoint.url };
    person.write('fleet.yaml', JSON.stringify({ kinds: { codex } }));
    const sampling = sample(canary);
    context.onTestFinished(sampling.end);
    const controller = person.begin(['start'], { env: { OPENAI_API_KEY: canary } });
    await untilStatus(person, 'the windows', () => windowsOf(person).length === 2);
    const screen = screenOf(context, person, 1);
    const block = '```sh\nenv | sort; echo "looked around"\n```';
    await submit(person, [
      { id: 'first', prompt: `Look around.\n\n${block}\n` },
      { id: 'second', prompt: `Look around again.\n\n${block}\n` },
      { id: 'refused', prompt: 'This one is not let in.' },
    ]);
    const waited = await person.fleet('wait', 'first', 'second', 'refused', '--json');
    expect(waited).toMatchObject({ exit: 3 });
    const { results } = Results.parse(JSON.parse(waited.out));
    expect(results).toMatchObject([
      { state: 'completed', answer: expect.stringContaining('looked around') },
      { state: 'completed' },
      { state: 'parked', attempts: 1, error: expect.stringContaining('the model provider refused the key') },
    ]);
    const keys = new Set(endpoint.seen.map(({ authorization }) => authorization));
    expect([...keys]).toEqual([`Bearer ${canary}`]);

    sampling.end();
    const printed = await readAll(person, ['first', 'second', 'refused']);
    const windows = screen();
    controller.signal('SIGTERM');
    const said = await controller.ended;
    expect(sampling.found.looks).toBeGreaterThan(50);
    expect(sampling.found.words).toEqual([]);
    // In an environment only the controller’s and the tool’s: neither the node’s program nor the windows ever have it.
    const holders = [...sampling.found.holders];
    expect(holders.some((words) => words.includes('codex exec'))).toBe(true);
    expect(holders.filter((words) => /^(bash|tmux|tail|jq|sleep) /.test(words))).toEqual([]);
    expect(windows).toContain('looked around');
    const texts = { printed, windows, waited: waited.out + waited.err, said: said.out + said.err };
    expect(
      Object.entries(texts)
        .filter(([, text]) => text.includes(canary))
        .map(([name]) => name),
    ).toEqual([]);
    const files = filesBelow(person.home);
    expect(files.length).toBeGreaterThan(50);
    expect(
      files.filter((path) => readFileSync(path).includes(canary)).map((path) => relative(person.home, path)),
    ).toEqual([]);
  });

  it('that is missing parks the task and is asked for by name, and everything of ours is its owner’s alone', async (context) => {
    const endpoint = await anEndpoint(context);
    const person = await aPerson(context, { agents: 1 });
    const keyed = { tool: 'command', run: 'echo used', env: { KEY: { from: 'file', path: 'key' } } };
    const codex = { program: program('codex'), sandbox: 'danger-full-access', endpoint: endpoint.url };
    person.write('fleet.yaml', JSON.stringify({ kinds: { keyed, codex } }));
    await person.start('--kind', 'codex');
    await submit(person, [
      { id: 'keyed', kind: 'keyed', prompt: 'x' },
      { id: 'plain', prompt: 'Say hello.' },
    ]);
    await untilStatus(person, 'both are settled', ({ tasks }) => tasks.parked === 1 && tasks.completed === 1);
    expect((await person.fleet('explain', 'keyed')).out).toContain('keyed.env.KEY');
    await untilStatus(person, 'the window', () => windowsOf(person).length === 1);
    const ours = [...below(person.root), ...below(join(person.desk, '.fleet'))].filter(
      (path) => !/\/agents\/\d+\/(work|tmp|codex)(\/|$)/.test(path), // an agent's own; its folder is closed
    );
    const open = ours.filter((path) => (lstatSync(path).mode & 0o077) !== 0);
    expect(open.map((path) => relative(person.home, path))).toEqual([]);
    const modes = new Set(
      ours.map((path) => [lstatSync(path).isDirectory(), (lstatSync(path).mode & 0o777).toString(8)].join()),
    );
    expect([...modes].sort()).toEqual(['false,600', 'true,700']);
    for (const folder of [person.root, join(person.home, '.miyabi'), join(person.desk, '.fleet')])
      expect((lstatSync(folder).mode & 0o777).toString(8)).toBe('700');
  });
});
