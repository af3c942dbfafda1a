import type { Stretch } from './busy.ts';

/** A mark of the time axis: wall time in ms, and what stands there. */
export interface Tick {
  at: number;
  label: string;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((days) => days * DAY),
];
/** Longer than this, one asks when it was, not how long after the beginning. */
const ELAPSED_MAX = 6 * HOUR;

/** At most about `max` round times in the window: since its beginning where it is short, dates (UTC) where it is long. */
export function ticksOf({ from, to }: Stretch, max: number): Tick[] {
  const span = to - from;
  const step = STEPS.find((each) => span / each <= max) ?? Math.ceil(span / max / DAY) * DAY;
  const isElapsed = span <= ELAPSED_MAX;
  const first = isElapsed ? from : Math.ceil(from / step) * step;
  const ticks: Tick[] = [];
  for (let index = 0; first + index * step <= to; index += 1) {
    const at = first + index * step;
    ticks.push({ at, label: isElapsed ? elapsed(at - from, step) : dated(at, step) });
  }
  return ticks;
}

function elapsed(ms: number, step: number): string {
  if (ms === 0) return '0';
  if (step < SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  const seconds = Math.round(ms / SECOND);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  if (h > 0) return m > 0 || step < HOUR ? `${h} h ${String(m).padStart(2, '0')} m` : `${h} h`;
  if (m > 0) return s > 0 || step < MINUTE ? `${m} m ${String(s).padStart(2, '0')} s` : `${m} m`;
  return `${s} s`;
}

function dated(ms: number, step: number): string {
  const text = new Date(ms).toISOString();
  return step >= DAY ? text.slice(0, 10) : `${text.slice(5, 10)} ${text.slice(11, 16)}`;
}
