import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { drawPicture, dropEqual, type Frame, shorten } from '../docs/record/picture.ts';
import { readScreen } from '../docs/record/screen.ts';
import { ROOT } from './support/sources.ts';

const CAPTION = { title: 'a title', about: 'what it shows', note: 'how it was made' };
const SIZE = { columns: 40, rows: 3 };
const SVG_BYTES_MAX = 400_000;
const PNG_BYTES_MAX = 300_000;

const frame = (atMs: number, text: string): Frame => ({ atMs, text, cursor: null });

function wordsOf(svg: string): string[] {
  return [...svg.matchAll(/<text(?: class="[bdu ]+")?(?: style="[^"]*")? x="[\d.]+" y="14"[^>]*>([^<]*)/g)].map(
    ([, text = '']) => text,
  );
}

describe('a recording', () => {
  it('keeps the colors of the terminal, and lets them end where the terminal does', () => {
    const { rows } = readScreen('\u001b[1;32m$\u001b[0m ls\n\u001b[38;5;196mred\u001b[39m \u001b[7mturned', null);
    expect(rows.map((row) => row.map(({ text, column }) => [text, column]))).toEqual([
      [
        ['$', 0],
        [' ls', 1],
      ],
      [
        ['red', 0],
        [' ', 3],
        ['turned', 4],
      ],
    ]);
    expect(rows[0]?.map(({ ink }) => [ink.color, ink.isBold])).toEqual([
      ['#3fb950', true],
      [null, false],
    ]);
    expect(rows[1]?.map(({ ink }) => [ink.color, ink.ground])).toEqual([
      ['#ff0000', null],
      [null, null],
      ['#0d1117', '#c9d1d9'],
    ]);
  });

  it('gives a letter of East Asia two cells, and what follows it its own place', () => {
    const [row] = readScreen('48 行 of', null).rows;
    expect(row?.map(({ text, column, cells }) => [text, column, cells])).toEqual([
      ['48 ', 0, 3],
      ['行', 3, 2],
      [' of', 5, 3],
    ]);
  });

  it('shows every change once, in its order, and says each line once', () => {
    const frames = dropEqual([frame(0, '$ '), frame(100, '$ '), frame(200, '$ a\nsame'), frame(300, '$ b\nsame')]);
    expect(frames.map(({ atMs }) => atMs)).toEqual([0, 200, 300]);
    const svg = drawPicture(frames, SIZE, CAPTION);
    expect(wordsOf(svg).filter((word) => word === 'same')).toHaveLength(1);
    expect(svg.match(/id="f\d+"/g)).toHaveLength(3);
    const ids = [...svg.matchAll(/id="(l\d+)"/g)].map(([, id]) => id);
    const pointed = [...svg.matchAll(/href="#(\w+)"/g)].map(([, id]) => id);
    expect(new Set(pointed)).toEqual(new Set(ids));
    // In hundredths of all, with the rest at the end: each comes when it came, and goes when the next one comes.
    const begins = [...svg.matchAll(/@keyframes k\d\{(?:0%\{visibility:hidden\})?([\d.]+)%\{visibility:visible/g)];
    const ends = [...svg.matchAll(/([\d.]+)%\{visibility:hidden\}100%/g)];
    expect(begins.map(([, share]) => share)).toEqual(['0', '3.175', '4.762']); // of 6.3 s
    expect(ends.map(([, share]) => share)).toEqual(begins.slice(1).map(([, share]) => share));
    expect(svg).toContain('prefers-reduced-motion');
  });

  it('shortens a wait, and tells by how much', () => {
    const { frames, cutMs } = shorten([frame(0, 'a'), frame(1000, 'b'), frame(9000, 'c'), frame(9500, 'd')], 2000);
    expect(frames.map(({ atMs }) => atMs)).toEqual([0, 1000, 3000, 3500]);
    expect(cutMs).toBe(6000);
  });

  it('shows what a program wrote as text, whatever it wrote', () => {
    const hostile = '<script>alert(1)</script>  &amp; "quoted" ]]>';
    const svg = drawPicture([frame(0, hostile)], { columns: 60, rows: 1 }, { ...CAPTION, title: '<b>&' });
    expect(svg).not.toMatch(/<script|<b>/);
    expect(svg).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(svg).toContain('&amp;amp;');
  });
});

describe('the pictures of the README', () => {
  const folder = join(ROOT, 'docs/pictures');
  const names = existsSync(folder) ? readdirSync(folder) : [];

  it('are there, and small enough for a page', () => {
    expect(names.sort()).toEqual(['rehearse.svg', 'report-dark.png', 'report-light.png', 'status.svg']);
    for (const name of names) {
      const bytes = readFileSync(join(folder, name)).length;
      expect(bytes, name).toBeLessThan(name.endsWith('.svg') ? SVG_BYTES_MAX : PNG_BYTES_MAX);
    }
  });

  it('hold no script, fetch nothing, and name no folder of the machine that made them', () => {
    for (const name of names.filter((each) => each.endsWith('.svg'))) {
      const svg = readFileSync(join(folder, name), 'utf8');
      expect(svg, name).not.toMatch(/<script|<foreignObject|\son\w+=|@import|url\((?!#)/i);
      expect(svg.match(/href="[^#][^"]*"/g) ?? [], name).toEqual([]);
      expect(svg.replaceAll(/<[^>]*>/g, ''), name).not.toMatch(/\/(tmp|root|home|var|work)\//);
    }
  });
});
