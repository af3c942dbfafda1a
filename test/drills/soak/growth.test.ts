import { describe, expect, it } from 'vitest';
import { judgeGrowth, type Measure } from './growth.ts';
import type { Sample } from './sample.ts';

const files: Measure = { what: 'files', unit: '', of: ({ nodeFiles }) => nodeFiles, factor: 1.1, more: 5 };
const looks = (values: readonly number[]) => values.map((nodeFiles) => ({ nodeFiles }) as Sample);

describe('growth in a long drill', () => {
  it('is not what rises at first and then stays', () => {
    const grown = judgeGrowth(looks([0, 50, 100, 100, 100, 100, 100, 100]), files);
    expect(grown).toMatchObject({ second: 100, last: 100, most: 100, isGrowth: false });
  });

  it('is what is above the second quarter by more than is allowed at the end, and not one high look', () => {
    expect(judgeGrowth(looks([0, 0, 100, 100, 110, 110, 115, 115]), files).isGrowth).toBe(false);
    expect(judgeGrowth(looks([0, 0, 100, 100, 110, 110, 116, 116]), files).isGrowth).toBe(true);
    expect(judgeGrowth(looks([0, 0, 0, 100, 100, 100, 0, 0, 0, 100, 900, 100]), files).isGrowth).toBe(false);
  });

  it('is not claimed of what could not be seen', () => {
    const unseen: Measure = { ...files, of: () => null };
    expect(judgeGrowth(looks([1, 2, 3, 4]), unseen)).toMatchObject({ second: null, last: null, isGrowth: false });
    expect(judgeGrowth([], files).isGrowth).toBe(false);
  });
});
