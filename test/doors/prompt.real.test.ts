import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { Results } from '../../controller/operations/results.ts';
import { nastyText } from '../agent/tools/rig.ts';
import { describeWith, program } from '../support/capability.ts';
import { anEndpoint } from './endpoint.ts';
import { aPerson, tasksText } from './person.ts';

/** What the model is sent, as far as it is the user's words. */
const Body = z.looseObject({
  input: z.array(
    z.looseObject({
      role: z.string().optional(),
      content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })).optional(),
    }),
  ),
});

const PROMPT = `--help $(id) \`id\`\n${nastyText()}\n\n  日本語の終わり "'\\`;

describeWith(['tmux'], 'a prompt of 100 KB with all that a shell could stumble on', () => {
  it('arrives byte for byte on a command’s standard input and in its prompt file', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    expect(Buffer.byteLength(PROMPT)).toBeGreaterThan(100_000);
    const run = `cat > ${person.desk}/stdin; cat "$FLEET_PROMPT_FILE" > ${person.desk}/file; wc -c < "$FLEET_PROMPT_FILE"`;
    const input = tasksText([{ id: 'nasty', prompt: PROMPT, run }]);
    const said = await person.begin(['run', '-', '--json'], { input }).ended;
    expect(said).toMatchObject({ exit: 0 });
    expect(Results.parse(JSON.parse(said.out)).results[0]?.answer).toBe(String(Buffer.byteLength(PROMPT)));
    for (const file of ['stdin', 'file']) expect(readFileSync(join(person.desk, file), 'utf8') === PROMPT).toBe(true);
  });

  it('is refused for a NUL in it, with exit 2 and where it is, and nothing begins', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const raw = await person.fleet('run', person.write('raw.md', 'First line.\nSecond \0 line.\n'));
    expect(raw).toMatchObject({ exit: 2, out: '', err: expect.stringMatching(/raw\.md:2:8\b.*NUL/) });
    const written = person.write('written.yaml', 'tasks:\n  - id: one\n    prompt: "a\\0b"\n    run: cat\n');
    const escaped = await person.fleet('run', written);
    expect(escaped).toMatchObject({ exit: 2, out: '', err: expect.stringMatching(/written\.yaml:3:13\b.*NUL/) });
    const piped = await person.begin(['submit', '-'], { input: tasksText([{ id: 'one', prompt: 'a\0b', run: 'cat' }]) })
      .ended;
    expect(piped).toMatchObject({ exit: 2, out: '', err: expect.stringMatching(/-:1:\d+\b.*NUL/) });
    expect((await person.fleet('list', 'tasks', '--json')).out).toBe('{"version":1,"tasks":[]}\n');
  });
});

describeWith(['tmux', 'codex'], 'a prompt of 100 KB through the real Codex CLI', () => {
  it('arrives at the model as it was written', async (context) => {
    const endpoint = await anEndpoint(context);
    const person = await aPerson(context, { agents: 1, env: { FLEET_KIND: 'codex' } });
    const codex = { program: program('codex'), sandbox: 'read-only', endpoint: endpoint.url };
    person.write('fleet.yaml', JSON.stringify({ kinds: { codex } }));
    const said = await person.fleet(
      'run',
      person.write('tasks.json', tasksText([{ id: 'nasty', prompt: PROMPT }])),
      '--json',
    );
    expect(said).toMatchObject({ exit: 0 });
    const [first] = endpoint.seen;
    const { input } = Body.parse(JSON.parse(first?.body ?? '{}'));
    const words = input.flatMap(({ role, content }) =>
      role === 'user' ? (content ?? []).map(({ text }) => text) : [],
    );
    expect(words.filter((text) => text === PROMPT)).toHaveLength(1);
  });
});
