/** `bin/node test/bench/scale.ts`: writes docs/scale.md's tables from what the benchmarks recorded. Measures nothing. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/sources.ts';
import { type Recorded, withSection } from './record.ts';
import { middle, middleOf } from './rounds.ts';
import { slope } from './stats.ts';
import { AGENTS_EACH, SIZES } from './tick.ts';
import { show } from './verdicts.ts';

const PAGE = join(ROOT, 'docs/scale.md');
const NODES = [7, 50, 500, 5000];
const MEASURED_NODES = 7;
const FEED_TASKS = 2000;
const FAR_NODES = 1;
/** How long one task of a coding agent takes, for tasks a second. */
const TASK_SECONDS = 300;
const TICK_MS_MAX = 50;
const MEMORY_MB_MAX = 2000;

/** What the benchmarks say of one node, one task, one tick; undefined where that was not recorded. */
interface Costs {
  /** A tick in which nothing happens: ms for none, and more for each node. */
  tick: { ms: number; perNodeMs: number } | undefined;
  /** At rest: ms of the controller's CPU a second for each node. */
  restPerNodeMs: number | undefined;
  /** Controller's CPU to connect a node and to begin its agents. */
  connectMs: number | undefined;
  /** Memory of the controller: without nodes, and more for each. */
  memory: { mb: number; perNodeMb: number } | undefined;
  /** Controller's CPU for a task, from its claim to its end's acknowledgement. */
  taskMs: number | undefined;
  /** A claim in a batch. */
  claimMs: number | undefined;
}

function load(name: string): Recorded | undefined {
  const path = join(ROOT, 'docs/benchmarks', `${name}.json`);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Recorded) : undefined;
}

function costsOf(): Costs {
  const first = (name: string) => load(name)?.parts[0]?.measured ?? [];
  const rest = middle(first('rest'), 'quiet');
  const begun = middleOf(first('start'), 'fleet', 'controllerCpuMs');
  const fed = middleOf(first('feed'), 'fleet', 'controllerCpuMs');
  const claims = middle(first('claim'), 'fleet');
  return {
    tick: lineOf(SIZES.map((nodes) => [nodes, middle(first('tick'), `${nodes} nodes`)])),
    restPerNodeMs: rest && rest / MEASURED_NODES,
    connectMs: begun && begun / MEASURED_NODES,
    memory: memoryOf(middleOf(first('start-far'), 'fleet', 'rssMb'), middleOf(first('start'), 'fleet', 'rssMb')),
    taskMs: fed && fed / FEED_TASKS,
    claimMs: claims && 1000 / claims,
  };
}

/** The straight line through what was measured: least squares, and not below nothing. */
function lineOf(points: readonly (readonly [number, number | undefined])[]): Costs['tick'] {
  const known = points.flatMap(([x, y]) => (y === undefined ? [] : [[x, y] as const]));
  if (known.length < 2) return undefined;
  const perNodeMs = slope(known);
  const mean = (place: 0 | 1) => known.reduce((sum, point) => sum + point[place], 0) / known.length;
  return { ms: Math.max(0, mean(1) - perNodeMs * mean(0)), perNodeMs };
}

function memoryOf(far: number | undefined, near: number | undefined): Costs['memory'] {
  if (far === undefined || near === undefined) return undefined;
  const perNodeMb = Math.max(0, (near - far) / (MEASURED_NODES - FAR_NODES));
  return { mb: far - FAR_NODES * perNodeMb, perNodeMb };
}

type Row = readonly [what: string, formula: string, of: (nodes: number) => number | undefined, unit: string];

function rowsOf({ tick, restPerNodeMs, connectMs, memory, taskMs, claimMs }: Costs): readonly Row[] {
  const number = (value: number | undefined) => (value === undefined ? '–' : show(value));
  const per = (value: number | undefined) => (nodes: number) => value && value * nodes;
  const tasks = (nodes: number) => (nodes * AGENTS_EACH) / TASK_SECONDS;
  const formulaOfTick = `${number(tick?.ms)} + ${number(tick?.perNodeMs)} × nodes`;
  const formulaOfMemory = `${number(memory?.mb)} + ${number(memory?.perNodeMb)} × nodes`;
  return [
    ['agents', `${AGENTS_EACH} × nodes`, (nodes) => nodes * AGENTS_EACH, ''],
    ['a tick in which nothing happens', formulaOfTick, (nodes) => tick && tick.ms + tick.perNodeMs * nodes, 'ms'],
    ['controller at rest, CPU a second', `${number(restPerNodeMs)} × nodes`, per(restPerNodeMs), 'ms'],
    ['CPU to connect all and begin their agents', `${number(connectMs)} × nodes`, per(connectMs), 'ms'],
    ['memory', formulaOfMemory, (nodes) => memory && memory.mb + memory.perNodeMb * nodes, 'MB'],
    [`tasks a second, each ${TASK_SECONDS} s long`, `agents ÷ ${TASK_SECONDS}`, tasks, ''],
    ['CPU for them a second', `${number(taskMs)} × tasks a second`, (nodes) => taskMs && taskMs * tasks(nodes), 'ms'],
    [
      'of it, claims in transactions',
      `${number(claimMs)} × tasks a second`,
      (nodes) => claimMs && claimMs * tasks(nodes),
      'ms',
    ],
  ];
}

function tableOf(rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const heading = ['', 'computed as', ...NODES.map((nodes) => `${show(nodes)} nodes`)];
  const body = rows.map(([what, formula, of, unit]) => {
    const cells = NODES.map(of).map((value) => (value === undefined ? 'not recorded' : show(value, unit)));
    return line([what, formula, ...cells]);
  });
  return [line(heading), line(heading.map(() => '---')), ...body].join('\n');
}

/** How many nodes each limit allows, the narrowest first. */
function endsOf({ tick, restPerNodeMs, memory, taskMs }: Costs): string {
  const core = taskMs && restPerNodeMs && 1000 / (restPerNodeMs + (taskMs * AGENTS_EACH) / TASK_SECONDS);
  const ends: readonly (readonly [number | undefined, string])[] = [
    [tick && (TICK_MS_MAX - tick.ms) / tick.perNodeMs, `a tick takes more than ${TICK_MS_MAX} ms of CPU`],
    [
      memory?.perNodeMb && (MEMORY_MB_MAX - memory.mb) / memory.perNodeMb,
      `the controller needs more than ${MEMORY_MB_MAX} MB`,
    ],
    [core || undefined, `its one core is full: nodes at rest, and tasks of ${TASK_SECONDS} s`],
  ];
  const known = ends.flatMap(([nodes, why]) => (nodes === undefined ? [] : [{ nodes, why }]));
  if (known.length === 0) return 'Nothing is recorded yet.';
  const lines = known
    .toSorted((a, b) => a.nodes - b.nodes)
    .map(
      ({ nodes, why }) => `- ${show(Math.floor(nodes))} nodes, ${show(Math.floor(nodes) * AGENTS_EACH)} agents: ${why}`,
    );
  return lines.join('\n');
}

const costs = costsOf();
const page = withSection(readFileSync(PAGE, 'utf8'), 'scale', tableOf(rowsOf(costs)));
writeFileSync(PAGE, withSection(page, 'ends', endsOf(costs)));
