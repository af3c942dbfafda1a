/** `npm run check`: everything that can be said about the code without running it. Runs all, then says what failed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare } from '../test/support/machine.ts';

interface Check {
  name: string;
  words: readonly string[];
  /** What to do when it fails. */
  mend: string;
}

interface Result {
  check: Check;
  passed: boolean;
  seconds: number;
}

const ROOT = join(import.meta.dirname, '..');
const CHECK_MS_MAX = 300_000;
const SCRIPT_FOLDERS = ['bin', '.ci', 'bootstrap'];
/** Programs that are joined of parts before they go anywhere. */
const PROGRAMS = {
  'fleet-node': { parts: 'bootstrap/node', first: [], last: [] },
  'node-init': { parts: 'bootstrap/setup', first: ['bootstrap/versions.env'], last: ['main "$@"'] },
};
/** `colors` of the tools that do not look whether they write to a terminal. */
const COLORS = process.stdout.isTTY ? [] : ['--colors=off'];

const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const tool = (path: string): string => join(ROOT, 'node_modules', path);

async function main(): Promise<void> {
  await prepare(['shellcheck']);
  const folder = mkdtempSync(join(tmpdir(), 'fleet-check-'));
  const results = listChecks(folder).map(runCheck);
  rmSync(folder, { recursive: true, force: true });
  print('');
  for (const { check, passed, seconds } of results) {
    print(
      `${passed ? 'ok    ' : 'FAILED'} ${check.name.padEnd(12)} ${seconds.toFixed(1)} s${passed ? '' : `  ${check.mend}`}`,
    );
  }
  process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
}

function listChecks(folder: string): readonly Check[] {
  const node = process.execPath;
  return [
    {
      name: 'types',
      words: [node, tool('typescript/bin/tsc'), '-p', '.'],
      mend: 'mend the types; no any, no non-null !, no silenced check',
    },
    {
      name: 'format',
      words: [tool('.bin/biome'), 'ci', ...COLORS, '--error-on-warnings', '.'],
      mend: 'node_modules/.bin/biome check --write . mends formatting and the order of imports; the rest by hand',
    },
    {
      name: 'lint',
      words: [tool('.bin/oxlint'), '--deny-warnings'],
      mend: 'mend what it names; rules are in .oxlintrc.json',
    },
    {
      name: 'dead code',
      words: [node, tool('knip/bin/knip.js'), '--no-progress', '--no-config-hints'],
      mend: 'delete what nobody uses, or stop exporting it; ways in are listed in knip.json',
    },
    {
      name: 'shell',
      words: ['shellcheck', '--check-sourced', '--external-sources', ...listScripts(folder)],
      mend: 'mend the scripts; without shellcheck: apt-get install shellcheck',
    },
  ];
}

function runCheck(check: Check): Result {
  const [program = '', ...rest] = check.words;
  const began = performance.now();
  print(`── ${check.name}`);
  const ended = spawnSync(program, rest, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], timeout: CHECK_MS_MAX });
  if (ended.error !== undefined) print(`${check.name} could not run: ${ended.error.message}`);
  return { check, passed: ended.status === 0, seconds: (performance.now() - began) / 1000 };
}

/** Shell scripts that run as they are, and two made here that hold the parts of programs for nodes together. */
function listScripts(folder: string): readonly string[] {
  const scripts = SCRIPT_FOLDERS.flatMap((name) => listFolder(join(ROOT, name))).filter((path) =>
    /^#!.*\b(ba|da)?sh\b/.test(readFileSync(path, 'utf8')),
  );
  const joined = Object.entries(PROGRAMS).map(([name, { parts, first, last }]) => {
    const paths = listFolder(join(ROOT, parts)).filter((path) => path.endsWith('.sh'));
    const all = [...first.map((path) => join(ROOT, path)), ...paths.sort(byPlace)];
    const lines = all.map((path) => `# shellcheck source=${path}\n. ${path}`);
    writeFileSync(join(folder, name), ['#!/usr/bin/env bash', ...lines, ...last, ''].join('\n'));
    return join(folder, name);
  });
  return [...scripts, ...joined];
}

/** The ground first, main last: as the controller joins them. */
function byPlace(one: string, other: string): number {
  const place = (path: string): number => (path.endsWith('/ground.sh') ? 0 : path.endsWith('/main.sh') ? 2 : 1);
  return place(one) - place(other) || one.localeCompare(other);
}

function listFolder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(folder, entry.name));
}

await main();
