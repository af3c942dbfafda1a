import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Times } from '../doors/scene.ts';
import { ROOT } from '../support/sources.ts';

/** What drills measured, written where people read it. */

export interface Drilled {
  what: string;
  /** One for each time it was done. */
  times: readonly Times[];
  note?: string;
}

const FILE = join(ROOT, 'docs/drills.md');

function spread(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (known.length === 0) return '–';
  const show = (ms: number) => (ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(0)} s`);
  const middle = show(known[Math.floor((known.length - 1) / 2)] ?? 0);
  return known.length === 1 ? middle : `${middle} (${show(known.at(-1) ?? 0)})`;
}

function rowOf({ what, times, note }: Drilled): string {
  const costs = times.reduce((sum, each) => sum + each.costs, 0);
  const seen = spread(times.map(({ seenMs }) => seenMs));
  const goneOn = spread(times.map(({ goneOnMs }) => goneOnMs));
  return `| ${what} | ${times.length} | ${seen} | ${goneOn} | ${costs} | ${note ?? ''} |`;
}

const all: Drilled[] = [];

/** Puts these into the table of docs/drills.md, below what that says of it. */
export function addDrills(drills: readonly Drilled[]): void {
  all.push(...drills);
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const commit = execFileSync('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const table = [
    `Measured ${new Date().toISOString().slice(0, 10)} at ${commit} on ${machine}, by \`npm run drills\`; controller and machines share it.`,
    '',
    '| what happens | times | seen after | work goes on after | attempts it cost | |',
    '|---|---|---|---|---|---|',
    ...all.map(rowOf),
    '',
  ].join('\n');
  const [before = ''] = readFileSync(FILE, 'utf8').split('<!-- measured -->');
  writeFileSync(FILE, `${before}<!-- measured -->\n\n${table}`);
}
