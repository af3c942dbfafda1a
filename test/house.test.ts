import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  bannedSyntax,
  countLines,
  describeLengths,
  functionLengths,
  type Length,
  shellFunctionLengths,
} from './support/budget.ts';
import { listFiles, parse, ROOT, readText } from './support/sources.ts';

const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 60;
const BUDGETED_FOLDERS = ['controller', 'bootstrap', 'infra', 'bin'];
const NAMES_THAT_SAY_NOTHING = /^(managers?|services?|helpers?|utils?|utilit(y|ies)|common|base|core|handlers?|types)$/;
const NAMES_WITH_OPINIONS = /(^|-)(new|old|simple|advanced|better|best|smart|basic|legacy|enhanced|improved|temp)(-|$)/;

const isText = (path: string) => !path.endsWith('.png');
const texts = BUDGETED_FOLDERS.flatMap(listFiles)
  .filter((path) => !/\.(md|json|yaml|yml)$/.test(path))
  .map((path) => ({ path, text: readText(path) }));
const scripts = texts.filter(({ path, text }) => path.endsWith('.sh') || /^#!.*\b(ba|da)?sh\b/.test(text));
const code = texts.filter(({ path }) => path.endsWith('.ts'));
const sources = code.map(({ path, text }) => parse(path, text));

const over = (lengths: readonly Length[], linesMax: number) =>
  lengths.filter(({ lines }) => lines > linesMax).map(({ at, name, lines }) => `${at} ${name}: ${lines} lines`);

describe('the budgets of the house', () => {
  it('are taken of real files: more than 10 sources and the launchers', () => {
    expect(code.length).toBeGreaterThan(10);
    expect(scripts.map(({ path }) => path)).toContain('bin/fleet');
  });

  it(`hold files to ${FILE_LINES_MAX} lines`, () => {
    const lengths = texts.map(({ path, text }) => ({ at: path, name: 'is too long', lines: countLines(text) }));
    process.stdout.write(
      `${describeLengths(
        'files',
        lengths.map(({ lines }) => lines),
      )}\n`,
    );
    expect(over(lengths, FILE_LINES_MAX)).toEqual([]);
  });

  it(`hold functions to ${FUNCTION_LINES_MAX} lines, in TypeScript and in shell`, () => {
    const lengths = [
      ...sources.flatMap(functionLengths),
      ...scripts.flatMap(({ path, text }) => shellFunctionLengths(path, text)),
    ];
    process.stdout.write(
      `${describeLengths(
        'functions',
        lengths.map(({ lines }) => lines),
      )}\n`,
    );
    expect(lengths.length).toBeGreaterThan(10);
    expect(over(lengths, FUNCTION_LINES_MAX)).toEqual([]);
  });
});

describe('the language of the house', () => {
  it('does without any, non-null !, enum, namespace, decorators, parameter properties and silenced checks', () => {
    expect(sources.flatMap(bannedSyntax)).toEqual([]);
  });

  it('leaves no note to do later in the product or its docs', () => {
    const noted = [
      ...texts,
      ...['docs', 'examples']
        .flatMap(listFiles)
        .filter(isText)
        .map((path) => ({ path, text: readText(path) })),
    ];
    expect(noted.filter(({ text }) => /\b(TODO|FIXME|XXX)\b/.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('gives files names that say what is in them', () => {
    const names = texts.map(({ path }) => ({ path, name: basename(path).replace(/\..*$/, '') }));
    const empty = names.filter(({ name }) => NAMES_THAT_SAY_NOTHING.test(name) || NAMES_WITH_OPINIONS.test(name));
    expect(empty.map(({ path }) => path)).toEqual([]);
  });
});

describe('what the repository keeps', () => {
  it('has its reason: each runtime dependency in docs/decisions, and no reason without its package', () => {
    const Package = z.object({
      dependencies: z.record(z.string(), z.string()),
      devDependencies: z.record(z.string(), z.string()),
    });
    const { dependencies, devDependencies } = Package.parse(JSON.parse(readText('package.json')));
    const decided = listFiles('docs/decisions').flatMap((path) => packagesOf(readText(path)));
    expect(Object.keys(dependencies).filter((name) => !decided.includes(name))).toEqual([]);
    expect(decided.filter((name) => !(name in dependencies) && !(name in devDependencies))).toEqual([]);
  });

  it.skipIf(!existsSync(join(ROOT, '.git')))(
    'stands at the top level only with a line in CONTRIBUTING (needs git)',
    () => {
      const kept = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).split('\n');
      const entries = new Set(kept.filter((path) => path !== '').map((path) => path.split('/')[0] ?? ''));
      const section =
        readText('CONTRIBUTING.md')
          .split(/^## /m)
          .find((text) => text.startsWith('The top level')) ?? '';
      const named = new Set([...section.matchAll(/`([^`]+)`/g)].map((match) => match[1]));
      expect([...entries].filter((entry) => !named.has(entry))).toEqual([]);
    },
  );
});

describe('the measures of this file', () => {
  it('count lines of functions in TypeScript, nested ones too', () => {
    const text = 'export function a() {\n  const b = () => {\n    return 1;\n  };\n  return b;\n}\n';
    const lengths = functionLengths(parse('controller/x.ts', text));
    expect(lengths.map(({ name, lines }) => [name, lines])).toEqual([
      ['a', 6],
      ['b', 3],
    ]);
  });

  it('count lines of functions in shell, short ones and subshells too', () => {
    const text = 'say() { echo "$1"; }\nrun() {\n  if x; then\n    { y; }\n  fi\n}\nalone() (\n  cd /\n)\n';
    const lengths = shellFunctionLengths('x', text).map(({ name, lines }) => [name, lines]);
    expect(lengths).toEqual([
      ['say', 1],
      ['run', 5],
      ['alone', 3],
    ]);
  });

  it('see the words the house does without', () => {
    const text =
      'enum A {}\nnamespace B {}\nconst c = (d as any)!;\nclass E { constructor(private f: 1) {} @g h() {} }';
    expect(bannedSyntax(parse('x.ts', text)).map((line) => line.split(' ')[1])).toEqual([
      'enum:',
      'namespace:',
      '!',
      'any:',
      'parameter',
      'decorator:',
    ]);
    expect(bannedSyntax(parse('x.ts', '// @ts-ignore\nconst anyone = !a;'))).toEqual([
      'x.ts silences a check: @ts-ignore',
    ]);
  });
});

/** Names on the `Packages:` line of a decision. */
function packagesOf(text: string): readonly string[] {
  const line = /^Packages: (.*)$/m.exec(text)?.[1] ?? '';
  return [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
}
