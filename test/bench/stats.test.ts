import { expect, test } from 'vitest';
import { withSection } from './record.ts';
import { median, noise, quantile, slope } from './stats.ts';
import { judge, ratio, show } from './verdicts.ts';

test('a median stands in the middle, a quantile on a value that was measured, noise is the span over the median', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, Number.NaN]);
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0, 0.5, 0.99, 1].map((share) => quantile(hundred, share))).toEqual([1, 50, 99, 100]);
  expect(noise([90, 100, 120])).toBe(0.3);
});

test('growth is the slope of the line nearest to all looks', () => {
  expect(slope([0, 1, 2, 3].map((x) => [x, 5 + 2 * x]))).toBeCloseTo(2);
  expect(slope([[1, 7]])).toBe(0);
});

test('a promise is met on its limit, missed beyond, and neither where nothing was measured', () => {
  expect(judge('x', 1.5, { atMost: 1.5 })).toMatchObject({ isMet: true, measured: '1.5', target: '≤ 1.5' });
  expect(judge('x', 0.5999, { atLeast: 0.6 }, '%')).toMatchObject({ isMet: false, measured: '60 %' });
  expect(judge('x', ratio(undefined, 2), { atLeast: 1 })).toMatchObject({ isMet: null, measured: 'not measured' });
});

test('numbers are shown with three digits, thousands apart', () => {
  expect([show(1234.5, 'ms'), show(0.012345), show(0.8761, '%')]).toEqual(['1,235 ms', '0.0123', '87.6 %']);
});

test('a new measurement replaces its own section of the page and no other', () => {
  const page =
    '# A\n\n<!-- measured: x -->\n\nold\n\n<!-- end: x -->\n\ntext\n\n<!-- measured: y -->\n\nkept\n\n<!-- end: y -->\n';
  expect(withSection(page, 'x', 'new')).toBe(page.replace('old', 'new'));
  expect(withSection('# A\n', 'x', 'new')).toBe('# A\n\n<!-- measured: x -->\n\nnew\n\n<!-- end: x -->\n');
});
