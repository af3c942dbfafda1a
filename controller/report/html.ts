import type { Report } from '../operations/account.ts';
import { escapeHtml } from './markup.ts';
import { failuresSection, kindsSection, nodesSection, retriesSection, tasksSection, undoneSection } from './section.ts';
import { STYLE } from './style.ts';
import { timelineSvg } from './timeline.ts';
import {
  cleanLine,
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
  rounded,
  TONES,
  type Tone,
  toneOf,
  toneOfAll,
  whereabouts,
  work,
} from './words.ts';

/** What a report's page begins with; by it a former report is known. */
export const HTML_MARK = '<!doctype html><!-- miyabi-fleet report -->';
/** Nothing is fetched and nothing runs, whatever a task's text would like. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** The report as one page that needs nothing else: no script, no request. */
export function reportHtml(report: Report): string {
  const fleet = escapeHtml(cleanLine(report.fleet, 80));
  const tone = toneOfAll(report);
  const left = omission(report);
  return `${HTML_MARK}
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${fleet}: ${headline(report)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<p>Fleet <bdi>${fleet}</bdi></p>
<h1><span class="sign ${tone}">${TONES[tone].sign}</span> ${headline(report)}</h1>
<p>${period(report)}${report.since === null ? '' : `; what happened since ${moment(report.since)} UTC`}</p>
${left === null ? '' : `<p class="note">${left}</p>`}
</header>
${figuresOf(report)}
${timelineOf(report)}
${[failuresSection, undoneSection, retriesSection, tasksSection].map((section) => section(report)).join('\n')}
<div class="pair">${kindsSection(report)}${nodesSection(report)}</div>
<footer>
${DEFINITIONS.map((definition) => `<p>${definition}</p>`).join('\n')}
<p>Made by Miyabi Fleet on ${moment(report.at)} UTC. All times are UTC.</p>
</footer>
</main>
</body>
</html>
`;
}

function figuresOf(report: Report): string {
  const { tasks, attempts, usage, retries } = report;
  if (tasks.total === 0) return '';
  const why = retryCounts(report).map(
    (each) => `${grouped(each.count)} ${each.tone === null ? 'older' : TONES[each.tone].short}`,
  );
  const tokens = usage.inputTokens + usage.outputTokens;
  const figures: [name: string, value: string, more: string][] = [
    ['Tasks', `${grouped(tasks.completed)} / ${grouped(tasks.total)}`, count(attempts.length, 'attempt')],
    ['Time', duration(report.seconds), 'first beginning to last end'],
    ['Agents', grouped(report.agents), whereabouts(report)],
    ['Efficiency', percent(report.efficiency), work(report)],
    ['Retries', grouped(retries.length), why.join(' · ') || 'none was needed'],
    [
      'Tokens',
      tokens === 0 ? '–' : rounded(tokens),
      tokens === 0 ? 'no model was asked' : `${rounded(usage.cachedTokens)} cached, ${rounded(usage.outputTokens)} out`,
    ],
  ];
  const cells = figures.map(
    ([name, value, more]) => `<div><dt>${name}</dt><dd><b>${value}</b><span>${more}</span></dd></div>`,
  );
  return `<dl class="figures">${cells.join('\n')}</dl>`;
}

function timelineOf(report: Report): string {
  const svg = timelineSvg(report);
  if (svg === '') return '';
  const counts = Map.groupBy(report.attempts, toneOf);
  const legend = (Object.keys(TONES) as Tone[]).flatMap((tone) => {
    const number = counts.get(tone)?.length ?? 0;
    const swatch = `<svg viewBox="0 0 22 11" aria-hidden="true"><rect class="bar ${tone}" x=".5" y=".5" width="21" height="10" rx="2"/></svg>`;
    return number === 0
      ? []
      : [
          `<li>${swatch} <span class="sign ${tone}">${TONES[tone].sign}</span> ${TONES[tone].words} <b>${grouped(number)}</b></li>`,
        ];
  });
  return `<h2>Agents over time <small>${percent(report.efficiency)} of ${count(report.agents, 'agent')} busy</small></h2>
<div class="card">
${svg}
<ul class="legend">
${legend.join('\n')}
</ul>
</div>`;
}
