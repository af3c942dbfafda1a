import type { Sample } from './sample.ts';

/** Whether something grew: the middle of the last quarter of all looks beside that of the second. */

export interface Measure {
  what: string;
  unit: string;
  of: (sample: Sample) => number | null;
  /** It has not grown while the last is at most `factor` times the second, plus `more`. */
  factor: number;
  more: number;
}

export interface Grown {
  what: string;
  unit: string;
  second: number | null;
  last: number | null;
  most: number | null;
  allowed: number | null;
  isGrowth: boolean;
}

const perTask = (sample: Sample, mb: number) => (sample.tasks === 0 ? null : (mb * 1000) / sample.tasks);

export const MEASURES: readonly Measure[] = [
  { what: 'memory of the controller', unit: 'MB', of: (at) => at.controllerMb, factor: 1.1, more: 10 },
  { what: 'files it holds open', unit: '', of: (at) => at.controllerFds, factor: 1, more: 4 },
  { what: 'processes of the fleet', unit: '', of: (at) => at.processes, factor: 1.15, more: 10 },
  { what: 'windows', unit: '', of: (at) => at.windows, factor: 1, more: 1 },
  { what: 'control groups', unit: '', of: (at) => at.groups, factor: 1, more: 5 },
  { what: 'files of attempts', unit: '', of: (at) => at.attemptFiles, factor: 1.15, more: 100 },
  { what: 'their size', unit: 'MB', of: (at) => at.attemptMb, factor: 1.15, more: 2 },
  { what: 'conversations kept in homes', unit: '', of: (at) => at.talkFiles, factor: 1.05, more: 80 },
  { what: 'their size', unit: 'MB', of: (at) => at.talkMb, factor: 1.05, more: 20 },
  { what: 'other files of homes', unit: '', of: (at) => at.homeFiles, factor: 1.05, more: 80 },
  { what: 'their size', unit: 'MB', of: (at) => at.homeMb, factor: 1.05, more: 20 },
  { what: 'logs of their databases', unit: 'MB', of: (at) => at.homeWalMb, factor: 1.05, more: 20 },
  { what: 'other files of the node', unit: '', of: (at) => at.nodeFiles, factor: 1, more: 10 },
  { what: 'their size', unit: 'MB', of: (at) => at.nodeMb, factor: 1.05, more: 2 },
  { what: 'the ledger, for a task', unit: 'kB', of: (at) => perTask(at, at.ledgerMb), factor: 1.1, more: 0 },
  { what: 'its log of writes', unit: 'MB', of: (at) => at.walMb, factor: 1, more: 8 },
  { what: 'other files beside the ledger', unit: '', of: (at) => at.stateFiles, factor: 1, more: 4 },
  { what: 'temporary files', unit: '', of: (at) => at.tmpFiles, factor: 1, more: 4 },
  { what: 'memory of the model', unit: 'MB', of: (at) => at.modelMb, factor: 1.15, more: 20 },
];

function middleOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** What was not seen in one of both quarters is no growth, and says so by null. */
export function judgeGrowth(samples: readonly Sample[], { what, unit, of, factor, more }: Measure): Grown {
  const valuesOf = (quarter: number) =>
    samples
      .slice(Math.floor((quarter * samples.length) / 4), Math.floor(((quarter + 1) * samples.length) / 4))
      .map(of)
      .filter((value) => value !== null);
  const [second, last] = [middleOf(valuesOf(1)), middleOf(valuesOf(3))];
  const allowed = second === null ? null : second * factor + more;
  const all = samples.map(of).filter((value) => value !== null);
  const most = all.length === 0 ? null : all.reduce((a, b) => Math.max(a, b));
  return { what, unit, second, last, most, allowed, isGrowth: last !== null && allowed !== null && last > allowed };
}
