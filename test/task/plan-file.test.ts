import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printProblems } from '../../controller/config/check.ts';
import { splitFrontMatter } from '../../controller/task/front-matter.ts';
import { type Plan, type PlanText, readPlan } from '../../controller/task/plan-file.ts';

const yaml = (text: string, file = 'plan.yaml'): PlanText => ({ file, text, format: 'yaml' });
const markdown = (text: string, file = 'do.md'): PlanText => ({ file, text, format: 'markdown' });

function planOf(...texts: PlanText[]): Plan {
  const reading = readPlan(texts);
  if (reading.is === 'bad') throw new Error(printProblems(reading.problems));
  return reading.plan;
}

function saidOf(...texts: PlanText[]): string[] {
  const reading = readPlan(texts);
  return reading.is === 'bad' ? printProblems(reading.problems).split('\n') : [];
}

describe('a task file is read', () => {
  test('as a list below tasks, as a bare list, and as JSON', () => {
    for (const text of ['tasks:\n  - prompt: do it\n', '- prompt: do it\n', '{\n\t"tasks": [{"prompt": "do it"}]\n}']) {
      expect(planOf(yaml(text)).tasks).toEqual([{ id: 'task-1', prompt: 'do it' }]);
    }
  });

  test('with priorities as numbers and durations as seconds', () => {
    const { tasks } = planOf(
      yaml('- { id: a, prompt: x, priority: high, timeout: 1h30m }\n- { id: b, prompt: x, priority: P0 }\n'),
    );
    expect(tasks.map(({ priority, timeout }) => [priority, timeout])).toEqual([
      [1, 5400],
      [0, undefined],
    ]);
  });

  test('as Markdown: fields as front matter, the text below as the prompt, byte for byte', () => {
    const { tasks } = planOf(
      markdown('---\ntitle: T\nneeds: []\n---\n\n  \n# Do\r\n\n---\nend  ', 'tasks/01 do this.md'),
    );
    expect(tasks).toEqual([{ id: '01-do-this', title: 'T', needs: [], prompt: '# Do\r\n\n---\nend  ' }]);
  });

  test('as Markdown without front matter: all of it is the prompt', () => {
    expect(planOf(markdown('# Do this\n', 'x/do.this.md')).tasks).toEqual([{ id: 'do.this', prompt: '# Do this\n' }]);
  });

  test('as Markdown with a command in place of a text', () => {
    expect(planOf(markdown('---\nrun: ls\nkind: command\n---\n')).tasks).toEqual([
      { id: 'do', run: 'ls', kind: 'command' },
    ]);
  });

  test('with names from titles where none is said, unlike each other and unlike those that are said', () => {
    const plan = planOf(
      yaml(
        '- { title: "Fix: the Bug!", prompt: x }\n- { title: fix the bug, prompt: x }\n- { title: 直す, prompt: x }\n- { id: fix-the-bug-2, prompt: x }\n- { id: task-3, prompt: x }\n',
      ),
    );
    expect(plan.tasks.map(({ id }) => id)).toEqual([
      'fix-the-bug',
      'fix-the-bug-3',
      'task-3-2',
      'fix-the-bug-2',
      'task-3',
    ]);
    expect(plan.generated).toEqual(['fix-the-bug', 'fix-the-bug-3', 'task-3-2']);
  });

  test('and a Markdown file with a name in Japanese takes its task’s name from the title', () => {
    expect(planOf(markdown('---\ntitle: Draft A\n---\nx', '仕事.md')).tasks[0]?.id).toBe('draft-a');
  });

  test('and needs of tasks handed in before are told with their places', () => {
    const plan = planOf(
      yaml('- { id: a, prompt: x, needs: [b, old-1] }\n- id: b\n  prompt: x\n  needs:\n    - old-2\n'),
    );
    expect(plan.external).toEqual([
      { task: 'a', need: 'old-1', where: 'plan.yaml:1:34' },
      { task: 'b', need: 'old-2', where: 'plan.yaml:5:7' },
    ]);
  });

  test('several files are one plan, in their order', () => {
    const plan = planOf(markdown('x', 'b.md'), yaml('- { id: a, prompt: x, needs: [b] }\n'));
    expect(plan.tasks.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(plan.external).toEqual([]);
  });

  test('ten thousand tasks are read in a moment', () => {
    const text = Array.from({ length: 10_000 }, (_, index) => `- { id: t${index}, prompt: do ${index} }\n`).join('');
    expect(planOf(yaml(text)).tasks).toHaveLength(10_000);
  }, 5_000);
});

const NAME = 'expected 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or digit';
const LIST = 'expected a list of tasks, or `tasks:` with one';

const BAD: { why: string; text: PlanText; said: string[] }[] = [
  { why: 'an empty file', text: yaml(''), said: [`1:1: ${LIST} (given: an empty file)`] },
  { why: 'a map without tasks', text: yaml('prompt: x\n'), said: [`1:1: ${LIST} (given: a map without it)`] },
  { why: 'a text', text: yaml('do it\n'), said: [`1:1: ${LIST} (given: something else)`] },
  {
    why: 'tasks that are no list',
    text: yaml('tasks:\n  a: { prompt: x }\n'),
    said: ['2:3 tasks: expected a list (given: a map)'],
  },
  {
    why: 'something beside tasks',
    text: yaml('tasks: [{ prompt: x }]\nname: y\n'),
    said: ['2:1 name: unknown key beside tasks'],
  },
  {
    why: 'a task that says nothing to do',
    text: yaml('tasks:\n  - title: T\n'),
    said: [
      '2:5 tasks[0].prompt: expected a prompt (or, for a command kind, run): it says nothing to do (given: nothing)',
    ],
  },
  {
    why: 'a blank prompt',
    text: yaml('- prompt: "  "\n'),
    said: ['1:11 [0].prompt: expected a prompt (or, for a command kind, run): it says nothing to do (given: "  ")'],
  },
  {
    why: 'a task that is a text',
    text: yaml('- do it\n'),
    said: ['1:3 [0]: expected a map (name: value) (given: "do it")'],
  },
  {
    why: 'an unknown field',
    text: yaml('- prompt: x\n  priorty: high\n'),
    said: ['2:3 [0].priorty: unknown key; did you mean priority?'],
  },
  {
    why: 'fields that are not built',
    text: yaml('- prompt: x\n  files: [a]\n  budget: 1\n'),
    said: ['2:3 [0].files: not in this version', '3:3 [0].budget: not in this version'],
  },
  {
    why: 'agents by strategy',
    text: yaml('- prompt: x\n  agents: { strategy: any, count: 2 }\n'),
    said: ['2:11 [0].agents: not in this version: agents by strategy; expected numbers such as [1, 2]'],
  },
  {
    why: 'agents that are none',
    text: yaml('- prompt: x\n  agents: [0, 1.5, all]\n'),
    said: [
      '2:12 [0].agents[0]: expected at least 1 (given: 0)',
      '2:15 [0].agents[1]: expected a whole number (given: 1.5)',
      '2:20 [0].agents[2]: expected a number (given: "all")',
    ],
  },
  {
    why: 'a name that cannot be one',
    text: yaml('- { id: ../x, prompt: x }\n- { id: 題, prompt: x }\n'),
    said: [`1:9 [0].id: ${NAME} (given: "../x")`, `2:9 [1].id: ${NAME} (given: "題")`],
  },
  {
    why: 'a name that is taken',
    text: yaml('- { id: a, prompt: x }\n- { id: a, prompt: y }\n'),
    said: ['2:9 [1].id: expected another name: a is taken at plan.yaml:1:9'],
  },
  {
    why: 'needs that are no list',
    text: yaml('- { prompt: x, needs: a }\n'),
    said: ['1:23 [0].needs: expected a list (given: "a")'],
  },
  {
    why: 'a priority that is none',
    text: yaml('- { prompt: x, priority: 1 }\n'),
    said: ['1:26 [0].priority: expected one of P0, P1, P2, P3, high, medium, low (given: 1)'],
  },
  {
    why: 'a time limit of nothing',
    text: yaml('- { prompt: x, timeout: 0s }\n'),
    said: ['1:25 [0].timeout: expected a duration such as 90s, 30m or 2h, above zero and at most 30d (given: "0s")'],
  },
  {
    why: 'too many retries',
    text: yaml('- { prompt: x, retries: 21 }\n'),
    said: ['1:25 [0].retries: expected at most 20 (given: 21)'],
  },
  {
    why: 'variables that are the fleet’s, are no names, or are no text',
    text: yaml('- prompt: x\n  env: { FLEET_TASK: a, 1A: b, C: 3 }\n'),
    said: [
      '2:8 [0].env: names beginning with FLEET_ are set by the fleet',
      '2:25 [0].env.1A: expected a name of an environment variable',
      '2:35 [0].env.C: expected text',
    ],
  },
  {
    why: 'several things in one task',
    text: yaml('- title: 5\n  promt: x\n  labels: [a b]\n'),
    said: [
      '1:3 [0].prompt: expected a prompt (or, for a command kind, run): it says nothing to do (given: nothing)',
      '1:10 [0].title: expected text (given: 5)',
      '2:3 [0].promt: unknown key; did you mean prompt?',
      `3:12 [0].labels[0]: ${NAME} (given: "a b")`,
    ],
  },
  {
    why: 'several things in several tasks',
    text: yaml('tasks:\n  - prompt: x\n    kind: [a]\n  - 5\n  - prompt: y\n    cwd:\n'),
    said: [
      '3:11 tasks[0].kind: expected text (given: a list)',
      '4:5 tasks[1]: expected a map (name: value) (given: 5)',
      '6:5 tasks[2].cwd: expected text (given: nothing)',
    ],
  },
  {
    why: 'a circle',
    text: yaml(
      '- { id: a, prompt: x, needs: [c] }\n- { id: b, prompt: x, needs: [a] }\n- { id: c, prompt: x, needs: [b] }\n',
    ),
    said: ['1:31 [0].needs: expected no circle: a → c → b → a'],
  },
  {
    why: 'two circles and a bad field',
    text: yaml(
      '- { id: a, prompt: x, needs: [a] }\n- { id: b, prompt: x, needs: [c], foo: 1 }\n- { id: c, prompt: x, needs: [b] }\n',
    ),
    said: [
      '1:31 [0].needs: expected no circle: a → a',
      '2:31 [1].needs: expected no circle: b → c → b',
      '2:35 [1].foo: unknown key',
    ],
  },
  {
    why: 'bad YAML',
    text: yaml('- prompt: a: b\n'),
    said: ['1:11: expected valid YAML (Nested mappings are not allowed in compact mappings)'],
  },
  {
    why: 'a NUL written as an escape',
    text: yaml('- prompt: "a\\0b"\n'),
    said: ['1:11 [0].prompt: must not hold a NUL byte (given: "a\\u0000b")'],
  },
  {
    why: 'front matter that never ends',
    text: markdown('---\ntitle: x\n'),
    said: ['1:1: expected a line `---` that ends the front matter'],
  },
  {
    why: 'front matter that is a list',
    text: markdown('---\n- a\n---\nx\n'),
    said: ['2:1: expected fields such as `title: …` as front matter'],
  },
  {
    why: 'bad front matter, at the line of the file',
    text: markdown('---\ntitle: x\ntitle: y\n---\nx\n'),
    said: ['3:1: expected each key once (this one stands above already)'],
  },
  {
    why: 'Markdown that says nothing to do',
    text: markdown('---\ntitle: x\n---\n\n'),
    said: ['5:1 prompt: expected a prompt (or, for a command kind, run): it says nothing to do (given: nothing)'],
  },
  {
    why: 'a prompt twice',
    text: markdown('---\nprompt: x\n---\ny\n'),
    said: ['2:1 prompt: expected the prompt once: the text below the front matter is one already'],
  },
  {
    why: 'a prompt of two megabytes',
    text: markdown(`---\ntitle: x\n---\n\n${'y'.repeat(2_000_000)}`),
    said: [`5:1 prompt: must be at most 1048576 bytes (given: "${'y'.repeat(56)}…")`],
  },
];

describe('a task file is refused, with every problem in its place:', () => {
  test.for(BAD)('$why', ({ text, said }) => {
    expect(saidOf(text)).toEqual(said.map((line) => `${text.file}:${line}`));
  });

  test('problems of several files are told together', () => {
    const said = saidOf(
      markdown('', 'a.md'),
      yaml('- { id: a, prompt: x, needs: [b] }\n', 'b.yaml'),
      markdown('---\nid: b\nneeds: [a]\n---\nx', 'c.md'),
    );
    expect(said).toEqual([
      'a.md:1:1 prompt: expected a prompt (or, for a command kind, run): it says nothing to do (given: "")',
      'b.yaml:1:9 [0].id: expected another name: a is taken at a.md:1:1',
    ]);
  });

  test('circles alone are told apart from other problems', () => {
    expect(readPlan([yaml('- { id: a, prompt: x, needs: [a] }\n')])).toMatchObject({ is: 'bad', cyclic: true });
    expect(readPlan([yaml('- { id: a, prompt: x, needs: [a], z: 1 }\n')])).toMatchObject({ is: 'bad', cyclic: false });
  });

  test('whatever the text, the answer is a plan or problems with lines that are there', () => {
    const piece = fc.constantFrom(
      '- ',
      'tasks:',
      '\n',
      '  ',
      'prompt: x',
      '---\n',
      'needs: [a]',
      '&a ',
      '*a',
      '"',
      '{',
      '}',
      '!!x ',
      '\t',
      '? ',
      '\r\n',
      'id: a',
      '題',
      '# ',
      '|',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 25 }),
        fc.constantFrom<PlanText['format']>('yaml', 'markdown'),
        (pieces, format) => {
          const text = pieces.join('');
          const reading = readPlan([{ file: 'x', text, format }]);
          if (reading.is === 'plan') return;
          expect(reading.problems.length).toBeGreaterThan(0);
          for (const { position } of reading.problems) {
            expect(position?.line).toBeGreaterThanOrEqual(1);
            expect(position?.line).toBeLessThanOrEqual(text.split('\n').length);
            expect(position?.column).toBeGreaterThanOrEqual(1);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('front matter', () => {
  test('is split off so that nothing but empty lines is lost and lines keep their numbers', () => {
    const line = fc.constantFrom('a: 1', '', 'text', '# x', '----', ' ---');
    const end = fc.constantFrom('\n', '\r\n');
    fc.assert(
      fc.property(fc.array(line), fc.array(line), end, (head, body, newline) => {
        const text = ['---', ...head, '---', ...body].join(newline);
        const split = splitFrontMatter(text);
        if (split.is !== 'split') throw new Error(split.is);
        expect(split.head.split(/\r?\n/).slice(0, head.length + 1)).toEqual(['', ...head]);
        expect(text.endsWith(split.body)).toBe(true);
        if (split.body !== '')
          expect(
            text
              .split('\n')
              .slice(split.bodyLine - 1)
              .join('\n'),
          ).toBe(split.body);
        expect(body.join('')).toBe(split.body.replaceAll(/[\r\n]/g, ''));
      }),
    );
  });
});
