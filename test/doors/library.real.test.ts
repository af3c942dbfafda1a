import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { z } from 'zod';
import { Results } from '../../controller/operations/results.ts';
import { describeWith } from '../support/capability.ts';
import { findProgram } from '../support/machine.ts';
import { listFiles, ROOT, readText } from '../support/sources.ts';
import { aPerson, call, type Person, processesOf, tasksText, wordsOf } from './person.ts';

/** The package as npm makes it, in a project that has nothing else. */

const UNPACKED_BYTES_MAX = 2_000_000;
const INSTALL_MS_MAX = 300_000;
const NPM = findProgram('npm');
const Packed = z.tuple([
  z.object({
    filename: z.string(),
    unpackedSize: z.number(),
    files: z.array(z.object({ path: z.string(), mode: z.number() })),
  }),
]);
type Packed = z.infer<typeof Packed>[0];

/** npm as a person calls it: without what a script of ours was told about its own run. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));

function npm(cwd: string, ...words: string[]) {
  const limits = { timeout: INSTALL_MS_MAX, maxBuffer: 64 * 1_048_576 };
  return spawnSync(NPM ?? 'npm', words, { cwd, env, encoding: 'utf8', ...limits });
}

/** Whether the dependencies can be had, from the registry or from npm's cache. */
function hasRegistry(): boolean {
  if (NPM === undefined) return false;
  const { dependencies } = JSON.parse(readText('package.json')) as { dependencies: Record<string, string> };
  const folder = mkdtempSync(join(tmpdir(), 'fleet-registry-'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const asked = npm(folder, 'install', '--dry-run', '--prefer-offline', '--fetch-retries=0', '--ignore-scripts');
  rmSync(folder, { recursive: true, force: true });
  return asked.status === 0;
}

/** The program that README.md shows. */
function readmeProgram(): string {
  const fences = [...readText('README.md').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
  return fences.find((text) => text.includes("from 'miyabi-fleet'")) ?? expect.fail('README.md shows no program');
}

const isThere = hasRegistry();
const project = mkdtempSync(join(homedir(), '.ft-project-'));
let packed: Packed;

beforeAll(() => {
  if (!isThere) return;
  const made = npm(ROOT, 'pack', '--json', '--pack-destination', project);
  expect(made.status, made.stderr).toBe(0);
  [packed] = Packed.parse(JSON.parse(made.stdout));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  const words = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts=false'];
  const installed = npm(project, ...words, join(project, packed.filename));
  expect(installed.status, installed.stderr).toBe(0);
}, INSTALL_MS_MAX);

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Calls words in the project, with the home of a person. */
function inProject(person: Person, words: readonly string[]) {
  const path = `${join(project, 'node_modules/.bin')}:${process.env.PATH}`;
  return call(words, { env: { ...person.env, PATH: path }, cwd: project }).ended;
}

/** Writes a program into the project, to be run by the Node that came with the package. */
function aProgram(name: string, text: string): string[] {
  writeFileSync(join(project, name), text);
  return ['node', name];
}

const needs = isThere ? '' : ' (needs npm and its registry or cache)';
const inPackage = isThere ? it : it.skip;

describeWith(['tmux'], `the package${needs}`, () => {
  inPackage('holds what it needs to run, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    const allowed =
      /^(package\.json|README\.md|LICENSE|bin\/(fleet|node)|bootstrap\/((node|setup)\/[a-z-]+\.sh|README\.md|versions\.env)|infra\/prices\.json|dist\/[a-z/-]+(\.d\.ts|\.js)|docs\/[a-z]+\.schema\.json|examples\/[a-z0-9/-]+\.(md|yaml|service)|examples\/eighteen\/README\.md)$/;
    expect(paths.filter((path) => !allowed.test(path))).toEqual([]);
    // Of the machines as code: what the controller reads of them, which needs no Pulumi.
    const shared = ['node-init', 'outputs', 'settings/check', 'settings/cidr', 'settings/parse', 'settings/schema'];
    const modules = listFiles('controller')
      .filter((path) => path.endsWith('.ts') && !path.includes('/pretend'))
      .map((path) => path.replace(/^controller/, 'dist/controller').replace(/ts$/, 'js'));
    expect(paths.filter((path) => path.endsWith('.js')).sort()).toEqual(
      [...modules, ...shared.map((name) => `dist/infra/${name}.js`)].sort(),
    );
    expect(paths).toEqual(expect.arrayContaining([...listFiles('bootstrap/node'), ...listFiles('examples')]));
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'docs/fleet.schema.json']));
    expect(packed.files.filter(({ path }) => path.startsWith('bin/')).map(({ mode }) => mode & 0o111)).toEqual([
      73, 73,
    ]);
    expect(packed.unpackedSize).toBeLessThan(UNPACKED_BYTES_MAX);
  });

  inPackage(
    'runs the program that README.md shows, which the compiler accepts at its strictest',
    async (context) => {
      const person = await aPerson(context, { env: { FLEET_AGENTS: undefined, FLEET_KIND: undefined } });
      const words = aProgram('hello.ts', readmeProgram());
      aProgram('wrong.ts', WRONG_IN_TYPE);
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(TSCONFIG));
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      expect(await inProject(person, ['node', tsc, '-p', project])).toMatchObject({ exit: 0, out: '' });
      const said = await inProject(person, words);
      expect(said).toMatchObject({ exit: 0, err: '' });
      expect(said.out).toMatch(/^where completed \S+\ngreet completed hello from agent [12]\n$/);
      // Done before: it is over while nodes are still being greeted, and the program ends all the same.
      expect(await inProject(person, words)).toMatchObject({ exit: 0, out: said.out, err: '' });
    },
    300_000,
  );

  inPackage('is the fleet command, too', async (context) => {
    const person = await aPerson(context);
    const { version } = JSON.parse(readText('package.json')) as { version: string };
    expect(await inProject(person, ['npx', '--no', 'fleet', '--', '--version'])).toMatchObject({
      exit: 0,
      out: `${version}\n`,
    });
    const file = person.write('one.yaml', tasksText([{ id: 'one', run: 'echo ran' }]));
    const said = await inProject(person, ['npx', '--no', 'fleet', '--', 'run', file, '--json']);
    expect(said.exit, said.err).toBe(0);
    expect(Results.parse(JSON.parse(said.out)).results).toMatchObject([{ task: 'one', answer: 'ran' }]);
  });

  inPackage('lets a program end that gave up waiting, and what it began goes on', async (context) => {
    const person = await aPerson(context);
    const program = aProgram('quick.js', GIVES_UP);
    expect(await inProject(person, program)).toMatchObject({ exit: 0, out: 'time-limit\n', err: '' });
    expect(processesOf(person.home).map(wordsOf)).toContain('sleep 600');
  });
});

describe('the launcher of a package', () => {
  /** As npm leaves it, with or without the Node it depends on; `found` is the version of the one in PATH. */
  function launched(context: TestContext, has: 'all' | 'no script run' | 'nothing', found: string) {
    const folder = mkdtempSync(join(tmpdir(), 'fleet-launcher-'));
    context.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const place = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text, { mode: 0o755 });
      return join(folder, path);
    };
    if (has !== 'nothing') place('node_modules/node/package.json', '{}');
    if (has === 'all') place('node_modules/node/bin/node', '#!/bin/sh\necho its own "$@"\n');
    place('path/node', `#!/bin/sh\n[ "$1" = -p ] && echo ${found} || echo the other "$@"\n`);
    const launcher = place('node_modules/@some/thing/node_modules/miyabi-fleet/bin/node', readText('bin/node'));
    const PATH = `${join(folder, 'path')}:/usr/bin:/bin`;
    const { status, stdout, stderr } = spawnSync(launcher, ['a b'], { env: { PATH }, encoding: 'utf8' });
    return { status, out: stdout, err: stderr.replaceAll(folder, '') };
  }

  it('finds the Node that came along, wherever npm has put it', (context) => {
    expect(launched(context, 'all', '20.1.0')).toEqual({ status: 0, out: 'its own a b\n', err: '' });
  });

  it('takes the one in PATH where npm skipped the install script, if it is new enough', (context) => {
    for (const has of ['no script run', 'nothing'] as const)
      for (const found of ['24.15.0', '24.20.1', '26.0.0'])
        expect(launched(context, has, found)).toEqual({ status: 0, out: 'the other a b\n', err: '' });
  });

  it('else says exactly what to do, and exits with 2', (context) => {
    for (const found of ['20.1.0', '24.14.9', '']) {
      const { status, out, err } = launched(context, 'no script run', found);
      expect([status, out]).toEqual([2, '']);
      expect(err).toContain(`needs Node 24.15 or newer, found ${found || 'none'}`);
      expect(err).toContain('Run in : npm rebuild node --ignore-scripts=false --foreground-scripts');
    }
    expect(launched(context, 'nothing', '20.1.0').err).toContain('/miyabi-fleet: npm ci');
  });
});

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: 'nodenext',
    target: 'es2024',
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
  },
  files: ['hello.ts', 'wrong.ts'],
};

/** Where the package's types were lost, nothing would be wrong here, and the compiler would say so. */
const WRONG_IN_TYPE = `
  import { FleetError, openFleet } from 'miyabi-fleet';
  // @ts-expect-error
  const fleet = await openFleet({ agents: { count: 'many' } });
  // @ts-expect-error
  await fleet.run([{ id: 3 }]);
  // @ts-expect-error
  export const state: number = (await fleet.list('tasks'))[0]?.state;
  // @ts-expect-error
  new FleetError('no-such-code', '');
  for await (const { kind } of fleet.events()) {
    // @ts-expect-error
    if (kind === 'nothing') break;
  }
`;

const GIVES_UP = `
  import { openFleet } from 'miyabi-fleet';
  const fleet = await openFleet();
  const limit = new AbortController();
  const running = fleet.run([{ id: 'slow', run: 'exec sleep 600' }], { signal: limit.signal });
  for await (const { kind } of fleet.events({ since: 0 })) if (kind === 'attempt_started') break;
  limit.abort();
  await running.catch(({ code }) => console.log(code));
  await fleet.close();
`;
