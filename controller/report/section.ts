import type { Report } from '../operations/account.ts';
import { escapeHtml } from './markup.ts';
import {
  cleanLine,
  cleanLines,
  count,
  duration,
  grouped,
  percent,
  retryCounts,
  STATES,
  TONES,
  type Tone,
  timeOf,
  titleOf,
  toneOf,
} from './words.ts';

/** The parts of a report's page below the picture. Each is empty where it has nothing to say. */

const TITLE_MAX = 160;
const LINE_MAX = 300;
const MESSAGE_MAX = 600;
const FAILURES_MAX = 200;
/** A longer table is folded. */
const ROWS_OPEN_MAX = 300;

type Cell = { html: string; is?: 'number' | 'short' | 'wide' };

const CLASSES = { number: ' class="n"', short: ' class="s"', wide: ' class="w"' } as const;

const text = (value: string, max = LINE_MAX): string => `<bdi>${escapeHtml(cleanLine(value, max))}</bdi>`;
const code = (value: string): string => `<code>${text(value, TITLE_MAX)}</code>`;
const sign = (tone: Tone, mark = TONES[tone].sign): string => `<span class="sign ${tone}">${mark}</span>`;
const number = (value: string): Cell => ({ html: value, is: 'number' });
const short = (html: string): Cell => ({ html, is: 'short' });
const wide = (html: string): Cell => ({ html, is: 'wide' });

function section(title: string, about: string, body: string): string {
  return `<section>\n<h2>${title}${about === '' ? '' : ` <small>${about}</small>`}</h2>\n<div class="card">\n${body}\n</div>\n</section>`;
}

function table(heading: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const kinds = rows[0]?.map(({ is }) => (is === 'number' ? CLASSES.number : '')) ?? [];
  const head = heading.map((name, index) => `<th${kinds[index] ?? ''}>${name}</th>`).join('');
  const body = rows.map(
    (row) => `<tr>${row.map(({ html, is }) => `<td${is ? CLASSES[is] : ''}>${html}</td>`).join('')}</tr>`,
  );
  const whole = `<table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body.join('\n')}\n</tbody>\n</table>`;
  return rows.length <= ROWS_OPEN_MAX
    ? whole
    : `<details><summary>Show all ${grouped(rows.length)}</summary>\n${whole}\n</details>`;
}

function named({ task, title }: { task: string; title: string }): string {
  const more = titleOf({ task, title });
  return `${code(task)}${more === '' ? '' : ` <small>${text(more, TITLE_MAX)}</small>`}`;
}

export function failuresSection({ failures }: Report): string {
  if (failures.length === 0) return '';
  const parts = failures.slice(0, FAILURES_MAX).map((failure) => {
    const { task, title, attempts, verdict, exit, message, lastLines } = failure;
    const facts = [
      count(attempts, 'try', 'tries'),
      verdict ?? 'never tried',
      ...(exit === null ? [] : [`exit ${exit}`]),
    ];
    const lines = cleanLines(lastLines, 4000).trim();
    return `<div class="failure">
<h3>${sign('task')} ${code(task)} <span>${text(titleOf({ task, title }), TITLE_MAX)}</span></h3>
<p>${text(message ?? 'no reason given', MESSAGE_MAX)} <span>(${facts.join(', ')})</span></p>
${lines === '' ? '' : `<pre dir="auto">${escapeHtml(lines)}</pre>`}
</div>`;
  });
  const more =
    failures.length > FAILURES_MAX ? `<p class="note">And ${grouped(failures.length - FAILURES_MAX)} more.</p>` : '';
  return section('Failures', count(failures.length, 'task'), `${parts.join('\n')}${more}`);
}

export function undoneSection({ undone }: Report): string {
  if (undone.length === 0) return '';
  const rows = undone.map((each) => [
    short(`${sign(STATES[each.state].tone, STATES[each.state].sign)} ${each.state}`),
    wide(named(each)),
    wide(text(each.reason ?? '', MESSAGE_MAX)),
  ]);
  return section('Parked, cancelled, open', count(undone.length, 'task'), table(['state', 'task', 'reason'], rows));
}

export function retriesSection(report: Report): string {
  const { retries } = report;
  if (retries.length === 0) return '';
  const why = retryCounts(report).map((each) =>
    each.tone === null
      ? `${grouped(each.count)} after a try that is older`
      : `${grouped(each.count)} after ${TONES[each.tone].words}`,
  );
  const rows = retries.map(({ task, ordinal, verdict, fault, message, waitedSeconds }) => {
    const tone = fault === null ? 'open' : toneOf({ fault });
    return [
      short(`${sign(tone)} ${verdict ?? 'unknown'}`),
      wide(code(task)),
      number(`${ordinal}`),
      number(duration(waitedSeconds)),
      wide(text(message ?? '')),
    ];
  });
  return section('Retries', why.join(', '), table(['because of', 'task', 'try', 'after', 'what was said'], rows));
}

export function tasksSection({ results }: Report): string {
  if (results.length === 0) return '';
  const rows = results.map((each) => [
    short(`${sign(STATES[each.state].tone, STATES[each.state].sign)} ${each.state}`),
    wide(named(each)),
    number(each.agent === null ? '' : `${each.agent}`),
    number(`${each.attempts}`),
    number(each.attempts === 0 ? '' : duration(each.waitedSeconds)),
    number(timeOf(each)),
    number(each.tokens === 0 ? '' : grouped(each.tokens)),
    wide(text(each.error ?? each.answer?.trim().split('\n').at(0) ?? '')),
  ]);
  const heading = ['state', 'task', 'agent', 'tries', 'waited', 'time', 'tokens', 'result'];
  return section('Tasks', '', table(heading, rows));
}

export function kindsSection({ kinds }: Report): string {
  if (kinds.length === 0) return '';
  const rows = kinds.map(({ kind, attempts, seconds, usage }) => [
    wide(text(kind)),
    number(grouped(attempts)),
    number(duration(seconds)),
    number(grouped(usage.responses)),
    number(grouped(usage.inputTokens)),
    number(grouped(usage.cachedTokens)),
    number(grouped(usage.outputTokens)),
  ]);
  return section(
    'Kinds and tokens',
    '',
    table(['kind', 'attempts', 'work', 'responses', 'tokens in', 'of them cached', 'tokens out'], rows),
  );
}

export function nodesSection({ nodes, seconds: makespan }: Report): string {
  if (nodes.length === 0) return '';
  const rows = nodes.map(({ node, agents, attempts, seconds }) => [
    wide(text(node)),
    number(grouped(agents)),
    number(grouped(attempts)),
    number(duration(seconds)),
    number(percent(Math.min(1, seconds / Math.max(0.001, agents * makespan)))),
  ]);
  return section('Nodes', '', table(['node', 'agents that worked', 'attempts', 'work', 'busy'], rows));
}
