/** What a terminal shows, read from the text that `tmux capture-pane -e` gives of it. */

export interface Ink {
  /** `#rrggbb`; null is the terminal's own. */
  color: string | null;
  ground: string | null;
  isBold: boolean;
  isDim: boolean;
  isUnderlined: boolean;
}

/** Letters that stand side by side in one look. */
export interface Piece {
  text: string;
  /** Column of its first cell, from 0. */
  column: number;
  /** Cells it covers: a letter of East Asia takes two. */
  cells: number;
  ink: Ink;
}

export interface Cursor {
  column: number;
  row: number;
}

export interface Screen {
  rows: readonly (readonly Piece[])[];
  cursor: Cursor | null;
}

interface Pen extends Ink {
  isReversed: boolean;
}

/** Soft on the eyes, and told apart on a dark ground: 0 to 7, then their bright ones. */
const PALETTE = (
  '#21262d #ff7b72 #3fb950 #d29922 #58a6ff #bc8cff #39c5cf #c9d1d9 ' +
  '#6e7681 #ffa198 #56d364 #e3b341 #79c0ff #d2a8ff #56d4dd #f0f6fc'
).split(' ');
/** The terminal's own two, needed where they change places. */
export const OWN = { color: '#c9d1d9', ground: '#0d1117' } as const;
const PLAIN: Pen = {
  ...{ color: null, ground: null },
  ...{ isBold: false, isDim: false, isUnderlined: false, isReversed: false },
};
const STEPS = [0, 95, 135, 175, 215, 255];
const LETTERS = new Intl.Segmenter('en', { granularity: 'grapheme' });
const WIDE =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303f\uff01-\uff60]|\p{Emoji_Presentation}/u;

export function readScreen(text: string, cursor: Cursor | null): Screen {
  let pen = PLAIN;
  const rows = text.split('\n').map((line) => {
    const read = readRow(line, pen);
    pen = read.pen;
    return read.pieces;
  });
  return { rows, cursor };
}

/** tmux leaves a look standing from one row to the next. */
function readRow(line: string, before: Pen): { pieces: Piece[]; pen: Pen } {
  const pieces: Piece[] = [];
  let pen = before;
  let column = 0;
  for (const part of line.split(/(\u001b\[[0-9;:]*m|\u001b[()].|\u000e|\u000f)/)) {
    if (part.startsWith('\u001b[')) pen = applyCodes(pen, part.slice(2, -1).split(/[;:]/).map(Number));
    else if (part !== '' && !/^[\u001b\u000e\u000f]/.test(part)) column = addText(pieces, part, column, inkOf(pen));
  }
  return { pieces, pen };
}

/** Gives the column behind the text. Wide letters are pieces of their own: fonts disagree about their width. */
function addText(pieces: Piece[], text: string, from: number, ink: Ink): number {
  let column = from;
  for (const { segment } of LETTERS.segment(text)) {
    const cells = WIDE.test(segment) ? 2 : 1;
    const last = pieces.at(-1);
    const isNext = last !== undefined && last.column + last.cells === column && isSameInk(last.ink, ink);
    if (isNext && WIDE.test(last.text) === (cells === 2)) {
      last.text += segment;
      last.cells += cells;
    } else pieces.push({ text: segment, column, cells, ink });
    column += cells;
  }
  return column;
}

function isSameInk(one: Ink, other: Ink): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function inkOf({ isReversed, ...ink }: Pen): Ink {
  if (!isReversed) return ink;
  return { ...ink, color: ink.ground ?? OWN.ground, ground: ink.color ?? OWN.color };
}

function applyCodes(pen: Pen, codes: readonly number[]): Pen {
  let now = pen;
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 38 || code === 48) {
      const [color, length] = readColor(codes.slice(index + 1));
      now = code === 38 ? { ...now, color } : { ...now, ground: color };
      index += length;
    } else now = applyCode(now, code);
  }
  return now;
}

function applyCode(pen: Pen, code: number): Pen {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...pen, isBold: true };
  if (code === 2) return { ...pen, isDim: true };
  if (code === 4) return { ...pen, isUnderlined: true };
  if (code === 7) return { ...pen, isReversed: true };
  if (code === 22) return { ...pen, isBold: false, isDim: false };
  if (code === 24) return { ...pen, isUnderlined: false };
  if (code === 27) return { ...pen, isReversed: false };
  if (code >= 30 && code <= 37) return { ...pen, color: PALETTE[code - 30] ?? null };
  if (code === 39) return { ...pen, color: null };
  if (code >= 40 && code <= 47) return { ...pen, ground: PALETTE[code - 40] ?? null };
  if (code === 49) return { ...pen, ground: null };
  if (code >= 90 && code <= 97) return { ...pen, color: PALETTE[code - 82] ?? null };
  if (code >= 100 && code <= 107) return { ...pen, ground: PALETTE[code - 92] ?? null };
  return pen;
}

/** A color by its number or by its parts, and how many codes that took. */
function readColor([how, ...rest]: readonly number[]): [color: string | null, length: number] {
  if (how === 2) return [hex(rest.slice(0, 3)), 4];
  const number = rest[0] ?? 0;
  if (number < 16) return [PALETTE[number] ?? null, 2];
  if (number >= 232) return [hex([1, 1, 1].map(() => 8 + 10 * (number - 232))), 2];
  const place = number - 16;
  return [hex([Math.floor(place / 36), Math.floor(place / 6) % 6, place % 6].map((step) => STEPS[step] ?? 0)), 2];
}

function hex(parts: readonly number[]): string {
  return `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}
