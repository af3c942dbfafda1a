import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FleetError } from '../errors.ts';
import { type Plan, type PlanText, readPlan } from '../task/plan-file.ts';
import { type Problem, placeFlaw, printProblems } from './check.ts';
import { collect, failureOf, readBounded } from './file.ts';
import { PLAN_BYTES_MAX, PLAN_FILES_MAX } from './limit.ts';
import { decode } from './position.ts';

export interface PlanRequest {
  /** Files, folders, or `-` for standard input. Of a folder: its *.md, *.yaml, *.yml and *.json by name, but no README. */
  paths: readonly string[];
  /** Relative paths begin here. Absolute. */
  cwd: string;
  /** Where `-` reads from. */
  stdin: AsyncIterable<Uint8Array>;
}

type TextReading = { texts: readonly PlanText[]; problems: readonly Problem[] };

/** Reads task files as one plan. Throws FleetError `plan-invalid`, or `cycle`, listing every problem. */
export async function loadTasks({ paths, cwd, stdin }: PlanRequest): Promise<Plan> {
  const texts: PlanText[] = [];
  const problems: Problem[] = [];
  for (const path of new Set(paths)) {
    const reading = path === '-' ? await readStdin(stdin) : await readPath(path, cwd);
    texts.push(...reading.texts);
    problems.push(...reading.problems);
  }
  const plan = readPlan(texts);
  if (plan.is === 'plan' && problems.length === 0) return plan.plan;
  if (plan.is === 'bad') problems.push(...plan.problems);
  const cyclic = plan.is === 'bad' && plan.cyclic && problems.length === plan.problems.length;
  throw new FleetError(cyclic ? 'cycle' : 'plan-invalid', printProblems(problems), {
    hint: cyclic ? 'Take one need out of each circle.' : 'Nothing was accepted. Correct the file and hand it in again.',
  });
}

async function readStdin(stdin: AsyncIterable<Uint8Array>): Promise<TextReading> {
  return textOf('-', await collect(stdin, PLAN_BYTES_MAX));
}

async function readPath(path: string, cwd: string): Promise<TextReading> {
  const files = await filesOf(path, cwd);
  if (files === null) return readFile(path, cwd);
  if (files.length === 0)
    return problem(path, 'expected task files in it: *.md, *.yaml, *.yml or *.json (there are none)');
  if (files.length > PLAN_FILES_MAX) {
    return problem(path, `expected at most ${PLAN_FILES_MAX} task files in it (given: ${files.length})`);
  }
  const readings: TextReading[] = [];
  for (const file of files) readings.push(await readFile(join(path, file), cwd));
  return {
    texts: readings.flatMap((reading) => reading.texts),
    problems: readings.flatMap((reading) => reading.problems),
  };
}

/** Names of the task files in a folder, sorted; null when the path is no folder. */
async function filesOf(path: string, cwd: string): Promise<string[] | null> {
  try {
    const names = await readdir(resolve(cwd, path));
    return names.filter((name) => /^(?!\.|readme\.).*\.(md|yaml|yml|json)$/i.test(name)).sort();
  } catch (error) {
    failureOf(error); // no folder: reading it as a file tells what is wrong
    return null;
  }
}

async function readFile(path: string, cwd: string): Promise<TextReading> {
  const reading = await readBounded(resolve(cwd, path), PLAN_BYTES_MAX);
  if (reading.is === 'absent') return problem(path, 'expected a task file or a folder of them (there is none)');
  if (reading.is === 'unreadable') return problem(path, `expected a readable task file (${reading.reason})`);
  return textOf(path, reading.bytes);
}

function textOf(file: string, bytes: Uint8Array): TextReading {
  const text = decode(bytes, PLAN_BYTES_MAX);
  if (text.is === 'flawed') return { texts: [], problems: text.flaws.map((flaw) => placeFlaw(flaw, file)) };
  return { texts: [{ file, text: text.value, format: formatOf(file, text.value) }], problems: [] };
}

/** By the name; of standard input by the first line and a second mark, as front matter has. */
function formatOf(file: string, text: string): PlanText['format'] {
  if (file !== '-') return /\.(md|markdown)$/i.test(file) ? 'markdown' : 'yaml';
  return /^---[ \t]*\r?\n[\s\S]*?^---[ \t]*$/m.test(text) ? 'markdown' : 'yaml';
}

function problem(where: string, message: string): TextReading {
  return { texts: [], problems: [{ where, position: null, path: '', message }] };
}
