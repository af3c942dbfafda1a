import type { Verdict } from './bench.ts';

/** Lines of the table of promises, from numbers that may be missing. */

export type Limit = { atLeast: number } | { atMost: number };

const NOT_MEASURED = 'not measured';

/** `measured` against a limit, both shown in the same unit. */
export function judge(what: string, measured: number | undefined, limit: Limit, unit = ''): Verdict {
  const target = 'atLeast' in limit ? `≥ ${show(limit.atLeast, unit)}` : `≤ ${show(limit.atMost, unit)}`;
  if (measured === undefined || Number.isNaN(measured)) return { what, measured: NOT_MEASURED, target, isMet: null };
  const isMet = 'atLeast' in limit ? measured >= limit.atLeast : measured <= limit.atMost;
  return { what, measured: show(measured, unit), target, isMet };
}

/** How often the second goes into the first; undefined where one is missing. */
export function ratio(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}

/** Three digits, and the unit behind them. */
export function show(value: number, unit = ''): string {
  const digits = Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : Number(value.toPrecision(3));
  if (unit === '%') return `${Number((value * 100).toPrecision(3))} %`;
  return `${digits}${unit === '' ? '' : ` ${unit}`}`;
}
