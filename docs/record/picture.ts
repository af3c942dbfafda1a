import { type Ink, OWN, type Piece, readScreen, type Screen } from './screen.ts';

/** A recording as one SVG file: no script, no font, nothing fetched; what changes is moved by CSS. */

export interface Frame {
  /** Milliseconds since the recording began. */
  atMs: number;
  /** As `tmux capture-pane -e` gives it. */
  text: string;
  cursor: { column: number; row: number } | null;
}

export interface Caption {
  title: string;
  /** What it is, for those who cannot see it. */
  about: string;
  /** Below the screen. */
  note: string;
}

const CELL = { width: 8.4, height: 19, font: 14 };
const EDGE = { side: 18, top: 46, bottom: 40 };
const FONTS =
  "ui-monospace,SFMono-Regular,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono','Noto Sans Mono',monospace";
const DOTS = ['#ff5f57', '#febc2e', '#28c840'];
/** How long the last screen stands before it begins again. */
const REST_MS = 6000;

/** Only frames that differ from the one before. */
export function dropEqual(frames: readonly Frame[]): Frame[] {
  return frames.filter((frame, index) => index === 0 || keyOf(frame) !== keyOf(frames[index - 1] ?? frame));
}

function keyOf({ text, cursor }: Frame): string {
  return JSON.stringify([text, cursor]);
}

/** Time in which nothing changes lasts at most so long; says how much was cut. */
export function shorten(frames: readonly Frame[], stillMsMax: number): { frames: Frame[]; cutMs: number } {
  let cutMs = 0;
  const shortened = frames.map((frame, index) => {
    const still = frame.atMs - (frames[index - 1]?.atMs ?? frame.atMs);
    cutMs += Math.max(0, still - stillMsMax);
    return { ...frame, atMs: frame.atMs - cutMs };
  });
  return { frames: shortened, cutMs };
}

export function drawPicture(
  frames: readonly Frame[],
  { columns, rows }: { columns: number; rows: number },
  caption: Caption,
): string {
  const [first] = frames;
  if (first === undefined) throw new Error('a recording without a frame');
  const size = {
    width: Math.ceil(columns * CELL.width + 2 * EDGE.side),
    height: rows * CELL.height + EDGE.top + EDGE.bottom,
  };
  const lengthMs = (frames.at(-1)?.atMs ?? 0) - first.atMs + REST_MS;
  const lines = new Map<string, number>();
  const shown = frames.map(({ text, cursor }) => drawScreen(readScreen(text, cursor), lines));
  const shares = frames.map(({ atMs }) => ((atMs - first.atMs) / lengthMs) * 100);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img" aria-labelledby="t d">`,
    `<title id="t">${writeText(caption.title)}</title><desc id="d">${writeText(caption.about)}</desc>`,
    `<style>${drawStyle(shares, lengthMs)}</style>`,
    drawWindow(size, caption),
    `<defs>${[...lines].map(([line, id]) => `<g id="l${id}">${line}</g>`).join('\n')}</defs>`,
    `<g transform="translate(${EDGE.side} ${EDGE.top})">`,
    ...shown.map(
      (screen, index) => `<g class="f${index === shown.length - 1 ? ' z' : ''}" id="f${index}">${screen}</g>`,
    ),
    '</g>',
    frames.length > 1
      ? `<rect class="p" y="${size.height - 3}" width="${size.width}" height="3" clip-path="url(#w)"/>`
      : '',
    '</svg>\n',
  ].join('\n');
}

/** Whoever wants no motion, or has a viewer without, sees the last screen. */
function drawStyle(shares: readonly number[], lengthMs: number): string {
  const seconds = (lengthMs / 1000).toFixed(2);
  const percent = (share: number) => `${Number(share.toFixed(3))}%`;
  const turns = shares.map((share, index) => {
    const before = index === 0 ? '' : '0%{visibility:hidden}';
    const end = shares[index + 1];
    return `@keyframes k${index}{${before}${percent(share)}{visibility:visible}${end === undefined ? '' : `${percent(end)}{visibility:hidden}`}${end === undefined ? '100%{visibility:visible}' : '100%{visibility:hidden}'}}`;
  });
  const moves = shares.map((_, index) => `#f${index}{animation:k${index} ${seconds}s step-end infinite}`);
  return [
    `text{font:${CELL.font}px ${FONTS};fill:${OWN.color};white-space:pre}`,
    '.b{font-weight:700}.d{opacity:.62}.u{text-decoration:underline}.t{fill:#8b949e}.n{fill:#7d8590;font-size:12px}',
    '.f{visibility:hidden}.z{visibility:visible}.c{fill:#c9d1d9;opacity:.75}.p{fill:#3fb950;opacity:.8;transform:scaleX(0)}',
    shares.length < 2
      ? ''
      : `@media (prefers-reduced-motion:no-preference){${turns.join('')}${moves.join('')}@keyframes p{to{transform:scaleX(1)}}.p{animation:p ${seconds}s linear infinite}}`,
  ].join('');
}

function drawWindow({ width, height }: { width: number; height: number }, { title, note }: Caption): string {
  const frame = `x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="10"`;
  const dots = DOTS.map((color, index) => `<circle cx="${22 + 20 * index}" cy="20" r="6" fill="${color}"/>`).join('');
  return [
    `<clipPath id="w"><rect ${frame}/></clipPath>`,
    `<rect ${frame} fill="${OWN.ground}"/>`,
    `<path d="M0 0H${width}V36H0Z" fill="#161b22" clip-path="url(#w)"/>`,
    `<rect ${frame} fill="none" stroke="#3d444d"/>`,
    dots,
    `<text class="t" x="${width / 2}" y="25" text-anchor="middle">${writeText(title)}</text>`,
    `<text class="n" x="${width / 2}" y="${height - 15}" text-anchor="middle">${writeText(note)}</text>`,
  ].join('\n');
}

/** A line that stands on many screens is written once, and pointed to. */
function drawScreen({ rows, cursor }: Screen, lines: Map<string, number>): string {
  const drawn = rows.flatMap((row, index) => {
    const line = row.map(drawPiece).join('');
    if (line === '') return [];
    if (!lines.has(line)) lines.set(line, lines.size);
    return [`<use href="#l${lines.get(line)}" y="${index * CELL.height}"/>`];
  });
  if (cursor) {
    const place = `x="${round(cursor.column * CELL.width)}" y="${cursor.row * CELL.height + 1}"`;
    drawn.push(`<rect class="c" ${place} width="${CELL.width}" height="${CELL.height - 2}"/>`);
  }
  return drawn.join('');
}

/** Words far apart are placed one by one: then no font can push the columns of a table out of line. */
function drawPiece({ text, column, cells, ink }: Piece): string {
  const ground =
    ink.ground === null
      ? ''
      : `<rect x="${round(column * CELL.width)}" width="${round(cells * CELL.width)}" height="${CELL.height}" fill="${ink.ground}"/>`;
  const isWide = cells > [...text].length;
  let at = column;
  const words = text.split(/( {2,}|^ | $)/).map((word) => {
    const length = isWide ? cells : [...word].length;
    const drawn = word.trim() === '' ? '' : drawWord(word, at, length, ink);
    at += length;
    return drawn;
  });
  return ground + words.join('');
}

function drawWord(word: string, column: number, cells: number, ink: Ink): string {
  const looks = [ink.isBold && 'b', ink.isDim && 'd', ink.isUnderlined && 'u'].filter((look) => look !== false);
  const attributes = [
    looks.length === 0 ? '' : ` class="${looks.join(' ')}"`,
    ink.color === null ? '' : ` style="fill:${ink.color}"`,
    ` x="${round(column * CELL.width)}" y="${CELL.font}" textLength="${round(cells * CELL.width)}" lengthAdjust="spacingAndGlyphs"`,
  ];
  return `<text${attributes.join('')}>${writeText(word)}</text>`;
}

function round(number: number): number {
  return Number(number.toFixed(1));
}

function writeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, '');
}
