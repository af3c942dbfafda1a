import { check, type Finding, type Problem, pathText, placeFlaw, placeText } from '../config/check.ts';
import { LATER_TASK_FIELDS } from '../config/later.ts';
import { PLAN_TASKS_MAX } from '../config/limit.ts';
import { type Path, type Position, readYaml, type Source } from '../config/position.ts';
import { isMap } from '../config/value.ts';
import { splitFrontMatter } from './front-matter.ts';
import { cyclesOf, cycleText } from './graph.ts';
import { Name, TaskSpec } from './task.ts';

/** A task as asked for, with its name decided. */
export type PlannedTask = TaskSpec & { id: string };

export interface Plan {
  /** In the order of the files. */
  tasks: readonly PlannedTask[];
  /** Names that were made here, since no file said one: they may be changed where the ledger has them already. */
  generated: readonly string[];
  /** Needs that are no task of this plan: the ledger must know them. `where` is `file:line:column`. */
  external: readonly { task: string; need: string; where: string }[];
}

export interface PlanText {
  /** As shown in messages. */
  file: string;
  text: string;
  format: 'yaml' | 'markdown';
}

export type PlanReading = { is: 'plan'; plan: Plan } | { is: 'bad'; problems: readonly Problem[]; cyclic: boolean };

/** One task of a file, good or bad. */
interface Entry {
  file: string;
  spec: TaskSpec | null;
  /** Its own name, or the one of its Markdown file; null when one is to be made. */
  id: string | null;
  needs: readonly string[];
  locate(path: Path, at?: 'key' | 'value'): Position;
  /** The path as printed. */
  show(path: Path): string;
}

interface FileReading {
  entries: readonly Entry[];
  problems: readonly Problem[];
}

/** Task files as one plan, or every problem in any of them. `cyclic`: cycles are all that is wrong. */
export function readPlan(texts: readonly PlanText[]): PlanReading {
  const readings = texts.map(({ file, text, format }) =>
    format === 'yaml' ? readList(file, text) : readMarkdown(file, text),
  );
  const entries = readings.flatMap((reading) => reading.entries);
  const wrong = [
    ...readings.flatMap((reading) => reading.problems),
    ...countProblems(entries, texts),
    ...duplicates(entries),
  ];
  const ids = nameAll(entries);
  const circles = cycleProblems(entries, ids);
  if (wrong.length + circles.length > 0) {
    return { is: 'bad', problems: [...wrong, ...circles], cyclic: wrong.length === 0 };
  }
  const known = new Set(ids);
  const tasks = entries.flatMap(({ spec }, index) => (spec === null ? [] : [{ ...spec, id: ids[index] ?? '' }]));
  const external = entries.flatMap((entry, index) =>
    entry.needs.flatMap((need, at) =>
      known.has(need)
        ? []
        : [{ task: ids[index] ?? '', need, where: placeText(entry.file, entry.locate(['needs', at])) }],
    ),
  );
  const generated = ids.filter((_, index) => entries[index]?.id === null);
  return { is: 'plan', plan: { tasks, generated, external } };
}

/**
 * The plan with the names made up here told apart by content: the same nameless task handed in twice is one task, two
 * different ones never meet under one id. `hash` gives a short word for a text.
 */
export function nameApart(plan: Plan, hash: (text: string) => string): Plan {
  const madeUp = new Set(plan.generated);
  const names = new Map(
    plan.tasks.map((task) => [
      task.id,
      madeUp.has(task.id) ? `${task.id.slice(0, 56)}-${hash(JSON.stringify(task))}` : task.id,
    ]),
  );
  const renamed = (id: string) => names.get(id) ?? id;
  const tasks = plan.tasks.map((task) => ({
    ...task,
    id: renamed(task.id),
    ...(task.needs ? { needs: task.needs.map(renamed) } : {}),
  }));
  return {
    tasks,
    generated: plan.generated.map(renamed),
    external: plan.external.map((each) => ({ ...each, task: renamed(each.task) })),
  };
}

function readList(file: string, text: string): FileReading {
  const reading = readYaml(file, text);
  if (reading.is === 'flawed') return { entries: [], problems: reading.flaws.map((flaw) => placeFlaw(flaw, file)) };
  const source = reading.value;
  const { list, prefix, findings } = listOf(source.value);
  const problems = findings.map((finding) => place(finding, source.file, source.locate));
  const found = (list ?? []).map((value, index) => readEntry(file, value, null, within(source, [...prefix, index])));
  return {
    entries: found.map(({ entry }) => entry),
    problems: [...problems, ...found.flatMap((one) => one.problems)],
  };
}

const EXPECTED_LIST = 'expected a list of tasks, or `tasks:` with one';

/** The list of a file: itself, or its `tasks`. */
function listOf(value: unknown): { list: readonly unknown[] | null; prefix: Path; findings: readonly Finding[] } {
  if (Array.isArray(value)) return { list: value, prefix: [], findings: [] };
  if (!isMap(value) || value.tasks === undefined) {
    const given = value === null ? 'an empty file' : isMap(value) ? 'a map without it' : 'something else';
    return {
      list: null,
      prefix: [],
      findings: [{ path: [], at: 'value', message: `${EXPECTED_LIST} (given: ${given})` }],
    };
  }
  const others = Object.keys(value).filter((key) => key !== 'tasks');
  const findings: Finding[] = others.map((key) => ({ path: [key], at: 'key', message: 'unknown key beside tasks' }));
  if (Array.isArray(value.tasks)) return { list: value.tasks, prefix: ['tasks'], findings };
  const message = `expected a list (given: ${isMap(value.tasks) ? 'a map' : 'something else'})`;
  return { list: null, prefix: [], findings: [...findings, { path: ['tasks'], at: 'value', message }] };
}

type Place = Pick<Entry, 'locate' | 'show'>;

function within(source: Source, prefix: Path): Place {
  return {
    locate: (path, at = 'value') => source.locate([...prefix, ...path], at),
    show: (path) => pathText([...prefix, ...path]),
  };
}

function readMarkdown(file: string, text: string): FileReading {
  const parts = splitFrontMatter(text);
  const nowhere: Place = { locate: () => ({ line: 1, column: 1 }), show: pathText };
  if (parts.is === 'unclosed') {
    const message = 'expected a line `---` that ends the front matter';
    return { entries: [], problems: [placeFlaw({ line: 1, column: 1, message }, file)] };
  }
  const name = idFrom(baseName(file));
  if (parts.is === 'none') return onlyEntry(readEntry(file, { prompt: text }, name, nowhere));
  const head = readYaml(file, parts.head);
  if (head.is === 'flawed') return { entries: [], problems: head.flaws.map((flaw) => placeFlaw(flaw, file)) };
  const source = head.value;
  const fields = source.value ?? {};
  if (!isMap(fields)) {
    const finding: Finding = { path: [], at: 'value', message: 'expected fields such as `title: …` as front matter' };
    return { entries: [], problems: [place(finding, file, source.locate)] };
  }
  const hasBody = parts.body.trim() !== '';
  const { locate, show } = within(source, []);
  const bodyAt = { line: parts.bodyLine, column: 1 };
  const isBody = (path: Path) => path[0] === 'prompt' && fields.prompt === undefined;
  const reading = readEntry(file, hasBody ? { ...fields, prompt: parts.body } : fields, name, {
    locate: (path, at) => (isBody(path) ? bodyAt : locate(path, at)),
    show,
  });
  if (!hasBody || fields.prompt === undefined) return onlyEntry(reading);
  const message = 'expected the prompt once: the text below the front matter is one already';
  const twice = place({ path: ['prompt'], at: 'key', message }, file, source.locate);
  return { entries: [reading.entry], problems: [...reading.problems, twice] };
}

interface EntryReading {
  entry: Entry;
  problems: readonly Problem[];
}

function onlyEntry({ entry, problems }: EntryReading): FileReading {
  return { entries: [entry], problems };
}

function readEntry(file: string, value: unknown, fileId: string | null, { locate, show }: Place): EntryReading {
  const checked = check(TaskSpec, value, LATER_TASK_FIELDS);
  const fields = isMap(value) ? value : {};
  const own = Name.safeParse(fields.id);
  const needs = Array.isArray(fields.needs) ? fields.needs.filter((need) => typeof need === 'string') : [];
  const spec = checked.is === 'good' ? checked.value : null;
  const id = own.success ? own.data : fields.id === undefined ? fileId : null;
  const findings = checked.is === 'good' ? [] : checked.findings;
  return {
    entry: { file, spec, id, needs, locate, show },
    problems: findings.map((finding) => ({
      where: file,
      position: locate(finding.path, finding.at),
      path: show(finding.path),
      message: isMap(fields.agents) && finding.path[0] === 'agents' ? NO_STRATEGY : finding.message,
    })),
  };
}

const NO_STRATEGY = 'not in this version: agents by strategy; expected numbers such as [1, 2]';

function place({ path, at, message }: Finding, file: string, locate: Source['locate']): Problem {
  return { where: file, position: locate(path, at), path: pathText(path), message };
}

function countProblems(entries: readonly Entry[], texts: readonly PlanText[]): Problem[] {
  if (entries.length <= PLAN_TASKS_MAX) return [];
  const message = `expected at most ${PLAN_TASKS_MAX} tasks at once (given: ${entries.length})`;
  return [{ where: texts[0]?.file ?? '-', position: null, path: '', message }];
}

function duplicates(entries: readonly Entry[]): Problem[] {
  const first = new Map<string, Entry>();
  return entries.flatMap((entry) => {
    if (entry.id === null) return [];
    const other = first.get(entry.id);
    if (other === undefined) {
      first.set(entry.id, entry);
      return [];
    }
    const place = placeText(other.file, other.locate(['id']));
    const message = `expected another name: ${entry.id} is taken at ${place}`;
    return [{ where: entry.file, position: entry.locate(['id']), path: entry.show(['id']), message }];
  });
}

/** A name for every entry: its own, else one from its title, else `task-N`; made ones are unlike all others. */
function nameAll(entries: readonly Entry[]): string[] {
  const taken = new Set(entries.flatMap(({ id }) => (id === null ? [] : [id])));
  return entries.map(({ id, spec }, index) => {
    if (id !== null) return id;
    const wanted = idFrom((spec?.title ?? '').toLowerCase()) ?? `task-${index + 1}`;
    let made = wanted;
    for (let copy = 2; taken.has(made); copy += 1) made = `${wanted.slice(0, 57)}-${copy}`;
    taken.add(made);
    return made;
  });
}

/** What of a text can stand in a name; null when that is nothing. */
function idFrom(words: string): string | null {
  const id = words
    .normalize('NFKC')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
    .slice(0, 64);
  return id === '' ? null : id;
}

/** `b` of `a/b.md`. */
function baseName(file: string): string {
  return (file.split('/').at(-1) ?? file).replace(/\.[^.]*$/, '');
}

function cycleProblems(entries: readonly Entry[], ids: readonly string[]): Problem[] {
  const byId = new Map<string, Entry>();
  for (const [index, entry] of entries.entries()) {
    const id = ids[index] ?? '';
    if (!byId.has(id)) byId.set(id, entry); // a second one of the name is a problem already
  }
  const needs = new Map([...byId].map(([id, entry]) => [id, entry.needs]));
  return cyclesOf(needs).flatMap((cycle) => {
    const entry = byId.get(cycle[0] ?? '');
    if (entry === undefined) return [];
    const at = entry.needs.indexOf(cycle[1] ?? '');
    const message = `expected no circle: ${cycleText(cycle)}`;
    return [{ where: entry.file, position: entry.locate(['needs', at]), path: entry.show(['needs']), message }];
  });
}
