import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { readSurvey, surveyNode } from '../../controller/node/survey.ts';
import { Results } from '../../controller/operations/results.ts';
import { openLocal } from '../../controller/transport/local.ts';
import { until } from '../bootstrap/ground.ts';
import { describeWith } from '../support/capability.ts';
import {
  agentsIn,
  aPerson,
  countOf,
  type Person,
  processesOf,
  submit,
  tasksText,
  untilStatus,
  untilThere,
  windowsOf,
} from './person.ts';

const Removals = z.strictObject({
  version: z.literal(1),
  nodes: z.array(z.looseObject({ node: z.string(), is: z.string(), error: z.unknown() })),
});
const Executed = z.strictObject({
  version: z.literal(1),
  results: z.array(
    z.strictObject({
      node: z.string(),
      is: z.string(),
      code: z.int().nullable(),
      stdout: z.string(),
      stderr: z.string(),
      error: z.unknown(),
    }),
  ),
});
const Doctor = z.strictObject({
  version: z.literal(1),
  findings: z.array(
    z.strictObject({ check: z.string(), ok: z.boolean(), detail: z.string(), fix: z.string().nullable() }),
  ),
});

/** A controller that came, set up its agents, and was stopped by a signal. */
async function setUp(person: Person, count: number): Promise<void> {
  const controller = await person.start();
  await untilStatus(person, 'all are idle', (status) => agentsIn(status, 'idle').length === count);
  await until('its windows', () => windowsOf(person).length === count);
  controller.signal('SIGTERM');
  await controller.ended;
}

describeWith(['tmux'], 'fleet remove', () => {
  it('leaves nothing on the node: no folder, no window, no process; and says what it was', async (context) => {
    const person = await aPerson(context, { agents: 2 });
    await setUp(person, 2);
    const input = tasksText([{ id: 'one', run: 'true' }]); // what has ended and is known is nothing that hinders
    expect(await person.begin(['run', '-'], { input }).ended).toMatchObject({ exit: 0 });
    expect(existsSync(person.root)).toBe(true);
    const preview = await person.fleet('remove', 'here', '--dry-run');
    expect(preview).toMatchObject({ exit: 0, out: '' });
    expect(preview.err).toMatch(new RegExp(`^here: would remove ~/.miyabi/${person.name} .* 2 windows, `));
    expect(windowsOf(person)).toHaveLength(2);
    const said = await person.fleet('remove', 'here');
    expect(said).toMatchObject({ exit: 0, out: '', err: expect.stringContaining('here: removed') });
    expect(existsSync(join(person.home, '.miyabi'))).toBe(false);
    expect(windowsOf(person)).toEqual([]);
    await until('the end of its processes', () => processesOf(person.root).length === 0);
    const again = await person.ask(Removals, 'remove', 'all');
    expect(again.nodes).toMatchObject([{ node: 'here', is: 'absent' }]);
    await person.start(); // and what was removed may be set up again
    await untilStatus(person, 'all are idle', (status) => agentsIn(status, 'idle').length === 2);
  });

  it('is refused while a controller runs, and touches nothing', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    await person.start();
    const said = await person.fleet('remove', 'here', '--take-over', '--now');
    expect(said).toMatchObject({
      exit: 4,
      err: expect.stringMatching(/process \d+ on .* drives these nodes\n.*fleet stop/),
    });
    await untilStatus(person, 'it works on', (status) => agentsIn(status, 'idle').length === 1);
  });

  it('is refused where attempts run, or have ended unheard, unless they are to be ended', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    const controller = await person.start();
    await submit(person, [{ id: 'works', run: untilThere('go', person) }]);
    await untilStatus(person, 'it runs', (status) => countOf(status).running === 1);
    controller.signal('SIGTERM');
    await controller.ended;
    const said = await person.fleet('remove', 'here', '--json');
    expect(said).toMatchObject({ exit: 4, err: expect.stringContaining('1 attempt runs') });
    expect(JSON.parse(said.out)).toMatchObject({ code: 'unlawful' });
    expect(existsSync(person.root)).toBe(true);
    expect(await person.fleet('remove', 'here', '--now')).toMatchObject({ exit: 0 });
    expect(existsSync(person.root)).toBe(false);
    await until('the end of its work', () => processesOf(person.root).length === 0);
    person.write('go', '');
    await person.start(); // what was ended is known to be lost, and is done again
    const { results } = await person.ask(Results, 'wait', 'works');
    expect(results).toMatchObject([{ task: 'works', state: 'completed', attempts: 2 }]);
  });

  it('is refused where the node follows another ledger, unless it is taken over', async (context) => {
    const person = await aPerson(context, { agents: 1 });
    await setUp(person, 1);
    const owner = readFileSync(join(person.root, 'owner'), 'utf8');
    const refusal = { exit: 4, err: expect.stringMatching(/follows another ledger[\s\S]*--take-over/) };
    for (const other of ['another machine\n', owner.replace(/ \S+/, ' elsewhere')]) {
      writeFileSync(join(person.root, 'owner'), other);
      expect(await person.fleet('remove', 'here')).toMatchObject(refusal);
      expect(await person.fleet('remove', 'here', '--dry-run')).toMatchObject(refusal);
      const doctor = Doctor.parse(JSON.parse((await person.fleet('doctor', '--json')).out));
      expect(doctor.findings.filter(({ ok }) => !ok).map(({ check }) => check)).toEqual(['node here: owner']);
    }
    expect(existsSync(person.root)).toBe(true);
    expect(await person.fleet('remove', 'here', '--take-over')).toMatchObject({ exit: 0 });
    expect(existsSync(person.root)).toBe(false);
  });
});

describeWith(['tmux'], 'a folder that nobody greeted', () => {
  it('is removed, too', async (context) => {
    const person = await aPerson(context);
    mkdirSync(join(person.root, 'bin'), { recursive: true });
    writeFileSync(join(person.root, 'bin/fleet-node-0123456789abcdef'), '#');
    expect(await person.fleet('remove', 'here')).toMatchObject({ exit: 0 });
    expect(existsSync(person.root)).toBe(false);
  });
});

describeWith(['tmux'], 'fleet exec', () => {
  it('runs words as they are, and puts the name of the node before each line', async (context) => {
    const person = await aPerson(context);
    const words = ['printf', '%s\\n', 'two  words', '$HOME "x"', '*', '--json', '語'];
    expect(await person.fleet('exec', 'here', '--', ...words)).toEqual({
      exit: 0,
      out: 'here: two  words\nhere: $HOME "x"\nhere: *\nhere: --json\nhere: 語\n',
      err: '',
    });
    const said = await person.fleet('exec', 'all', '--', 'sh', '-c', 'echo out; echo err >&2; exit 9');
    expect(said).toEqual({ exit: 1, out: 'here: out\n', err: 'here: err\nhere: exit 9\n' });
    const result = Executed.parse(
      JSON.parse((await person.fleet('exec', 'all', '--json', '--', 'sh', '-c', 'echo a; exit 2')).out),
    );
    expect(result.results).toEqual([{ node: 'here', is: 'exited', code: 2, stdout: 'a\n', stderr: '', error: null }]);
  });

  it('ends what takes too long and exits with 3', async (context) => {
    const person = await aPerson(context);
    const line = `echo begun; while :; do sleep 1; done # ${person.home}/mark`;
    const said = await person.fleet('exec', 'here', '--timeout', '2s', '--', 'sh', '-c', line);
    expect(said).toMatchObject({ exit: 3, out: 'here: begun\n', err: expect.stringContaining('not ended within 2 s') });
    await until('its end', () => processesOf(`${person.home}/mark`).length === 0);
  });

  it('names what it cannot mean: a node that is not there, a second node where the command belongs, no command', async (context) => {
    const person = await aPerson(context);
    expect(await person.fleet('exec', 'nowhere', '--', 'true')).toMatchObject({
      exit: 2,
      err: expect.stringContaining('nowhere'),
    });
    const second = await person.fleet('exec', 'here', 'here', '--', 'true');
    expect(second).toMatchObject({ exit: 2, err: expect.stringContaining('here,here -- COMMAND') });
    expect(await person.fleet('exec', 'here')).toMatchObject({ exit: 2, out: '' });
    expect(await person.fleet('exec', 'here', '--timeout', 'soon', '--', 'true')).toMatchObject({ exit: 2, out: '' });
  });
});

describeWith(['tmux'], 'a machine', () => {
  it('says what it is in one question, also through shells that know little, with a home that has a space', async (context) => {
    const { home } = await aPerson(context);
    const place = join(home, 'a home');
    mkdirSync(join(place, '.miyabi/x/agents/001'), { recursive: true });
    writeFileSync(join(place, '.miyabi/x/owner'), 'led mach\n');
    const node = openLocal({ HOME: place, PATH: process.env.PATH, USER: 'me' });
    const outcome = await node.run(surveyNode('x', ['sh', 'no such program']));
    expect(outcome).toMatchObject({ is: 'exited', code: 0, stderr: '' });
    const survey = outcome.is === 'exited' ? readSurvey(outcome.stdout) : undefined;
    expect(survey).toMatchObject({
      missing: ['no such program'],
      bash: expect.stringMatching(/^\d+\.\d+/),
      tmux: expect.stringMatching(/^tmux/),
      isWritable: true,
      fleet: { owner: 'led mach', open: 0, attempts: 0, agents: 1, windows: 0 },
    });
    expect(survey?.vcpu).toBeGreaterThan(0);
    expect(survey?.memoryKiB).toBeGreaterThan(survey?.availableKiB ?? Number.POSITIVE_INFINITY);
    expect(survey?.disk?.freeBytes).toBeGreaterThan(0);
    expect(Math.abs((survey?.now ?? 0) - Date.now())).toBeLessThan(60_000);
    const none = await node.run(surveyNode('y', []));
    expect(none.is === 'exited' ? readSurvey(none.stdout)?.fleet : undefined).toBeNull();
    expect(readdirSync(place)).toEqual(['.miyabi']);
  });
});
