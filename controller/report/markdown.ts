import type { Report } from '../operations/account.ts';
import { busyParts } from './busy.ts';
import { stretchesOf, windowOf } from './timeline.ts';
import {
  cleanLine,
  cleanLines,
  count,
  DEFINITIONS,
  duration,
  grouped,
  headline,
  moment,
  omission,
  percent,
  period,
  retryCounts,
  STATES,
  TONES,
  timeOf,
  titleOf,
  whereabouts,
  work,
} from './words.ts';

/** What a report in Markdown begins with; by it a former report is known. */
export const MARKDOWN_MARK = '<!-- miyabi-fleet report -->';

const LINE_MAX = 160;
const ROWS_MAX = 200;
const FAILURES_MAX = 20;
const SPARKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;
const SPARKS_WIDE = 60;

/** The report as GitHub shows it. What tasks and tools said stands in code: there it is neither markup, link nor mention. */
export function reportMarkdown(report: Report): string {
  const left = omission(report);
  const parts = [
    MARKDOWN_MARK,
    `# ${headline(report)}`,
    `Fleet ${code(report.fleet)}, ${period(report)}${report.since === null ? '' : `; what happened since ${moment(report.since)} UTC`}`,
    ...(left === null ? [] : [`**${left}**`]),
    figuresOf(report),
    ...busyOf(report),
    ...failuresOf(report),
    ...undoneOf(report),
    ...retriesOf(report),
    ...tasksOf(report),
    ...kindsOf(report),
    ...nodesOf(report),
    DEFINITIONS.map((definition) => `- ${definition}`).join('\n'),
    `Made by Miyabi Fleet on ${moment(report.at)} UTC.`,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** One line of foreign text as code; empty for none. */
function code(text: string, max = LINE_MAX): string {
  const clean = cleanLine(text, max);
  if (clean === '') return '';
  const fence = '`'.repeat(longestRun(clean) + 1);
  const pad = clean.startsWith('`') || clean.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${clean}${pad}${fence}`;
}

const longestRun = (text: string) => Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));

/** Several lines of foreign text. */
function block(text: string): string {
  const clean = cleanLines(text, 4000);
  const fence = '`'.repeat(Math.max(3, longestRun(clean) + 1));
  return `${fence}text\n${clean.replace(/\s+$/, '')}\n${fence}`;
}

/** A `|` would end the cell, in code too; before it, backslashes are read in pairs. */
function cell(text: string): string {
  return text.replace(/(\\*)\|/g, (_, before: string) => `${before}${before.length % 2 === 1 ? '\\' : ''}\\|`);
}

/** Columns that begin with `#` hold numbers. */
function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  const shown = rows.slice(0, ROWS_MAX).map(line);
  const names = heading.map((name) => name.replace('#', ''));
  const marks = heading.map((name) => (name.startsWith('#') ? '--:' : '---'));
  const more = rows.length > ROWS_MAX ? `\n\nAnd ${grouped(rows.length - ROWS_MAX)} more: HTML and JSON have all.` : '';
  return `${[line(names), line(marks), ...shown].join('\n')}${more}`;
}

function figuresOf(report: Report): string {
  const { tasks, attempts, usage, retries } = report;
  const tokens = usage.inputTokens + usage.outputTokens;
  const row = [
    `${grouped(tasks.completed)} of ${grouped(tasks.total)}`,
    grouped(attempts.length),
    grouped(retries.length),
    duration(report.seconds),
    `${grouped(report.agents)}, ${whereabouts(report)}`,
    `${percent(report.efficiency)}: ${work(report)}`,
    tokens === 0
      ? 'none'
      : `${grouped(tokens)}: ${grouped(usage.inputTokens)} in (${grouped(usage.cachedTokens)} cached), ${grouped(usage.outputTokens)} out`,
  ];
  return table(['completed', '#attempts', '#retries', '#time', 'agents', 'efficiency', 'tokens'], [row]);
}

function busyOf(report: Report): string[] {
  if (report.attempts.length === 0) return [];
  const parts = busyParts(stretchesOf(report), windowOf(report), SPARKS_WIDE);
  const most = Math.max(report.agents, ...parts);
  const sparks = parts.map((busy) =>
    busy < 0.005 * most ? ' ' : SPARKS[Math.min(SPARKS.length - 1, Math.floor((busy / most) * SPARKS.length))],
  );
  return [
    `Busy agents over time, the highest is ${grouped(most)}:`,
    block(`.${sparks.join('')}.`).replaceAll('.', '|'),
  ];
}

function failuresOf({ failures }: Report): string[] {
  if (failures.length === 0) return [];
  const parts = failures
    .slice(0, FAILURES_MAX)
    .flatMap(({ task, title, attempts, verdict, exit, message, lastLines }) => {
      const facts = [
        count(attempts, 'try', 'tries'),
        verdict ?? 'never tried',
        ...(exit === null ? [] : [`exit ${exit}`]),
      ];
      return [
        [`**✗ ${code(task)}**`, code(titleOf({ task, title })), `(${facts.join(', ')})`]
          .filter((part) => part !== '')
          .join(' '),
        code(message ?? 'no reason given', 600),
        ...(lastLines.trim() === '' ? [] : [block(lastLines)]),
      ];
    });
  const more = failures.length - FAILURES_MAX;
  return [`## Failures (${grouped(failures.length)})`, ...parts, ...(more > 0 ? [`And ${grouped(more)} more.`] : [])];
}

function undoneOf({ undone }: Report): string[] {
  const rows = undone.map((each) => [
    `${STATES[each.state].sign} ${each.state}`,
    code(each.task),
    code(titleOf(each)),
    code(each.reason ?? '', 300),
  ]);
  return rows.length === 0 ? [] : ['## Parked, cancelled, open', table(['state', 'task', 'title', 'reason'], rows)];
}

function retriesOf(report: Report): string[] {
  if (report.retries.length === 0) return [];
  const why = retryCounts(report).map((each) =>
    each.tone === null
      ? `${grouped(each.count)} after a try that is older`
      : `${grouped(each.count)} after ${TONES[each.tone].words}`,
  );
  const rows = report.retries.map(({ task, ordinal, verdict, message, waitedSeconds }) => [
    code(task),
    `${ordinal}`,
    verdict ?? 'unknown',
    duration(waitedSeconds),
    code(message ?? ''),
  ]);
  return [`## Retries: ${why.join(', ')}`, table(['task', '#try', 'because of', '#after', 'what was said'], rows)];
}

function tasksOf({ results }: Report): string[] {
  if (results.length === 0) return [];
  const rows = results.map((each) => [
    `${STATES[each.state].sign} ${each.state}`,
    code(each.task),
    code(titleOf(each)),
    each.agent === null ? '' : `${each.agent}`,
    `${each.attempts}`,
    each.attempts === 0 ? '' : duration(each.waitedSeconds),
    timeOf(each),
    code(each.error ?? each.answer?.trim().split('\n').at(0) ?? ''),
  ]);
  const heading = ['state', 'task', 'title', '#agent', '#tries', '#waited', '#time', 'result'];
  return ['## Tasks', table(heading, rows)];
}

function kindsOf({ kinds }: Report): string[] {
  const rows = kinds.map(({ kind, attempts, seconds, usage }) => [
    code(kind),
    grouped(attempts),
    duration(seconds),
    grouped(usage.responses),
    grouped(usage.inputTokens),
    grouped(usage.cachedTokens),
    grouped(usage.outputTokens),
  ]);
  const heading = ['kind', '#attempts', '#work', '#responses', '#tokens in', '#of them cached', '#tokens out'];
  return rows.length === 0 ? [] : ['## Kinds and tokens', table(heading, rows)];
}

function nodesOf({ nodes, seconds: makespan }: Report): string[] {
  const rows = nodes.map(({ node, agents, attempts, seconds }) => [
    code(node),
    grouped(agents),
    grouped(attempts),
    duration(seconds),
    percent(Math.min(1, seconds / Math.max(0.001, agents * makespan))),
  ]);
  return rows.length === 0
    ? []
    : ['## Nodes', table(['node', '#agents that worked', '#attempts', '#work', '#busy'], rows)];
}
