import { describe, expect, it } from 'vitest';
import {
  edgesOf,
  findCycles,
  importEffects,
  judgeDoors,
  judgeEdges,
  levelOf,
  type Row,
  worldUses,
} from './support/levels.ts';
import { importsOf, parse, parseFolder } from './support/sources.ts';

/** The rooms of controller/ and their levels: a file imports anything lower, never higher. A new file needs a row. */
const TABLE: readonly Row[] = [
  { level: 0, files: ['clock.ts', 'errors.ts', 'package.ts', 'secret.ts'] },
  { level: 1, files: ['node/node.ts', 'agent/agent.ts', 'task/task.ts', 'task/attempt.ts'] },
  { level: 1, files: ['transport/command.ts', 'transport/outcome.ts'] },
  { level: 1, files: ['config/check.ts', 'config/later.ts', 'config/limit.ts', 'config/nearest.ts'] },
  { level: 1, files: ['config/position.ts', 'config/value.ts'] },
  { level: 2, files: ['node/report.ts', 'node/journal.ts', 'node/shell.ts', 'node/price.ts', 'node/window.ts'] },
  { level: 2, files: ['agent/tools/*.ts'] },
  { level: 2, files: ['task/graph.ts', 'task/retry.ts', 'task/lease.ts', 'task/plan-file.ts', 'task/front-matter.ts'] },
  { level: 2, files: ['config/schema.ts', 'config/reference.ts', 'config/fleet.ts', 'config/stack.ts'] },
  { level: 2, files: ['config/example.ts', 'config/override.ts', 'config/resolve.ts', 'config/rule.ts'] },
  { level: 2, files: ['config/address.ts', 'node/survey.ts'] },
  { level: 2, files: ['node/greeting.ts', 'node/setup.ts', 'node/survey/*.ts'] },
  { level: 2, files: ['config/draft.ts', 'config/places.ts', 'config/ssh-hosts.ts'] },
  { level: 2, files: ['ledger/event.ts', 'ledger/view.ts'] },
  { level: 3, files: ['fleet/desired.ts', 'fleet/observation.ts', 'fleet/step.ts', 'fleet/explain.ts'] },
  { level: 3, files: ['fleet/place.ts', 'fleet/state.ts', 'fleet/plan.ts', 'fleet/plan/*.ts'] },
  { level: 4, files: ['transport/transport.ts', 'transport/local.ts', 'transport/child.ts', 'transport/gather.ts'] },
  { level: 4, files: ['transport/ssh.ts', 'transport/ssh-*.ts', 'transport/openssh.ts', 'transport/openssh-*.ts'] },
  { level: 4, files: ['transport/remote.ts', 'transport/known-hosts.ts', 'transport/slots.ts'] },
  { level: 4, files: ['transport/ssm.ts', 'node/power.ts', 'node/ec2.ts', 'node/pretend.ts'] },
  { level: 4, files: ['ledger/ledger.ts', 'ledger/tables.ts', 'ledger/sqlite.ts', 'ledger/postgres.ts'] },
  { level: 4, files: ['ledger/attempts.ts', 'ledger/inbox.ts', 'ledger/lock.ts', 'ledger/read.ts'] },
  {
    level: 4,
    files: [
      'ledger/conversation.ts',
      'ledger/lane.ts',
      'ledger/needs.ts',
      'ledger/parking.ts',
      'ledger/sights.ts',
      'ledger/tasks.ts',
    ],
  },
  { level: 4, files: ['ledger/migrations/*.ts', 'config/load.ts', 'config/inventory.ts', 'config/plan.ts'] },
  { level: 4, files: ['config/file.ts', 'node/link.ts', 'node/program.ts', 'transport/lines.ts'] },
  { level: 4, files: ['config/ssh-config.ts'] },
  { level: 5, files: ['fleet/observe.ts', 'fleet/apply.ts', 'fleet/apply/*.ts', 'fleet/tick.ts', 'fleet/run.ts'] },
  { level: 4, files: ['transport/pretend.ts', 'transport/pretend/*.ts'] },
  { level: 5, files: ['fleet/world.ts', 'fleet/settle.ts', 'fleet/publish.ts', 'fleet/tunnel.ts'] },
  { level: 6, files: ['operations/*.ts'] },
  { level: 6, files: ['report/*.ts'] },
  { level: 4, files: ['machine.ts'] },
  { level: 5, files: ['fleet/controller.ts'] },
  { level: 7, files: ['library/**/*.ts'] },
  { level: 7, files: ['cli/**/*.ts', 'http/**/*.ts', 'rpc/**/*.ts', 'mcp/**/*.ts', 'rehearsal/**/*.ts'] },
  { level: 8, files: ['index.ts'] },
];
const COMPOSER = 'controller/cli/main.ts';
const PURE_LEVEL_MAX = 3;
/** The contract of outputs, what a stack file may say, and the program that sets machines up. */
const INFRA_WITHOUT_PULUMI = /^infra\/(outputs|node-init|settings\/[a-z]+)\.ts$/;
/** What deciding may take from outside: everything of a package, or the names listed. Types may come from anywhere. */
const PURE_PACKAGES: Readonly<Record<string, 'all' | readonly string[]>> = {
  zod: 'all',
  yaml: 'all',
  'node:path': 'all',
  'node:buffer': ['Buffer', 'isUtf8', 'isAscii'],
  'node:url': ['fileURLToPath'],
  'node:util': ['inspect'],
  'node:crypto': ['createHash'],
};
const PURE_GLOBALS = /^(Math\.(?!random$)|Date\.(UTC|parse)$)/;
/** The one place of each thing that touches the world. */
const HOMES: readonly { what: string; use: RegExp; homes: readonly string[] }[] = [
  {
    what: 'reads the environment',
    use: /^process\.env$|^process\[…\]$/,
    homes: ['controller/config/load.ts', COMPOSER],
  },
  { what: 'ends the process', use: /^process\.(exit|exitCode|abort|reallyExit)$/, homes: [COMPOSER] },
  { what: 'prints', use: /^console\.|^process\.(stdout|stderr)$/, homes: ['controller/cli/', 'controller/mcp/'] },
];
const PACKAGE_HOMES: Readonly<Record<string, string>> = {
  '@aws-sdk/client-ec2': 'controller/node/ec2.ts',
  '@aws-sdk/client-ssm': 'controller/transport/ssm.ts',
  commander: 'controller/cli/',
  kysely: 'controller/ledger/',
  'node:sqlite': 'controller/ledger/',
  ssh2: 'controller/transport/ssh-',
};

const mayTake = (specifier: string, name: string) =>
  PURE_PACKAGES[specifier] === 'all' || (PURE_PACKAGES[specifier]?.includes(name) ?? false);

const sources = parseFolder('controller');
const paths = sources.map((source) => source.path);
const edges = edgesOf(sources);
const pure = sources.filter((source) => (levelOf(source.path, TABLE) ?? 9) <= PURE_LEVEL_MAX);

describe('the rooms of controller/', () => {
  it('are seen: more than 10 modules, and the imports between them', () => {
    expect(sources.length).toBeGreaterThan(10);
    expect(edges.length).toBeGreaterThan(5);
    expect(pure.length).toBeGreaterThan(5);
  });

  it('hold no file without a level', () => {
    const unplaced = paths.filter((path) => levelOf(path, TABLE) === undefined);
    const advice =
      'has no row in TABLE (test/imports.test.ts). Put it into the lowest level whose files do not need it: ' +
      '0 ground, 1 nouns, 2 what a noun knows, 3 deciding, 4 the world, 5 doing, 6 operations, 7 doors';
    expect(unplaced.map((path) => `${path} ${advice}`)).toEqual([]);
  });

  it('import only what exists', () => {
    expect(edges.filter(({ to }) => !paths.includes(to)).map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  it('import lower levels only, and across rooms of one level only types', () => {
    expect(judgeEdges(edges, TABLE, COMPOSER)).toEqual([]);
  });

  it('have no import cycle, not even of types', () => {
    expect(findCycles(edges)).toEqual([]);
  });

  it('are entered through their front doors', () => {
    expect(judgeDoors(edges, paths)).toEqual([]);
  });

  it('reach outside controller/ only for what infra/ says without Pulumi', () => {
    const strays = sources.flatMap((source) =>
      importsOf(source)
        .filter(({ target }) => target !== undefined && !target.startsWith('controller/'))
        .filter(({ target }) => !INFRA_WITHOUT_PULUMI.test(target ?? ''))
        .map(({ specifier }) => `${source.path} imports ${specifier}`),
    );
    expect(strays).toEqual([]);
    const told = parseFolder('infra').filter(({ path }) => INFRA_WITHOUT_PULUMI.test(path));
    const taken = told.flatMap((source) => importsOf(source).map(({ specifier }) => specifier));
    expect(told.length).toBeGreaterThan(3);
    expect(taken.filter((specifier) => specifier.startsWith('@pulumi/'))).toEqual([]);
  });

  it('show the library through index.ts, which only re-exports and is imported by nobody', () => {
    expect(edges.filter(({ to }) => to === 'controller/index.ts')).toEqual([]);
    const index = sources.find(({ path }) => path === 'controller/index.ts');
    const others = index?.tree.statements.filter((statement) => !/^export\b.*\bfrom\b/s.test(statement.getText()));
    expect(others?.map((statement) => statement.getText()) ?? []).toEqual([]);
  });
});

describe('deciding (levels 0 to 3)', () => {
  it('takes nothing from outside but schemas, YAML parsing, hashing and paths', () => {
    const taken = pure.flatMap((source) =>
      importsOf(source)
        .filter(({ target, typeOnly }) => target === undefined && !typeOnly)
        .flatMap(({ specifier, names }) => names.map((name) => ({ specifier, name })))
        .filter(({ specifier, name }) => !mayTake(specifier, name))
        .map(({ specifier, name }) => `${source.path} takes ${name} from ${specifier}`),
    );
    expect(taken).toEqual([]);
  });

  it('reads no clock, chance, environment, network or process', () => {
    const uses = pure.flatMap((source) => worldUses(source).filter(({ use }) => !PURE_GLOBALS.test(use)));
    expect(uses.map(({ use, at }) => `${at} uses ${use}: take it as an argument`)).toEqual([]);
  });
});

describe('the world', () => {
  it.each(HOMES)('has one place that $what', ({ use, homes }) => {
    const strays = sources
      .filter((source) => !homes.some((home) => source.path.startsWith(home)))
      .flatMap((source) => worldUses(source).filter((found) => use.test(found.use)));
    expect(strays.map((found) => `${found.at} uses ${found.use}`)).toEqual([]);
  });

  it('is reached through packages that have one home each', () => {
    const strays = sources.flatMap((source) =>
      importsOf(source)
        .filter(({ typeOnly }) => !typeOnly)
        .filter(({ specifier }) => !source.path.startsWith(PACKAGE_HOMES[specifier] ?? ''))
        .map(({ specifier }) => `${source.path} imports ${specifier}, at home in ${PACKAGE_HOMES[specifier]}`),
    );
    expect(strays).toEqual([]);
  });

  it('is untouched by merely importing a module', () => {
    const effects = sources.filter((source) => source.path !== COMPOSER).flatMap((source) => importEffects(source));
    expect(effects.map((at) => `${at} does something when imported`)).toEqual([]);
  });
});

describe('the checks of this file', () => {
  const judge = (from: string, text: string) => judgeEdges(edgesOf([parse(from, text)]), TABLE, COMPOSER);

  it('refuse a higher level, even for a type', () => {
    expect(judge('controller/task/task.ts', "import type { Plan } from '../fleet/plan.ts';")).toHaveLength(1);
    expect(judge('controller/fleet/plan.ts', "import type { Task } from '../task/task.ts';")).toEqual([]);
  });

  it('refuse a value across rooms of one level, and know every way to import one', () => {
    const from = 'controller/agent/agent.ts';
    expect(judge(from, "import { Task } from '../task/task.ts';")).toHaveLength(1);
    expect(judge(from, "import { type Task, Name } from '../task/task.ts';")).toHaveLength(1);
    expect(judge(from, "export * from '../task/task.ts';")).toHaveLength(1);
    expect(judge(from, "const late = () => import('../task/task.ts');")).toHaveLength(1);
    expect(judge(from, "import '../task/task.ts';")).toHaveLength(1);
    expect(judge(from, "import { type Task } from '../task/task.ts';")).toEqual([]);
    expect(judge(COMPOSER, "import { serve } from '../http/serve.ts';")).toEqual([]);
  });

  it('know which names of a module an import takes', () => {
    const text = "import 'a'; import b from 'b'; import { c as d, type E } from 'c'; import type { F } from 'f';";
    const imports = importsOf(parse('controller/x.ts', text));
    expect(imports.map(({ names, typeOnly }) => [names, typeOnly])).toEqual([
      [['*'], false],
      [['*'], false],
      [['c'], false],
      [['F'], true],
    ]);
  });

  it('see cycles and print them', () => {
    const edge = (from: string, to: string) => ({ from, to, typeOnly: true });
    expect(findCycles([edge('a', 'b'), edge('b', 'c'), edge('c', 'b'), edge('a', 'c')])).toEqual(['b → c → b']);
    expect(findCycles([edge('a', 'b'), edge('a', 'c'), edge('b', 'd'), edge('c', 'd')])).toEqual([]);
  });

  it('see who goes past a front door', () => {
    const all = ['controller/fleet/plan.ts', 'controller/fleet/plan/power.ts'];
    const to = 'controller/fleet/plan/power.ts';
    const from = (path: string) => judgeDoors([{ from: path, to, typeOnly: true }], all);
    expect(from('controller/fleet/run.ts')).toHaveLength(1);
    expect(from('controller/fleet/plan.ts')).toEqual([]);
    expect(from('controller/fleet/plan/agents.ts')).toEqual([]);
  });

  it('see the clock, chance, the environment and timers', () => {
    const text = 'Date.now(); new Date(); new Date(5); globalThis.process.env; Math.random(); setTimeout(f, 1);';
    const uses = worldUses(parse('controller/clock.ts', text)).map(({ use }) => use);
    expect(uses).toEqual(['Date.now', 'new Date()', 'process.env', 'Math.random', 'setTimeout']);
    expect(uses.filter((use) => PURE_GLOBALS.test(use))).toEqual([]);
    expect(PURE_GLOBALS.test('Math.max')).toBe(true);
  });

  it('see what happens at import', () => {
    const text =
      'const a = 1;\nrun();\nexport const b = await read();\nconst c = async () => await read();\nif (a) b();';
    expect(importEffects(parse('controller/x.ts', text))).toEqual([2, 3, 5].map((line) => `controller/x.ts:${line}`));
  });
});
