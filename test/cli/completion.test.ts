import { describe, expect, test } from 'vitest';
import { readCursor } from '../../controller/cli/cursor.ts';
import { importsOf, parse } from '../support/sources.ts';
import { aProgram } from './program.ts';

const program = aProgram();
const at = (line: string) => readCursor(program, line.split(' '));
const values = (line: string) => at(line).candidates.map(({ value }) => value);
const sources = (line: string) => at(line).sources.map(({ source }) => source);

describe('the cursor', () => {
  test('stands at a subcommand first, and each that is declared is known, hidden ones not', () => {
    const declared = program.commands.map((command) => command.name()).filter((name) => name !== 'complete');
    expect(values('')).toEqual([...declared, 'help']);
    expect(values('help ')).toEqual([...declared, 'help']);
    expect(values('--')).toEqual(['--version', '--help']);
    expect(values('help run ')).toEqual([]);
    expect(values('frobnicate ')).toEqual([]);
  });

  test.each([
    ['cancel ', ['tasks']],
    ['cancel a b ', ['tasks']],
    ['explain ', ['tasks', 'agents', 'nodes']],
    ['explain a ', []],
    ['tell ', ['agents']],
    ['tell 3 ', []],
    ['exec ', ['nodes']],
    ['exec all -- ', []],
    ['run --file ', ['files']],
    ['run --file=x', ['files']],
    ['run --home x --kind ', ['kinds']],
    ['run --timeout ', []],
    ['run -q ', ['files']],
    ['start --agents 3 ', []],
    ['init --host a ', ['hosts']],
    ['init --host a --ssh-config ', ['files']],
    ['status --home ', ['folders']],
  ])('of %j wants %j', (line, wanted) => {
    expect(sources(line)).toEqual(wanted);
  });

  test('knows the values that are declared, and flags that were not said yet', () => {
    expect(values('list ')).toEqual(['nodes', 'agents', 'tasks']);
    expect(values('list --state ')).toContain('parked');
    expect(values('list --state failed ')).toContain('parked'); // several may be said
    expect(values('rehearse --kind=')).toEqual(['codex', 'claude']);
    expect(at('rehearse --kind=c')).toMatchObject({ typed: 'c', before: '--kind=' });
    expect(values('start --detach --')).not.toContain('--detach');
    expect(values('start --detach --')).toContain('--dry-run');
    expect(values('exec all -- --')).toEqual([]);
  });

  test('remembers what was said before it: which fleet is meant', () => {
    expect(at('pause --file a.yaml --name=b --home c ').said).toEqual({ file: 'a.yaml', name: 'b', home: 'c' });
  });

  test('says where many may be chosen at once, and where one is meant', () => {
    expect(at('pause ').sources).toEqual([{ source: 'agents', isSelection: true }]);
    expect(at('attach ').sources).toContainEqual({ source: 'agents', isSelection: false });
  });
});

/** All that is loaded with a file; `later` are imports that wait until they are wanted. */
function loadedWith(path: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(path)) return loaded;
  loaded.add(path);
  for (const { typeOnly, target, specifier, names } of importsOf(parse(path))) {
    const isLater = names.includes('*') && /complete\/sources|ssh-config|ledger\/sqlite/.test(specifier);
    if (typeOnly || isLater) continue;
    if (target) loadedWith(target, loaded);
    else loaded.add(specifier);
  }
  return loaded;
}

test('a Tab waits only for what it needs: no schemas and no ssh, the ledger where there is one', () => {
  const heavy = ['zod', 'ssh2', 'yaml', 'kysely', 'controller/config/load.ts'];
  const declared = loadedWith('controller/cli/commands/complete.ts');
  expect([...declared]).toContain('controller/cli/cursor.ts');
  expect(heavy.filter((name) => declared.has(name))).toEqual([]);
  const found = loadedWith('controller/cli/commands/complete/sources.ts');
  expect(heavy.filter((name) => found.has(name))).toEqual(['yaml']);
  const ledger = loadedWith('controller/ledger/sqlite.ts');
  expect(heavy.filter((name) => ledger.has(name))).toEqual(['kysely']);
});
