import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ticksOf } from '../../controller/report/axis.ts';
import { busyParts } from '../../controller/report/busy.ts';
import { timelineSvg } from '../../controller/report/timeline.ts';
import { anAttempt, aReport, aRun, aTask, BEGAN } from './sample.ts';

const rowsOf = (svg: string) => [...svg.matchAll(/<g class="row">/g)].length;
const barsOf = (svg: string) =>
  [...svg.matchAll(/<rect class="bar (\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)].map(
    ([, tone, x, y, width, height]) => ({
      tone,
      x: Number(x),
      y: Number(y),
      width: Number(width),
      height: Number(height),
    }),
  );

describe('the picture of agents over time', () => {
  test.each([
    [18, 18],
    [200, 1700],
    [1, 1],
    [1000, 3000],
  ])('has a row for each of %i agents and a bar for each attempt at %i tasks, none over another', (agents, tasks) => {
    const report = aRun({ tasks, agents, nodes: ['mugen', 'majin', 'n3'], seconds: 60 });
    const svg = timelineSvg(report);
    const bars = barsOf(svg);
    expect(rowsOf(svg)).toBe(agents);
    expect(bars).toHaveLength(report.attempts.length);
    const height = Number(/viewBox="0 0 1160 ([\d.]+)"/.exec(svg)?.[1]);
    expect(bars.every((bar) => bar.x >= 44 && bar.x + bar.width <= 1154 && bar.y > 0 && bar.y < height)).toBe(true);
    expect(height).toBeLessThan(agents <= 200 ? 1300 : 4000);
    const byRow = Map.groupBy(bars, ({ y }) => y);
    expect(byRow.size).toBe(agents);
    for (const row of byRow.values()) {
      row.sort((a, b) => a.x - b.x);
      for (const [index, bar] of row.entries()) {
        const next = row[index + 1];
        if (next && bar.width > 1.2) expect(bar.x + bar.width).toBeLessThanOrEqual(next.x + 0.2);
      }
    }
    const rows = [...byRow.keys()].sort((a, b) => a - b);
    const gaps = rows.slice(1).map((y, index) => y - (rows[index] ?? 0));
    expect(Math.min(...gaps, 18)).toBeGreaterThanOrEqual(Math.max(...bars.map((bar) => bar.height)));
  });

  test('groups rows by node and puts them in the order of people: n2 before n10, 9 before 10', () => {
    const at = (node: string, agent: number) => anAttempt(`${node}-${agent}`, { node, agent });
    const attempts = [at('n10', 3), at('n2', 10), at('n2', 9)];
    const svg = timelineSvg(aReport({ attempts, tasks: attempts.map(({ task }) => aTask(task)) }));
    const places = [...svg.matchAll(/class="node"[^>]*>([^<]+)<|text-anchor="end">(\d+)<\/text><rect/g)];
    expect(places.map(([, node, agent]) => node ?? agent)).toEqual(['n2', '9', '10', 'n10', '3']);
  });

  test('draws 1,000 agents and says how many further ones it leaves out', () => {
    const attempts = Array.from({ length: 1200 }, (_, index) => anAttempt(`t${index}`, { agent: index + 1 }));
    const svg = timelineSvg(aReport({ attempts, tasks: attempts.map(({ task }) => aTask(task)) }));
    expect(rowsOf(svg)).toBe(1000);
    expect(svg).toContain('200 further agents not drawn.');
  });

  test('stands where the clock jumped back: an end before its beginning is a thin bar, not a negative one', () => {
    const attempts = [
      anAttempt('back', { startedAt: BEGAN + 50_000, endedAt: BEGAN + 2000 }),
      anAttempt('well', { agent: 2, endedAt: BEGAN + 9000 }),
    ];
    const bars = barsOf(timelineSvg(aReport({ attempts, tasks: [aTask('back'), aTask('well')] })));
    expect(bars.map(({ width }) => width > 0)).toEqual([true, true]);
  });

  test('is empty without attempts', () => {
    expect(timelineSvg(aReport())).toBe('');
  });

  test('names what it is about for those who cannot see it', () => {
    const svg = timelineSvg(aRun({ tasks: 3, agents: 3, nodes: ['a'], seconds: 4, badOfTen: 0 }));
    expect(svg).toMatch(/role="img" aria-label="3 agents and 3 attempts over \d/);
  });
});

describe('how many agents were busy', () => {
  test('adds up to the time they worked, whatever the parts', () => {
    const stretch = fc
      .record({ from: fc.integer({ min: 0, max: 1000 }), length: fc.integer({ min: 0, max: 500 }) })
      .map(({ from, length }) => ({ from, to: from + length }));
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 30 }), fc.integer({ min: 1, max: 200 }), (stretches, parts) => {
        const window = { from: 100, to: 900 };
        const worked = stretches.reduce(
          (sum, { from, to }) => sum + Math.max(0, Math.min(to, window.to) - Math.max(from, window.from)),
          0,
        );
        const sums = busyParts(stretches, window, parts);
        expect(sums).toHaveLength(parts);
        expect(sums.every((busy) => busy >= 0 && busy <= stretches.length + 1e-9)).toBe(true);
        expect((sums.reduce((a, b) => a + b, 0) * 800) / parts).toBeCloseTo(worked, 6);
      }),
    );
  });
});

describe('the time axis', () => {
  test.each([
    [800, ['0', '0.1 s', '0.2 s', '0.3 s', '0.4 s', '0.5 s', '0.6 s', '0.7 s', '0.8 s']],
    [42_000, ['0', '5 s', '10 s', '15 s', '20 s', '25 s', '30 s', '35 s', '40 s']],
    [95_000, ['0', '10 s', '20 s', '30 s', '40 s', '50 s', '1 m 00 s', '1 m 10 s', '1 m 20 s', '1 m 30 s']],
    [7_000_000, ['0', '15 m', '30 m', '45 m', '1 h 00 m', '1 h 15 m', '1 h 30 m', '1 h 45 m']],
  ])('counts from the beginning over %i ms', (span, labels) => {
    expect(ticksOf({ from: BEGAN, to: BEGAN + span }, 11).map(({ label }) => label)).toEqual(labels);
  });

  test('names hours and days (UTC) where it is long', () => {
    const hours = ticksOf({ from: BEGAN, to: BEGAN + 20 * 3_600_000 }, 11);
    expect(hours.slice(0, 2).map(({ label }) => label)).toEqual(['11-21 10:00', '11-21 12:00']);
    const days = ticksOf({ from: BEGAN, to: BEGAN + 6 * 86_400_000 }, 11);
    expect(days.slice(0, 2).map(({ label }) => label)).toEqual(['2026-11-22', '2026-11-23']);
  });

  test('has few marks, all inside, whatever the span', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 * 86_400_000 }), (span) => {
        const ticks = ticksOf({ from: BEGAN, to: BEGAN + span }, 11);
        expect(ticks.length).toBeLessThanOrEqual(12);
        expect(ticks.every(({ at }) => at >= BEGAN && at <= BEGAN + span)).toBe(true);
        expect(new Set(ticks.map(({ label }) => label)).size).toBe(ticks.length);
      }),
    );
  });
});
