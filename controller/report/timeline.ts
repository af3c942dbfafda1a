import type { AttemptReport, Report } from '../operations/account.ts';
import { ticksOf } from './axis.ts';
import { barOf, PATTERNS } from './bar.ts';
import { busyParts, type Stretch } from './busy.ts';
import { escapeHtml, round } from './markup.ts';
import { cleanLine, count, duration, grouped, percent } from './words.ts';

/** Agents against time, as one SVG: above how many were busy, below a row for each agent and a bar for each attempt. */

const WIDTH = 1160;
const LEFT = 44;
const RIGHT = 8;
const PLOT = WIDTH - LEFT - RIGHT;
const BUSY_TOP = 14;
const BUSY_HEIGHT = 72;
const ROWS_TOP = BUSY_TOP + BUSY_HEIGHT + 26;
const NODE_HEIGHT = 20;
const ROW_MIN = 3;
const ROW_MAX = 18;
/** About how tall all rows together may be. */
const ROWS_HEIGHT = 900;
const ROWS_DRAWN_MAX = 1000;
const LABEL_HEIGHT = 11;
const TICKS_MAX = 11;

interface Row {
  agent: number;
  attempts: AttemptReport[];
  y: number;
}

interface NodeRows {
  node: string;
  rows: Row[];
  y: number;
}

interface Layout {
  window: Stretch;
  nodes: NodeRows[];
  rowHeight: number;
  bottom: number;
  /** Agents for which there is no room. */
  undrawn: number;
}

const at = (time: string) => Date.parse(time);

/** From the first beginning to the last end; to the making of the report while something runs. */
export function windowOf({ attempts, beganAt, at: madeAt }: Report): Stretch {
  const from = at(beganAt ?? madeAt);
  const ends = attempts.map(({ endedAt }) => at(endedAt ?? madeAt));
  const to = ends.reduce((a, b) => Math.max(a, b), from);
  return { from, to: Math.max(to, from + 1) };
}

export function stretchesOf({ attempts, at: madeAt }: Report): Stretch[] {
  return attempts.map(({ beganAt, endedAt }) => ({ from: at(beganAt), to: at(endedAt ?? madeAt) }));
}

/** The whole picture; empty where there was no attempt. */
export function timelineSvg(report: Report): string {
  if (report.attempts.length === 0) return '';
  const layout = layOut(report);
  const height = layout.bottom + 22;
  const parts = [
    gridOf(layout),
    busyOf(report, layout.window),
    ...layout.nodes.map((node) => nodeOf(report, layout, node)),
  ];
  const title = `${count(rowCount(layout), 'agent')} and ${count(report.attempts.length, 'attempt')} over ${duration(report.seconds)}`;
  const svg = `<svg class="timeline" viewBox="0 0 ${WIDTH} ${round(height)}" role="img" aria-label="${title}">\n${PATTERNS}\n${parts.join('\n')}\n</svg>`;
  const left = layout.undrawn > 0 ? `<p class="note">${count(layout.undrawn, 'further agent')} not drawn.</p>` : '';
  return `<div class="scroll">${svg}</div>${left}`;
}

const rowCount = ({ nodes }: Layout) => nodes.reduce((sum, { rows }) => sum + rows.length, 0);

function layOut(report: Report): Layout {
  const places = Map.groupBy(report.attempts, ({ node, agent }) => `${agent} ${node}`);
  const all = [...places.values()].flatMap((attempts) => (attempts[0] ? [{ ...attempts[0], attempts }] : []));
  all.sort((a, b) => compare(a.node, b.node) || a.agent - b.agent);
  const drawn = all.slice(0, ROWS_DRAWN_MAX);
  const rowHeight = Math.min(ROW_MAX, Math.max(ROW_MIN, Math.floor((ROWS_HEIGHT / drawn.length) * 2) / 2));
  let y = ROWS_TOP;
  const nodes = [...Map.groupBy(drawn, ({ node }) => node)].map(([node, own]) => {
    const top = y;
    const rows = own.map(({ agent, attempts }, index) => ({
      agent,
      attempts,
      y: top + NODE_HEIGHT + index * rowHeight,
    }));
    y = top + NODE_HEIGHT + rows.length * rowHeight + 4;
    return { node, rows, y: top };
  });
  return { window: windowOf(report), nodes, rowHeight, bottom: y, undrawn: all.length - drawn.length };
}

const compare = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });

function xOf({ from, to }: Stretch, time: number): number {
  return LEFT + Math.min(1, Math.max(0, (time - from) / (to - from))) * PLOT;
}

function gridOf({ window, bottom }: Layout): string {
  return ticksOf(window, TICKS_MAX)
    .map(({ at: time, label }) => {
      const x = xOf(window, time);
      const anchor = x > WIDTH - 40 ? 'end' : x < LEFT + 10 ? 'start' : 'middle';
      const text = (y: number) =>
        `<text class="tick" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${label}</text>`;
      return `<path class="grid" d="M${round(x)} ${BUSY_TOP}V${round(bottom)}"/>${text(ROWS_TOP - 8)}${text(bottom + 14)}`;
    })
    .join('');
}

/** The mean over every two pixels: what is filled of the whole is what efficiency means. */
function busyOf(report: Report, window: Stretch): string {
  const parts = busyParts(stretchesOf(report), window, PLOT / 2);
  const most = Math.max(1, report.agents, ...parts);
  const yOf = (busy: number) => round(BUSY_TOP + BUSY_HEIGHT * (1 - busy / most));
  const base = yOf(0);
  const steps = parts.map((busy, index) => {
    const y = yOf(busy);
    return index > 0 && y === yOf(parts[index - 1] ?? 0) ? '' : `H${LEFT + index * 2}V${y}`;
  });
  const line = `M${LEFT} ${base}${steps.join('')}H${LEFT + PLOT}`;
  const limit = yOf(report.agents);
  return [
    `<path class="busy" d="${line}V${base}Z"/><path class="busy-line" d="${line}"/>`,
    `<path class="limit" d="M${LEFT} ${limit}h${PLOT}"/>`,
    `<text class="tick" x="${LEFT - 6}" y="${round(Number(limit) + 4)}" text-anchor="end">${grouped(report.agents)}</text>`,
    `<text class="tick" x="${LEFT - 6}" y="${base}" text-anchor="end">0</text>`,
    `<text class="caption" x="${LEFT}" y="${BUSY_TOP - 5}">busy agents</text>`,
  ].join('');
}

function nodeOf(report: Report, layout: Layout, { node, rows, y }: NodeRows): string {
  const { rowHeight, window } = layout;
  const attempts = rows.flatMap((row) => row.attempts);
  const busy = attempts.reduce((sum, attempt) => sum + at(attempt.endedAt ?? report.at) - at(attempt.beganAt), 0);
  const share = Math.min(1, busy / (rows.length * (window.to - window.from)));
  const about = `${count(rows.length, 'agent')}, ${count(attempts.length, 'attempt')}, busy ${percent(share)}`;
  const head = `<text class="node" x="${LEFT}" y="${round(y + 14)}">${escapeHtml(cleanLine(node, 60))}<tspan class="tick" dx="8">${about}</tspan></text>`;
  const lines = rows.map((row) => `M${LEFT} ${round(row.y + rowHeight / 2)}h${PLOT}`).join('');
  const every = Math.max(1, Math.ceil(LABEL_HEIGHT / rowHeight));
  const bars = rows.map((row, index) => {
    const drawn = row.attempts.map((attempt) => {
      const from = xOf(window, at(attempt.beganAt));
      const to = xOf(window, at(attempt.endedAt ?? report.at));
      return barOf(attempt, { from, to, y: row.y, height: rowHeight }, report.beganAt);
    });
    return `<g class="row">${index % every === 0 ? labelOf(row, rowHeight) : ''}${drawn.join('\n')}</g>`;
  });
  return `${head}<path class="lane" d="${lines}"/>\n${bars.join('\n')}`;
}

function labelOf({ agent, y }: Row, rowHeight: number): string {
  return `<text class="tick" x="${LEFT - 6}" y="${round(y + rowHeight / 2 + 3.5)}" text-anchor="end">${agent}</text>`;
}
