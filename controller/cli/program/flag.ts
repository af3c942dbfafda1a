import { InvalidArgumentError } from 'commander';
import type { Subcommand } from '../subcommand.ts';

/** Declares a subcommand; `run` gets the arguments, then the options. */
export type Add = (name: string, summary: string, run: (words: unknown[]) => Promise<number>) => Subcommand;

export const JSON_FLAG = ['--json', 'the result as JSON on standard output, and nothing else'] as const;
export const DRY_RUN = ['--dry-run', 'print what would be done, do nothing'] as const;

export function wholeNumber(text: string): string {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return text;
}

export function agentCount(text: string): string {
  return text === 'auto' ? text : wholeNumber(text);
}

/** A flag that may be given several times. */
function several(value: string, before: string[] = []): string[] {
  return [...before, value];
}

export const REPORT_FLAG = [
  '--report <file>',
  'writes a report there at the end, also when tasks failed: .html or .md; may be given twice',
  several,
] as const;
