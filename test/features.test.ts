import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, readText } from './support/sources.ts';

/** One row of docs/features.md: `| id | what | shown by |`. */
interface Feature {
  id: string;
  what: string;
  shownBy: readonly Citation[];
}

interface Citation {
  file: string;
  title: string;
}

const text = readText('docs/features.md');
const features = readFeatures(text);

describe('docs/features.md', () => {
  it('has rows, each with something said and something that shows it', () => {
    expect(features.length).toBeGreaterThan(0);
    expect(features.filter(({ what, shownBy }) => what === '' || shownBy.length === 0).map(({ id }) => id)).toEqual([]);
  });

  it('uses only the ids that it lists', () => {
    const known = readIds(text);
    expect(known.size).toBeGreaterThan(0);
    expect(features.filter(({ id }) => !known.has(id)).map(({ id }) => id)).toEqual([]);
  });

  it('cites only tests that exist', () => {
    const cited = features.flatMap(({ id, shownBy }) => shownBy.map((citation) => ({ id, citation })));
    expect(cited.flatMap(({ id, citation }) => missing(citation).map((why) => `${id}: ${why}`))).toEqual([]);
  });
});

describe('the checks of this file', () => {
  it('read rows and their citations', () => {
    const row = '| T4 | Cycles are printed | `test/a.test.ts › one › two`<br>`test/b.real.test.ts › three` |';
    expect(readFeatures(`| id | what | shown by |\n|---|---|---|\n${row}\n`)).toEqual([
      {
        id: 'T4',
        what: 'Cycles are printed',
        shownBy: [
          { file: 'test/a.test.ts', title: 'one › two' },
          { file: 'test/b.real.test.ts', title: 'three' },
        ],
      },
    ]);
  });

  it('read ids and ranges of them', () => {
    expect([...readIds('Ids: B1 to B3, V1.')]).toEqual(['B1', 'B2', 'B3', 'V1']);
  });

  it('miss a file and a title that are not there', () => {
    const file = 'test/features.test.ts';
    expect(missing({ file: 'test/nowhere.test.ts', title: 'x' })).toHaveLength(1);
    expect(missing({ file, title: ['no', 'such', 'title'].join(' ') })).toHaveLength(1);
    expect(missing({ file, title: 'cites only tests that exist' })).toEqual([]);
  });
});

function readFeatures(markdown: string): readonly Feature[] {
  return markdown.split('\n').flatMap((line) => {
    const [id = '', what = '', shown = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    if (!/^[A-Z]\d+$/.test(id)) return [];
    const shownBy = [...shown.matchAll(/`(test\/[^`›]+\.test\.ts) › ([^`]+)`/g)].map((match) => ({
      file: match[1] ?? '',
      title: match[2] ?? '',
    }));
    return [{ id, what, shownBy }];
  });
}

/** The ids of the line that begins with `Ids:`, with ranges such as `T1 to T14` spelled out. */
function readIds(markdown: string): ReadonlySet<string> {
  const line = /^Ids: (.*)$/m.exec(markdown)?.[1] ?? '';
  const ranges = [...line.matchAll(/([IBFATLHPOSVN])(\d+)(?: to \1(\d+))?/g)];
  return new Set(
    ranges.flatMap(([, letter, first, last]) => {
      const count = Number(last ?? first) - Number(first) + 1;
      return Array.from({ length: count }, (_, index) => `${letter}${Number(first) + index}`);
    }),
  );
}

/** What is wrong with a citation: each part of its title must stand in the file as it is cited. */
function missing({ file, title }: Citation): readonly string[] {
  if (!existsSync(join(ROOT, file))) return [`${file} does not exist`];
  const source = readText(file).replaceAll("\\'", "'");
  const absent = title.split(' › ').filter((part) => !source.includes(part));
  return absent.map((part) => `${file} has no title "${part}"`);
}
