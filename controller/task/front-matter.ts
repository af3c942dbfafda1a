/** A Markdown text in its two parts. */
export type FrontMatter =
  | { is: 'none' }
  | { is: 'unclosed' }
  | {
      is: 'split';
      /** YAML, with an empty line in place of the opening mark, so that its lines are those of the file. */
      head: string;
      /** Everything after the closing mark and the empty lines that follow it, byte for byte. */
      body: string;
      /** Line of the file where the body begins. */
      bodyLine: number;
    };

/** Splits a Markdown text at its front matter, which begins in the first line or not at all. */
export function splitFrontMatter(text: string): FrontMatter {
  const opening = /^---[ \t]*\r?\n/.exec(text);
  if (opening === null) return { is: 'none' };
  const closing = /^(---|\.\.\.)[ \t]*(\r?\n|$)/m;
  const rest = text.slice(opening[0].length);
  const mark = closing.exec(rest);
  if (mark === null) return { is: 'unclosed' };
  const behind = rest.slice(mark.index + mark[0].length);
  const blank = /^([ \t]*\r?\n)*/.exec(behind)?.[0] ?? '';
  const before = text.slice(0, text.length - behind.length + blank.length);
  return {
    is: 'split',
    head: `\n${rest.slice(0, mark.index)}`,
    body: behind.slice(blank.length),
    bodyLine: before.split('\n').length,
  };
}
