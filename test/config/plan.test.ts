import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { loadTasks } from '../../controller/config/plan.ts';
import { refusal, scratch } from './scratch.ts';

async function idsOf(cwd: string, paths: string[], stdin = ''): Promise<string[]> {
  const plan = await loadTasks({ paths, cwd, stdin: Readable.from([Buffer.from(stdin)]) });
  return plan.tasks.map(({ id }) => id);
}

describe('tasks are handed in', () => {
  test('as a folder: its task files by name, no README, nothing hidden, nothing below', async () => {
    const cwd = await scratch();
    await mkdir(join(cwd, 'jobs/below'), { recursive: true });
    for (const name of ['02-b.md', '01-a.md', 'README.md', '.hidden.md', 'notes.txt', 'below/x.md']) {
      await writeFile(join(cwd, 'jobs', name), 'do it');
    }
    await writeFile(join(cwd, 'jobs/03.yaml'), '- { id: c, prompt: x }\n');
    await writeFile(join(cwd, 'jobs/04.json'), '[{"id": "d", "prompt": "x"}]');
    expect(await idsOf(cwd, ['jobs'])).toEqual(['01-a', '02-b', 'c', 'd']);
    expect(await idsOf(cwd, ['jobs/README.md', 'jobs/02-b.md', 'jobs/02-b.md'])).toEqual(['README', '02-b']);
  });

  test('on standard input as YAML, as JSON, and as Markdown with front matter', async () => {
    const cwd = await scratch();
    expect(await idsOf(cwd, ['-'], '- { id: a, prompt: x }\n')).toEqual(['a']);
    expect(await idsOf(cwd, ['-'], '{"tasks": [{"id": "b", "prompt": "x"}]}')).toEqual(['b']);
    expect(await idsOf(cwd, ['-'], '---\nid: c\n---\ndo it\n')).toEqual(['c']);
    expect(await idsOf(cwd, ['-'], '---\n- { id: d, prompt: x }\n')).toEqual(['d']);
  });
});

describe('tasks are refused', () => {
  test('with every problem of every path, and nothing is half-read', async () => {
    const cwd = await scratch({
      'ok.md': 'x',
      'bad.yaml': '- { prompt: x, foo: 1 }\n',
      'latin.md': Buffer.from('caf\xe9', 'latin1'),
    });
    await mkdir(join(cwd, 'empty'));
    const paths = ['ok.md', 'none.md', 'empty', 'bad.yaml', 'latin.md', '-'];
    const { code, lines } = await refusal(idsOf(cwd, paths, '- a\n'));
    expect(code).toBe('plan-invalid');
    expect(lines).toEqual([
      'none.md: expected a task file or a folder of them (there is none)',
      'empty: expected task files in it: *.md, *.yaml, *.yml or *.json (there are none)',
      'latin.md:1:4: expected UTF-8 text (other bytes were given)',
      'bad.yaml:1:16 [0].foo: unknown key',
      '-:1:3 [0]: expected a map (name: value) (given: "a")',
    ]);
  });

  test('as a circle when circles are all that is wrong', async () => {
    const cwd = await scratch({ 'a.md': '---\nneeds: [b]\n---\nx', 'b.md': '---\nneeds: [a]\n---\nx' });
    expect(await refusal(idsOf(cwd, ['a.md', 'b.md']))).toEqual({
      code: 'cycle',
      lines: ['a.md:2:9 needs: expected no circle: a → b → a'],
    });
    expect((await refusal(idsOf(cwd, ['a.md', 'b.md', 'c.md']))).code).toBe('plan-invalid');
  });

  test('when standard input does not end', async () => {
    const cwd = await scratch();
    const chunk = Buffer.alloc(1_048_576, 'x');
    async function* endless() {
      for (;;) yield chunk;
    }
    const { lines } = await refusal(loadTasks({ paths: ['-'], cwd, stdin: endless() }));
    expect(lines).toEqual(['-:1:1: expected at most 8388608 bytes']);
  });
});
