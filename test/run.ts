/**
 * `npm test`: prepares what the tests need, runs them all, and ends with `N passed, N failed`.
 * FLEET_TEST_REQUIRE=tmux,codex makes a missing program a failure; without it, tests that need it are skipped.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CAPABILITIES, describeFinding, type Finding, prepare } from './support/machine.ts';
import { lastLine, type Tally, tally } from './support/results.ts';

const ROOT = join(import.meta.dirname, '..');
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const RUN_MS_MAX = 60 * 60_000;
const KILL_MS = 10_000;
const TITLES_SHOWN_MAX = 20;

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

async function main(words: readonly string[]): Promise<void> {
  const findings = await prepare(CAPABILITIES);
  findings.forEach((finding) => void print(describeFinding(finding)));
  const missing = listMissing(findings, process.env.FLEET_TEST_REQUIRE ?? '');

  const folder = mkdtempSync(join(tmpdir(), 'fleet-test-'));
  const reportFile = join(folder, 'report.json');
  const exit = await runTests(words, reportFile, environment(findings));
  const counts = tally(existsSync(reportFile) ? readFileSync(reportFile, 'utf8') : undefined, exit);
  rmSync(folder, { recursive: true, force: true });

  printSkips(counts);
  const troubles = [...counts.troubles, ...missing.map((name) => `${name} is required here and missing`)];
  troubles.forEach((trouble) => void print(`failed: ${trouble}`));
  const failed = counts.failed + missing.length;
  print(lastLine({ ...counts, failed }));
  process.exitCode = failed === 0 && counts.passed > 0 ? 0 : 1;
}

/** Required names that are not present; a name nobody knows is missing, too. */
function listMissing(findings: readonly Finding[], required: string): readonly string[] {
  const present = new Set<string>(findings.filter((finding) => finding.is === 'present').map(({ name }) => name));
  const names = required.split(',').map((name) => name.trim());
  return names.filter((name) => name !== '' && !present.has(name));
}

function environment(findings: readonly Finding[]): NodeJS.ProcessEnv {
  const present = findings.filter((finding) => finding.is === 'present');
  const programs = present.map(({ name, program }): [string, string] => [`FLEET_TEST_${name.toUpperCase()}`, program]);
  return {
    ...process.env,
    FLEET_TEST_HAVE: present.map(({ name }) => name).join(','),
    ...Object.fromEntries(programs),
  };
}

/** Runs vitest with its output passed on; its exit code, null when a signal ended it. Has a time limit. */
function runTests(words: readonly string[], reportFile: string, env: NodeJS.ProcessEnv): Promise<number | null> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const child = spawn(process.execPath, [VITEST, 'run', ...reporters, ...words], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const end = (why: string): void => {
    print(`ending the tests: ${why}`);
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), KILL_MS).unref();
  };
  const limit = setTimeout(() => end(`they ran for ${RUN_MS_MAX / 60_000} minutes`), RUN_MS_MAX);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => end(signal));
  return new Promise((resolve) => {
    const settle = (code: number | null): void => {
      clearTimeout(limit);
      resolve(code);
    };
    child.once('exit', settle);
    child.once('error', (error) => {
      print(`vitest could not be started: ${error.message}`);
      settle(null);
    });
  });
}

function printSkips(counts: Tally): void {
  for (const [reason, titles] of counts.skips) {
    print(`skipped, ${reason}: ${titles.length}`);
    titles.slice(0, TITLES_SHOWN_MAX).forEach((title) => void print(`  ${title}`));
    if (titles.length > TITLES_SHOWN_MAX) print(`  and ${titles.length - TITLES_SHOWN_MAX} more`);
  }
}

await main(process.argv.slice(2));
