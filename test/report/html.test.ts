import { describe, expect, test } from 'vitest';
import { reportHtml } from '../../controller/report/html.ts';
import { reportMarkdown } from '../../controller/report/markdown.ts';
import { anAttempt, aReport, aRun, aTask, BEGAN } from './sample.ts';

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</title></style></svg></pre><iframe src="http://evil.example">',
  '<!--',
  ']]><![CDATA[',
  '&lt;b&gt; & &amp;',
  '\u202e\u2066\u0000\u001b[31m\ud800',
  'one\ntwo\r\nthree',
  'y'.repeat(100_000),
];
const report = (said: string) =>
  aReport({
    fleet: said,
    tasks: [
      aTask('failed', { title: said, state: 'failed', reason: said }),
      aTask('parked', { title: said, state: 'parked', reason: said }),
      aTask(said, { title: `title: ${said}` }),
    ],
    attempts: [
      anAttempt('failed', { verdict: 'failed', message: said, answer: said, node: said, kind: said, exit: 7 }),
      anAttempt('failed', { ordinal: 2, verdict: 'failed', message: said, answer: said, exit: 7 }),
      anAttempt(said, { agent: 2, answer: said, endedAt: BEGAN + 90_000 }),
    ],
  });
/** Tags and their attributes' names, in order: what a browser makes of it, without what is said. */
const skeleton = (html: string) =>
  [...html.matchAll(/<(?:!--[\s\S]*?--|\/?[a-z!][a-z0-9]*(?:\s+[a-zA-Z:-]+(?:="[^"]*")?)*\s*\/?)>/g)].map(([tag]) =>
    tag.replace(/="[^"]*"/g, ''),
  );

describe('a report as a page', () => {
  const plain = skeleton(reportHtml(report('plain words')));

  test.each(HOSTILE.map((said) => [said.slice(0, 40), said]))('has the same elements whatever %j says', (_, said) => {
    const html = reportHtml(report(said));
    // Nodes stand in the order of their names, and a bar has a name where there is room for it.
    const elements = (tags: readonly string[]) => tags.filter((tag) => !/^<\/?text/.test(tag)).sort();
    expect(elements(skeleton(html))).toEqual(elements(plain));
    expect(html).not.toMatch(/<script|<iframe|<img/);
    expect(html).not.toMatch(/[\u0000\u001b\u202e\u2066\ud800]/);
    expect(html.length).toBeLessThan(60_000);
  });

  test('shows no key that a task printed, whole or in part', () => {
    const key = `sk-ant-${'k'.repeat(40)}`;
    const text = `${'x'.repeat(10)} ${key} ${'x'.repeat(1980)}`; // its last 2,000 characters begin within the key
    for (const said of [`used ${key} for it`, text, `${'x'.repeat(140)} ${key}`]) {
      expect(reportHtml(report(said))).not.toContain('kkk');
      expect(reportMarkdown(report(said))).not.toContain('kkk');
    }
  });

  test('asks for nothing, and forbids everything that could', () => {
    const html = reportHtml(aRun({ tasks: 18, agents: 18, nodes: ['mugen'], seconds: 30 }));
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`);
    expect(html).not.toMatch(/https?:|@import|<script|<link(?! rel="icon" href="data:,")/);
    expect([...html.matchAll(/url\(([^)]*)\)/g)].every(([, target]) => target?.startsWith('#p-'))).toBe(true);
  });

  test('tells whose fault it was by a hatching and a sign, not by colour alone', () => {
    const verdicts = ['done', 'failed', 'rate-limit', 'lost', 'quota', 'restarted'] as const;
    const attempts = verdicts.map((verdict, index) => anAttempt(verdict, { verdict, agent: index + 1 }));
    const html = reportHtml(aReport({ attempts, tasks: verdicts.map((id) => aTask(id)) }));
    const hatched = [...html.matchAll(/<pattern id="p-(\w+)".*?class="mark" d="([^"]+)"/g)];
    expect(new Set(hatched.map(([, tone]) => tone))).toEqual(new Set(['owner', 'person', 'platform', 'task', 'wait']));
    expect(new Set(hatched.map(([, , marks]) => marks)).size).toBe(5);
    const legend = /<ul class="legend">([\s\S]*?)<\/ul>/.exec(html)?.[1] ?? '';
    expect(
      legend
        .replace(/<[^>]+>/g, '')
        .replace(/\s+/g, ' ')
        .trim(),
    ).toBe(
      '✓ done 1 ✗ task fault 1 ◷ rate limit or overload 1 △ platform fault 1 ¤ key or quota 1 ⊘ ended by a person 1',
    );
  });

  test('folds a long table of tasks, and shows a short one', () => {
    const run = (tasks: number) => reportHtml(aRun({ tasks, agents: 20, nodes: ['a'], seconds: 5, badOfTen: 0 }));
    expect(run(18)).not.toContain('<details>');
    expect(run(400)).toContain('<details><summary>Show all 400</summary>');
  });

  test('says what still runs and what waits, up to the moment it was made', () => {
    const running = anAttempt('runs', { state: 'started', verdict: null, endedAt: null, exit: null, answer: null });
    const html = reportHtml(
      aReport({
        now: BEGAN + 61_000,
        attempts: [running],
        tasks: [aTask('runs', { state: 'running', endedAt: null }), aTask('later', { state: 'queued', endedAt: null })],
      }),
    );
    expect(html).toContain('0 of 2 tasks completed, 2 open');
    expect(html).toContain('nothing ended yet');
    expect(html).toMatch(/class="bar open" x="44" y="[\d.]+" width="1107\.4"/); // to the right edge
    expect(html).toContain('▷ runs: started\nsince 0.0 s');
  });
});
