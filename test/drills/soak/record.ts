import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '../../support/sources.ts';
import type { Account } from './account.ts';
import type { Grown } from './growth.ts';
import type { Sample } from './sample.ts';
import type { Tally } from './trouble.ts';

/** What a soak found, as people read it. */

export interface Soaked {
  minutes: number;
  seed: number;
  agents: number;
  tally: Tally;
  account: Account;
  grown: readonly Grown[];
  samples: readonly Sample[];
  /** What else went wrong; empty where nothing did. */
  wrong: readonly string[];
}

const FILE = join(ROOT, 'docs/drills.md');
const RAW = join(ROOT, 'docs/drills/soak.json');
const [BEGIN, END] = ['<!-- soak -->', '<!-- end of soak -->'];

const shown = (value: number | null, unit: string) => {
  if (value === null) return '–';
  const text = unit === '' ? value.toFixed(0) : value.toFixed(value < 10 ? 2 : 0);
  return unit === '' ? text : `${text} ${unit}`;
};

export function tableOf({ minutes, seed, agents, tally, account, grown }: Soaked): string {
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const commit = execFileSync('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const { tasks, completed, attempts, verdicts, tokens } = account;
  const costs = Object.entries(verdicts).map(([verdict, count]) => `${count} ${verdict}`);
  return [
    `Measured ${new Date().toISOString().slice(0, 10)} at ${commit} on ${machine}: ${minutes} minutes, ${agents} agents, seed ${seed}.`,
    '',
    `${completed} of ${tasks} tasks completed, by ${attempts} attempts${costs.length > 0 ? ` (${costs.join(', ')})` : ''}.`,
    `${tokens.ledger} tokens in the ledger; the model served ${tokens.served}, of which ${tokens.lostWithTheirAttempt} went with a killed attempt before they were counted.`,
    '',
    '| what happened | times |',
    '|---|---|',
    ...[...tally].toSorted(([, a], [, b]) => b - a).map(([what, times]) => `| ${what} | ${times} |`),
    '',
    '| what could grow | second quarter | last quarter | allowed | most | |',
    '|---|---|---|---|---|---|',
    ...grown.map(({ what, unit, second, last, most, allowed, isGrowth }) => {
      const cells = [second, last, allowed, most].map((value) => shown(value, unit));
      return `| ${what} | ${cells.join(' | ')} | ${isGrowth ? 'grows' : ''} |`;
    }),
  ].join('\n');
}

/** Puts it between the marks of docs/drills.md, and the looks themselves beside. */
export function record(soaked: Soaked): void {
  const text = readFileSync(FILE, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${FILE} has no ${BEGIN} before ${END}`);
  writeFileSync(FILE, `${text.slice(0, begin)}${BEGIN}\n\n${tableOf(soaked)}\n\n${text.slice(end)}`);
  const { seed, minutes, samples } = soaked;
  mkdirSync(dirname(RAW), { recursive: true });
  writeFileSync(
    RAW,
    `${JSON.stringify({ seed, minutes, tally: Object.fromEntries(soaked.tally), samples }, null, 1)}\n`,
  );
}
