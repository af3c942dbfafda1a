import { describe, expect, test } from 'vitest';
import { reportMarkdown } from '../../controller/report/markdown.ts';
import { anAttempt, aReport, aRun, aTask } from './sample.ts';

const HOSTILE = [
  '<script>alert(1)</script>',
  'a | b \\| c \\\\| d',
  '``` ` <b>evil</b> `` `',
  '`',
  'evil`',
  '\\',
  'one\ntwo\r\n\n# three\n| four |',
  '![x](http://evil.example/x.png) [y](javascript:alert(1)) http://evil.example @somebody #1 <img src=x>',
  '\u202eevil\u2066 مرحبا',
  '\u001b[31mred\u0000\ud800',
  '--> <!-- ',
  'y'.repeat(100_000),
];
const report = (said: string) =>
  aReport({
    fleet: said,
    tasks: [
      aTask('failed', { title: said, state: 'failed', reason: said }),
      aTask('parked', { title: said, state: 'parked', reason: said }),
      aTask(said, { title: said }),
    ],
    attempts: [
      anAttempt('failed', { verdict: 'failed', message: said, answer: said, node: said, kind: said, exit: 7 }),
      anAttempt('failed', { ordinal: 2, verdict: 'failed', message: said, answer: said, exit: 7 }),
      anAttempt(said, { answer: said }),
    ],
  });

/** What of the text stands outside of code: fenced blocks first, then spans with any number of backticks. */
function outsideOfCode(text: string): string {
  return text.replace(/^(`{3,})text\n[\s\S]*?\n\1$/gm, '').replace(/(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)/g, '');
}

/** Cells of a row, as GitHub splits it: a backslash takes the next character with it. */
const cellsOf = (row: string) => row.replace(/\\./g, '').split('|').length - 2;

describe('a report in Markdown', () => {
  test('says in one page what became of the tasks', () => {
    const text = reportMarkdown(
      aReport({
        agents: 2,
        tasks: [
          aTask('build', { title: 'Build it' }),
          aTask('tests', { state: 'failed', reason: 'failed: exit 7: no way', seq: 2 }),
          aTask('deploy', { state: 'parked', reason: 'it needs tests, which failed', seq: 3 }),
        ],
        attempts: [
          anAttempt('build', {
            verdict: 'rate-limit',
            message: 'status 429',
            endedAt: Date.UTC(2026, 10, 21, 9, 30, 3),
          }),
          anAttempt('build', { ordinal: 2, startedAt: Date.UTC(2026, 10, 21, 9, 30, 5), answer: 'Done.\nAll of it.' }),
          anAttempt('tests', { agent: 2, verdict: 'failed', message: 'exit 7: no way', answer: 'one\ntwo', exit: 7 }),
        ],
        usage: new Map([
          ['build-try-2', { responses: 3, inputTokens: 40_000, cachedTokens: 30_000, outputTokens: 1234 }],
        ]),
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      "<!-- miyabi-fleet report -->

      # 1 of 3 tasks completed, 1 failed, 1 parked

      Fleet \`miyabi\`, 2026-11-21 09:30:01 to 09:30:05 UTC

      | completed | attempts | retries | time | agents | efficiency | tokens |
      | --- | --: | --: | --: | --- | --- | --- |
      | 1 of 3 | 3 | 1 | 4.0 s | 2, on 1 node | 75 %: 6.0 s of work, 1.5 × one agent | 41,234: 40,000 in (30,000 cached), 1,234 out |

      Busy agents over time, the highest is 2:

      \`\`\`text
      |██████████████████████████████▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▄|
      \`\`\`

      ## Failures (1)

      **✗ \`tests\`** (1 try, failed, exit 7)

      \`failed: exit 7: no way\`

      \`\`\`text
      one
      two
      \`\`\`

      ## Parked, cancelled, open

      | state | task | title | reason |
      | --- | --- | --- | --- |
      | ∥ parked | \`deploy\` |  | \`it needs tests, which failed\` |

      ## Retries: 1 after rate limit or overload

      | task | try | because of | after | what was said |
      | --- | --: | --- | --: | --- |
      | \`build\` | 2 | rate-limit | 2.0 s | \`status 429\` |

      ## Tasks

      | state | task | title | agent | tries | waited | time | result |
      | --- | --- | --- | --: | --: | --: | --: | --- |
      | ✓ completed | \`build\` | \`Build it\` | 1 | 2 | 3.0 s | 2.0 s | \`Done.\` |
      | ✗ failed | \`tests\` |  | 2 | 1 | 1.0 s | 4.0 s | \`failed: exit 7: no way\` |
      | ∥ parked | \`deploy\` |  |  | 0 |  |  | \`it needs tests, which failed\` |

      ## Kinds and tokens

      | kind | attempts | work | responses | tokens in | of them cached | tokens out |
      | --- | --: | --: | --: | --: | --: | --: |
      | \`codex\` | 3 | 6.0 s | 3 | 40,000 | 30,000 | 1,234 |

      ## Nodes

      | node | agents that worked | attempts | work | busy |
      | --- | --: | --: | --: | --: |
      | \`mugen\` | 2 | 3 | 6.0 s | 75 % |

      - Efficiency: the time that attempts took ÷ (agents × the time from the first beginning to the last end).
      - Waited: since a task could begin (handed in, its last need completed, or its try before ended) until it began.
      - Rate limits and overload, platform faults (lost, silent, network, launch, killed, disk) and a task’s own faults have retries of their own.

      Made by Miyabi Fleet on 2026-11-21 10:30:00 UTC.
      "
    `);
  });

  test.each(HOSTILE.map((said) => [said.slice(0, 40), said]))('keeps %j in code, where it is only text', (_, said) => {
    const text = reportMarkdown(report(said));
    expect(outsideOfCode(text)).not.toMatch(/script|evil|somebody|javascript|four|red|y{20}|مرحبا|--> /);
    expect(text).not.toMatch(/[\u0000\u001b\u202e\u2066\ud800]/);
  });

  test.each(HOSTILE.map((said) => [said.slice(0, 40), said]))('keeps its tables whole whatever %j says', (_, said) => {
    const blocks = reportMarkdown(report(said))
      .replace(/^(`{3,})text\n[\s\S]*?\n\1$/gm, '')
      .split('\n\n');
    const tables = blocks.filter((block) => block.startsWith('| '));
    expect(tables).toHaveLength(6);
    for (const rows of tables.map((table) => table.split('\n')))
      expect(rows.map(cellsOf)).toEqual(rows.map(() => cellsOf(rows[0] ?? '')));
  });

  test('stays short: a title of 100 KB is cut, and of 1,700 tasks the first 200 are shown', () => {
    expect(reportMarkdown(report('y'.repeat(100_000))).length).toBeLessThan(20_000);
    const long = reportMarkdown(aRun({ tasks: 1700, agents: 200, nodes: ['a', 'b'], seconds: 60 }));
    expect(long.length).toBeLessThan(65_536); // what GitHub takes as one comment
    expect(long).toContain('And 1,500 more: HTML and JSON have all.');
  });

  test('says that there were no tasks, and what is left out', () => {
    expect(reportMarkdown(aReport())).toContain('# No tasks');
    expect(reportMarkdown(aReport({ omitted: { tasks: 1, attempts: 2000 } }))).toContain(
      '1 older task and 2,000 older attempts left out, and not counted.',
    );
  });
});
