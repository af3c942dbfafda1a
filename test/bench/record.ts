import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../support/sources.ts';
import type { Bench, Measured, Outcome, Part, Verdict } from './bench.ts';
import { median, noise } from './stats.ts';
import { show } from './verdicts.ts';

/** What benchmarks measured, kept raw for programs and as tables where people read them. */

export interface Recorded extends Outcome {
  name: string;
  title: string;
  /** ISO 8601 UTC. */
  at: string;
  commit: string;
  machine: string;
  command: string;
}

const FOLDER = join(ROOT, 'docs/benchmarks');
const PAGE = join(ROOT, 'docs/benchmarks.md');

export function record(bench: Bench, outcome: Outcome, words: readonly string[]): void {
  const recorded: Recorded = {
    ...{
      name: bench.name,
      title: bench.title,
      at: new Date().toISOString(),
      commit: commitNow(),
      machine: machineNow(),
    },
    ...{ command: ['npm run bench', ...(words.length > 0 ? ['--', ...words] : [])].join(' '), ...outcome },
  };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, `${bench.name}.json`), `${JSON.stringify(recorded, rounded, 1)}\n`);
  const page = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '';
  writeFileSync(PAGE, withSection(page, bench.name, sectionOf(recorded)));
}

const DIGITS = 6;

/** More digits than anything here is good for would only make files long. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(DIGITS)) : value;
}

function commitNow(): string {
  const git = (...words: string[]) => execFileSync('git', ['-C', ROOT, ...words], { encoding: 'utf8' }).trim();
  const isChanged = git('status', '--porcelain', '--', 'controller', 'bootstrap', 'test/bench') !== '';
  return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`;
}

function machineNow(): string {
  const model = cpus()[0]?.model.trim() || 'unknown processor';
  return `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
}

/** The page with what stands between a bench's two marks replaced; at the end where it has no such marks. */
export function withSection(page: string, name: string, text: string): string {
  const [open, close] = [`<!-- measured: ${name} -->`, `<!-- end: ${name} -->`];
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  const section = `${open}\n\n${text}\n\n${close}`;
  if (from < 0 || to < from) return `${page.trimEnd()}\n\n${section}\n`;
  return page.slice(0, from) + section + page.slice(to + close.length);
}

function sectionOf({ at, commit, machine, command, parts, verdicts, notes = [] }: Recorded): string {
  return [
    `${at.slice(0, 16).replace('T', ' ')} UTC, ${commit}, ${machine}: \`${command}\``,
    ...(verdicts.length > 0 ? [verdictTable(verdicts)] : []),
    ...parts.map(partTable),
    ...notes,
  ].join('\n\n');
}

const IS_MET = new Map<boolean | null, string>([
  [true, 'met'],
  [false, '**not met**'],
  [null, 'not measured'],
]);

export function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(
    ({ what, measured, target, isMet }) => `| ${what} | ${measured} | ${target} | ${IS_MET.get(isMet)} |`,
  );
  return ['| | measured | must be | |', '|---|---|---|---|', ...rows].join('\n');
}

function partTable({ title, unit, measured }: Part): string {
  const names = [
    ...new Set(measured.flatMap(({ samples }) => samples.flatMap(({ detail }) => Object.keys(detail ?? {})))),
  ];
  const heading = ['', `median, ${unit}`, 'least to most', 'noise', 'runs', ...names.map(wordsOf), ''];
  const rows = measured.map((each) => rowOf(each, names));
  return [`${title}:`, '', line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n');
}

const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

function rowOf({ name, what, samples, trouble }: Measured, details: readonly string[]): readonly string[] {
  const values = samples.map(({ value }) => value);
  const about = trouble === undefined ? what : `${what}. ${samples.length > 0 ? 'Then' : 'Not measured'}: ${trouble}`;
  if (values.length === 0) return [name, '–', '–', '–', '0', ...details.map(() => '–'), cellOf(about)];
  const span = values.length < 2 ? '–' : `${show(Math.min(...values))} to ${show(Math.max(...values))}`;
  const rest = details.map((detail) => {
    const found = samples.flatMap((sample) => sample.detail?.[detail] ?? []);
    return found.length === 0 ? '–' : show(median(found));
  });
  const spread = values.length < 2 || median(values) === 0 ? '–' : show(noise(values), '%');
  return [name, show(median(values)), span, spread, String(values.length), ...rest, cellOf(about)];
}

/** A bar would end the cell. */
function cellOf(text: string): string {
  return text.replaceAll('\n', ' ').replaceAll('|', '\\|').slice(0, 300);
}

/** `controllerCpuMs` as `controller cpu ms`. */
function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
