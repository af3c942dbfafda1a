/** Columns of text, Japanese and emoji counted as two cells wide. */

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;
const NARROW_PICTOGRAPHS = new Set(['✓', '✗', '·', '↻', '▶', '©', '®', '™']);
const ZERO = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** How many cells of a terminal a text takes. */
export function cells(text: string): number {
  let width = 0;
  for (const character of text) {
    if (ZERO.test(character)) continue;
    width += WIDE.test(character) && !NARROW_PICTOGRAPHS.has(character) ? 2 : 1;
  }
  return width;
}

/** The text in exactly `width` cells: cut with an ellipsis, or filled with spaces. */
export function toCells(text: string, width: number): string {
  const clean = text.replace(/[\u0000-\u001f\u007f]/g, ' ');
  if (cells(clean) <= width) return clean + ' '.repeat(width - cells(clean));
  let cut = '';
  for (const character of clean) {
    if (cells(cut + character) > width - 1) break;
    cut += character;
  }
  return `${cut}…${' '.repeat(Math.max(0, width - 1 - cells(cut)))}`;
}

/** Rows under a heading. The last column takes what is left of the terminal. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, index) => Math.max(...all.map((row) => cells(row[index] ?? ''))));
  const fixed = widths.slice(0, -1).reduce((sum, width) => sum + Math.min(width, 44) + 2, 0);
  const last = Math.max(10, columns - fixed);
  const line = (row: readonly string[]) =>
    row
      .map((value, index) =>
        index === heading.length - 1
          ? toCells(value, Math.min(last, Math.max(1, cells(value))))
          : toCells(value, Math.min(widths[index] ?? 0, 44)),
      )
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}
