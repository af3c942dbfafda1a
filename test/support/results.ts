import { z } from 'zod';

/** The part of the runner's JSON report that the counts are made from. */
const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
});

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** Titles of skipped tests by the reason their titles give. */
  skips: ReadonlyMap<string, readonly string[]>;
  /** What failed without being a test: a file that could not be read, a runner that crashed. */
  troubles: readonly string[];
}

/**
 * Counts a run. `report` is the text of the JSON report, undefined when there is none; `exit` is the runner's exit
 * code, null when a signal ended it. Every trouble counts as one failure, so a crash can never look like a success.
 */
export function tally(report: string | undefined, exit: number | null): Tally {
  const files = report === undefined ? undefined : readReport(report);
  if (files === undefined) return { ...NOTHING, failed: 1, troubles: [`the runner gave no report (exit ${exit})`] };
  const tests = files.flatMap((file) => file.assertionResults);
  const skipped = tests.filter((test) => test.status === 'skipped' || test.status === 'todo');
  const troubles = files
    .filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'))
    .map((file) => `${file.name} could not be run: ${file.message?.split('\n')[0] ?? 'no reason given'}`);
  const passed = tests.filter((test) => test.status === 'passed').length;
  const unfit = tests.length - passed - skipped.length; // what never ran counts as failed
  if (unfit + troubles.length === 0 && exit !== 0) troubles.push(`the runner failed (exit ${exit}) though no test did`);
  const failed = unfit + troubles.length;
  return {
    passed,
    failed,
    skipped: skipped.length,
    skips: groupByReason(skipped.map((test) => test.fullName)),
    troubles,
  };
}

/** The last line of every run: `12 passed, 0 failed`, and `, 3 skipped` where any were. */
export function lastLine(counts: { passed: number; failed: number; skipped: number }): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

/** The reason in the last brackets of a title that begin with `needs`, else that there is none. */
export function reasonOf(title: string): string {
  return [...title.matchAll(/\((needs [^()]+)\)/g)].at(-1)?.[1] ?? 'no reason given';
}

const NOTHING: Tally = { passed: 0, failed: 0, skipped: 0, skips: new Map(), troubles: [] };

function readReport(text: string): z.infer<typeof Report>['testResults'] | undefined {
  try {
    return Report.parse(JSON.parse(text)).testResults;
  } catch {
    return undefined; // cut short by a crash
  }
}

function groupByReason(titles: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const title of titles) {
    const reason = reasonOf(title);
    groups.set(reason, [...(groups.get(reason) ?? []), title]);
  }
  return groups;
}
