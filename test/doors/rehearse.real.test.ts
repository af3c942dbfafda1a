import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { describeWith } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import { aPerson, fleetsOf, type Person, press, processesOf, type Said, screenOf, showOf } from './person.ts';

const EQUAL = /The model served (\d+) tokens: the report counts the same\./;
const SIX = ['01-word-counter', '03-primes', '05-roman-numerals', '07-sales-data', '09-quarters', '16-answers'];
const filesOf = (tasks: readonly string[]) => tasks.map((task) => join(ROOT, 'examples/eighteen', `${task}.md`));

/** The report, after what holds for every rehearsal: all done, answered, counted as served. */
function checked(said: Said, total: number): Results {
  expect(said).toMatchObject({ exit: 0 });
  const results = Results.parse(JSON.parse(said.out));
  expect(results.tasks).toEqual({ total, completed: total, failed: 0, cancelled: 0, parked: 0 });
  expect(results.results.filter(({ answer }) => !answer?.startsWith('Done.'))).toEqual([]);
  const tokens = results.usage.inputTokens + results.usage.outputTokens;
  expect(Number(EQUAL.exec(said.err)?.[1])).toBe(tokens);
  expect(tokens).toBeGreaterThan(1000 * total);
  return results;
}

/** Name of the kept rehearsal. */
const keptName = ({ home }: Person) => fleetsOf(home)[0] ?? 'none';

/** Verdicts of the tasks' attempts, first to last. */
async function verdictsOf(person: Person, tasks: readonly string[]): Promise<Record<string, (string | null)[]>> {
  const named = {
    ...person,
    ask: ((schema, ...words) => person.ask(schema, ...words, '--name', keptName(person))) as Person['ask'],
  };
  const shown = await Promise.all(tasks.map((task) => showOf(named, task)));
  return Object.fromEntries(
    shown.map(({ task, attempts }) => [task?.id ?? '', attempts.map(({ verdict }) => verdict).toReversed()] as const),
  );
}

/** Rehearses six tasks in a weather; gives the verdicts of all attempts, and those of the tasks that needed several. */
async function rehearseIn(context: TestContext, scenario: string) {
  const person = await aPerson(context);
  const said = await person.fleet(
    'rehearse',
    ...filesOf(SIX),
    '--scenario',
    scenario,
    '--agents',
    '6',
    '--keep',
    '--json',
  );
  const { results } = checked(said, SIX.length);
  const verdicts = await verdictsOf(person, SIX);
  expect(results.map(({ task, attempts }) => [task, attempts])).toEqual(
    Object.entries(verdicts).map(([task, all]) => [task, all.length]),
  );
  return Object.values(verdicts).filter((all) => all.length > 1);
}

describeWith(['tmux', 'codex'], 'a rehearsal with the real Codex CLI', () => {
  it('completes the eighteen tasks, counts the tokens as the model does, and leaves nothing but the cache', async (context) => {
    const person = await aPerson(context);
    const said = await person.fleet('rehearse', '--json');
    const { efficiency, results } = checked(said, 18);
    expect(results.map(({ attempts }) => attempts)).toEqual(results.map(() => 1));
    expect(efficiency).toBeGreaterThan(0.3);
    expect(said.out.trim().split('\n')).toHaveLength(1);
    expect(processesOf(person.home)).toEqual([]);
    expect(existsSync(join(person.home, '.miyabi'))).toBe(false);
    const state = join(person.home, '.local/state');
    expect(existsSync(state) ? readdirSync(state) : []).toEqual([]);
    expect(readdirSync(person.home).sort()).toEqual(['.local', 'desk']);
    expect(readdirSync(person.desk)).toEqual([]);
  });

  it('takes nothing from a fleet file that is there, and leaves that fleet’s ledger alone', async (context) => {
    const person = await aPerson(context, { env: { FLEET_HOME: undefined } });
    expect(await person.fleet('init')).toMatchObject({ exit: 0 });
    const kept = person.write('.fleet/ledger.db', 'precious');
    const one = ['rehearse', ...filesOf(SIX.slice(0, 1)), '--agents', '1', '--json'];
    const said = await person.fleet(...one);
    checked(said, 1);
    expect(said.err).toMatch(/attach 1 --name rehearsal-\w+ --file \/dev\/null/);
    expect(readFileSync(kept, 'utf8')).toBe('precious');
    expect(readdirSync(join(person.desk, '.fleet'))).toEqual(['ledger.db']);
  });

  it('leaves nothing when it is interrupted by Ctrl-C, and exits with 130', async (context) => {
    const person = await aPerson(context);
    const running = person.begin(['rehearse', '--agents', '4']);
    await until('a task that runs', () => running.said().err.includes('began'), 60_000);
    running.signal('SIGINT');
    expect(await running.ended).toMatchObject({ exit: 130, out: '' });
    expect(running.said().err).not.toContain('goes on');
    await until('the end of its processes', () => processesOf(person.home).length === 0);
    expect(existsSync(join(person.home, '.miyabi'))).toBe(false);
    expect(existsSync(join(person.home, '.local/state/miyabi-fleet'))).toBe(false);
  });

  it('waits and tries again where the model limits the rate: every task once, and nothing counts as its fault', async (context) => {
    expect(await rehearseIn(context, 'rate-limits')).toEqual(SIX.map(() => ['rate-limit', 'done']));
  });

  it('tries again where the model is overloaded, a third of the tasks, and rides out a cut stream', async (context) => {
    expect(await rehearseIn(context, 'flaky')).toEqual([1, 2].map(() => ['overloaded', 'done']));
  });

  it('ends what hangs and tries it again: a quarter of the tasks', async (context) => {
    expect(await rehearseIn(context, 'hangs')).toEqual([1, 2].map(() => ['silent', 'done']));
  });

  it('goes on where the CLI was killed: half of the tasks', async (context) => {
    expect(await rehearseIn(context, 'crash')).toEqual([1, 2, 3].map(() => ['killed', 'done']));
  });

  it('can be watched while it runs: a window shows readable text, and Ctrl-C in it harms nothing', async (context) => {
    const person = await aPerson(context);
    const running = person.begin(['rehearse', ...filesOf(SIX), '--agents', '2', '--think', '2500', '--keep', '--json']);
    const name = await until('its name', () => /--name (rehearsal-\w+)/.exec(running.said().err)?.[1], 60_000);
    await until('its windows', () => existsSync(join(person.home, '.miyabi', name, 'tmux.sock')), 60_000);
    const screen = screenOf(context, person, 1, `--name ${name}`);
    // The command that the agent runs, as a person would type it.
    await until('a command on the screen', () => /^\s*\$ \S/m.test(screen()), 60_000);
    press(person, 1, 'C-c', 'C-c', 'C-\\', 'C-z');
    await until('its answer on the screen', () => /Done\. /.test(screen()), 60_000);
    expect(screen()).not.toMatch(/\{"|"type":/);
    const { results } = checked(await running.ended, SIX.length);
    expect(results.map(({ attempts }) => attempts)).toEqual(SIX.map(() => 1));
    const attached = ['-S', join(person.home, '.miyabi', name, 'tmux.sock'), 'list-clients', '-F', '#{session_name}'];
    expect(execFileSync('tmux', attached, { encoding: 'utf8' }).trim()).toBe(`${name}-001`);
  });
});

describeWith(['tmux', 'claude'], 'a rehearsal with the real Claude Code', () => {
  it('completes its tasks with four agents, and counts the tokens as the model does', async (context) => {
    const person = await aPerson(context);
    const said = await person.fleet(
      'rehearse',
      ...filesOf(SIX.slice(0, 5)),
      '--kind',
      'claude',
      '--agents',
      '4',
      '--json',
    );
    const { agents, results } = checked(said, 5);
    expect(agents).toBe(4);
    expect(results.map(({ attempts }) => attempts)).toEqual(results.map(() => 1));
    expect(processesOf(person.home)).toEqual([]);
    expect(existsSync(join(person.home, '.miyabi'))).toBe(false);
  });
});
