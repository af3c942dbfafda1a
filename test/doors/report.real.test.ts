import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, type TestContext } from 'vitest';
import { Report } from '../../controller/operations/account.ts';
import { Results } from '../../controller/operations/results.ts';
import { reportHtml } from '../../controller/report/html.ts';
import { openPage, type Page } from '../report/browser.ts';
import { aRun } from '../report/sample.ts';
import { describeWith } from '../support/capability.ts';
import { aPerson, tasksText } from './person.ts';

const HOSTILE = [
  '<script>document.title = "owned"; fetch("http://127.0.0.1:9/")</script>',
  '"><img src="http://127.0.0.1:9/x.png" onerror="document.title = 1">',
  'a | b \\| c `d` ```e```',
  'one\ntwo\u202e مرحبا بالعالم',
];

/** Two agents: hostile words, a failure, a second try, and a task that waits in vain for the failed one. */
const TASKS = (desk: string) => [
  ...HOSTILE.map((title, index) => ({ id: `hostile-${index}`, title, run: 'cat; sleep 0.2', prompt: title })),
  { id: 'fails', run: 'echo one; echo "<b>two</b>"; echo "no way" >&2; exit 7', retries: 0 },
  { id: 'again', run: `sleep 0.2; [ -e ${desk}/flag ] || { touch ${desk}/flag; exit 3; }; echo at last`, retries: 1 },
  { id: 'behind', run: 'true', needs: ['fails'] },
];

async function aRunWithReports(context: TestContext) {
  const person = await aPerson(context, { agents: 2 });
  const file = person.write('tasks.yaml', tasksText(TASKS(person.desk)));
  const said = await person.fleet('run', file, '--report', 'out.html', '--report', 'out.md', '--json');
  return { person, said, results: Results.parse(JSON.parse(said.out)) };
}

/** Everything that a page must not do, and what it shows. */
async function look(page: Page) {
  return {
    complaints: page.complaints,
    scripts: await page.ask('document.scripts.length'),
    title: await page.ask('document.title'),
    overflow: await page.ask('document.documentElement.scrollWidth - innerWidth'),
    rows: await page.ask('document.querySelectorAll("svg.timeline .row").length'),
    bars: await page.ask('document.querySelectorAll("svg.timeline .bar").length'),
    ground: await page.ask('getComputedStyle(document.body).backgroundColor'),
  };
}

describeWith(['tmux', 'chromium'], 'the report of a run, in a browser', () => {
  it('shows what hostile, failing and retried tasks did, asks for nothing, and runs nothing', async (context) => {
    const { person, said, results } = await aRunWithReports(context);
    expect(said).toMatchObject({ exit: 1, err: expect.stringContaining(`Report: ${person.desk}/out.html`) });
    const { attempts } = await person.ask(Report, 'report');
    const address = pathToFileURL(join(person.desk, 'out.html')).href;
    const grounds = new Set<unknown>();
    for (const scheme of ['light', 'dark'] as const) {
      const page = await openPage(context, address, { scheme });
      const { ground, ...seen } = await look(page);
      expect(seen).toEqual({
        complaints: [],
        scripts: 0,
        title: `${person.name}: 5 of 7 tasks completed, 1 failed, 1 parked`,
        overflow: 0,
        rows: results.agents,
        bars: attempts.length,
      });
      expect(page.requests.filter((url) => !url.startsWith('data:'))).toEqual([address]);
      expect(await page.ask('document.querySelector(".failure pre").textContent')).toBe('one\n<b>two</b>');
      expect(await page.ask(titlesOf)).toEqual(
        HOSTILE.map((title) => title.replace('\n', ' ').replace('\u202e', '\ufffd')),
      );
      expect((await page.picture()).subarray(1, 4).toString()).toBe('PNG');
      grounds.add(ground);
    }
    expect(grounds.size).toBe(2);
  });

  it('is read at 200 agents and 2,000 attempts: no label over another, no row too thin to see', async (context) => {
    const person = await aPerson(context);
    const report = aRun({ tasks: 1700, agents: 200, nodes: ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'], seconds: 90 });
    const file = person.write('large.html', reportHtml(report));
    const page = await openPage(context, pathToFileURL(file).href, { scheme: 'light' });
    const { rows, bars, overflow } = await look(page);
    expect({ rows, bars, overflow }).toEqual({ rows: 200, bars: report.attempts.length, overflow: 0 });
    const [thinnest, nearest] = (await page.ask(measures)) as [number, number];
    expect(thinnest).toBeGreaterThanOrEqual(3);
    expect(nearest).toBeGreaterThanOrEqual(9);
  });
});

const titlesOf = `[...document.querySelectorAll('td small bdi')].map((title) => title.textContent)`;
/** Height of the thinnest bar, and the smallest distance of two agents’ numbers, in pixels on the screen. */
const measures = `(() => {
  const box = (element) => element.getBoundingClientRect();
  const bars = [...document.querySelectorAll('svg.timeline .bar')].map((bar) => box(bar).height);
  const labels = [...document.querySelectorAll('svg.timeline .row > text')].map((label) => box(label).top).sort((a, b) => a - b);
  return [Math.min(...bars), Math.min(...labels.slice(1).map((top, index) => top - labels[index]))];
})()`;

describeWith(['tmux'], 'fleet report', () => {
  it('tells the same as the run did, as data, Markdown and HTML, of all tasks or of some', async (context) => {
    const { person, results } = await aRunWithReports(context);
    const made = await person.ask(Report, 'report');
    const { version: _, tasks, results: __, ...rest } = results;
    expect(made).toMatchObject({ ...rest, tasks: { ...tasks, open: 0 } });
    expect(made.retries).toMatchObject([{ task: 'again', ordinal: 2, verdict: 'failed', fault: 'task' }]);
    expect(made.failures).toMatchObject([{ task: 'fails', exit: 7, lastLines: 'one\n<b>two</b>' }]);
    expect(made.undone).toMatchObject([{ task: 'behind', state: 'parked', reason: expect.stringContaining('fails') }]);
    expect(made.attempts).toHaveLength(7);

    const markdown = await person.fleet('report');
    expect(markdown).toMatchObject({ exit: 0, err: '' });
    expect(markdown.out).toContain('# 5 of 7 tasks completed, 1 failed, 1 parked');
    const kept = (text: string) => text.replace(/Made by .*/, '');
    expect(kept(readFileSync(join(person.desk, 'out.md'), 'utf8'))).toBe(kept(markdown.out));
    const html = await person.fleet('report', '--format', 'html');
    expect(kept(readFileSync(join(person.desk, 'out.html'), 'utf8'))).toBe(kept(html.out));

    const one = await person.ask(Report, 'report', 'again');
    expect(one).toMatchObject({ tasks: { total: 1, completed: 1 }, attempts: [{ ordinal: 1 }, { ordinal: 2 }] });
    expect((await person.ask(Report, 'report', '--since', '1h')).tasks.total).toBe(7);
  });

  it('replaces a former report, whole or not at all, and no other file', async (context) => {
    const { person } = await aRunWithReports(context);
    const report = (...words: string[]) => person.fleet('report', ...words);
    const precious = person.write('precious.md', '# My notes\n');
    for (const words of [
      ['report', '--output', 'precious.md'],
      ['run', 'tasks.yaml', '--report', 'precious.md'],
    ])
      expect(await person.fleet(...words)).toMatchObject({
        exit: 4,
        out: '',
        err: expect.stringContaining('no report'),
      });
    expect(readFileSync(precious, 'utf8')).toBe('# My notes\n');

    const before = statSync(join(person.desk, 'out.md'));
    expect(await report('fails', '--output', 'out.md')).toMatchObject({ exit: 0, out: '' });
    const text = readFileSync(join(person.desk, 'out.md'), 'utf8');
    expect(text).toContain('# 0 of 1 task completed, 1 failed');
    expect(statSync(join(person.desk, 'out.md')).ino).not.toBe(before.ino);
    expect(before.mode & 0o777).toBe(0o666 & ~process.umask()); // to be shared
    expect(await report('--output', 'page', '--format', 'html')).toMatchObject({ exit: 0 });
    expect(readFileSync(join(person.desk, 'page'), 'utf8')).toContain('<!doctype html>');
    expect(readdirSync(person.desk).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('refuses wrong words before anything begins, and says what to do', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const file = person.write('tasks.yaml', tasksText([{ id: 'one', run: 'true' }]));
    mkdirSync(join(person.desk, 'folder.md'));
    writeFileSync(join(person.desk, 'file'), '');
    const refused = async (path: string, ...words: string[]) =>
      expect(await person.fleet(...words, path)).toMatchObject({
        exit: 2,
        out: '',
        err: expect.stringContaining(join(person.desk, path)),
      });
    for (const path of ['out.pdf', 'nowhere/out.md', 'folder.md', 'file/out.md'])
      await refused(path, 'report', '--output');
    await refused('nowhere/out.md', 'run', file, '--report', 'fine.md', '--report');
    await refused('out.pdf', 'rehearse', '--report');
    for (const since of ['tomorrow', '2026-02-30', '2999-01-01', '-1h', '2026-11-20T25:00Z'])
      expect(await person.fleet('report', `--since=${since}`)).toMatchObject({
        exit: 2,
        err: expect.stringContaining(since),
      });
    expect(await person.fleet('report', 'ghost')).toMatchObject({ exit: 2, err: expect.stringContaining('ghost') });
    expect(await person.fleet('report')).toMatchObject({ exit: 0, out: expect.stringContaining('# No tasks') });
    expect(existsSync(person.state)).toBe(false);
  });

  it('is written by a run that could not end in time, too', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const file = person.write('tasks.yaml', tasksText([{ id: 'long', run: 'sleep 60' }]));
    const said = await person.fleet('run', file, '--timeout', '2s', '--report', 'late.md');
    expect(said).toMatchObject({ exit: 3 });
    expect(readFileSync(join(person.desk, 'late.md'), 'utf8')).toContain('# 0 of 1 task completed, 1 open');
  });

  it('is written by a run that another controller worked for', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    await person.start();
    const file = person.write('tasks.yaml', tasksText([{ id: 'short', run: 'true' }]));
    expect(await person.fleet('run', file, '--report', 'joined.HTML')).toMatchObject({ exit: 0 });
    expect(readFileSync(join(person.desk, 'joined.HTML'), 'utf8')).toContain('1 of 1 task completed');
  });
});
