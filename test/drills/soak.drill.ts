import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { begin } from '../bench/process.ts';
import { until } from '../bootstrap/ground.ts';
import { fleetsOf, processesOf, untilStatus, wordsOf } from '../doors/person.ts';
import { findTool } from '../rehearsal/run.ts';
import { describeWith } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import { type Account, settleAccounts } from './soak/account.ts';
import { type Fed, feed } from './soak/feed.ts';
import { judgeGrowth, MEASURES } from './soak/growth.ts';
import { record, type Soaked, tableOf } from './soak/record.ts';
import { groupsOf, leavings, look, type Sample } from './soak/sample.ts';
import { AGENTS, aSoak, countTasks, type Soak } from './soak/scene.ts';
import { trouble } from './soak/trouble.ts';

const MINUTES = Number(process.env.FLEET_SOAK_MINUTES ?? 60);
/** A shorter one is a try: its rare faults come quicker, and nothing is written down. */
const FULL_MINUTES = 60;
const SEED = Number(process.env.FLEET_SOAK_SEED ?? Date.now() % 1_000_000);
const LOOK_SECONDS_MAX = 30;
const LOOKS_LEAST = 24;
const READY_MS_MAX = 300_000;
/** What is open when no more is handed in must end within this time. */
const DRAIN_MS_MAX = 900_000;
const TEST_MS_MAX = MINUTES * 60_000 + READY_MS_MAX + 2 * DRAIN_MS_MAX;

/** Looks at all that could grow, until told that it is over. */
async function watch(soak: Soak, isOver: () => boolean): Promise<Sample[]> {
  const samples: Sample[] = [];
  const begun = performance.now();
  const everyMs = 1000 * Math.min(LOOK_SECONDS_MAX, (MINUTES * 60) / LOOKS_LEAST);
  while (!isOver()) {
    await delay(everyMs);
    const sample = await look(soak, Number(((performance.now() - begun) / 60_000).toFixed(2)));
    samples.push(sample);
    soak.say(JSON.stringify(sample));
  }
  return samples;
}

/** The faults are over: everything that was accepted comes to an end by itself. */
async function drain({ person, say, troubles }: Soak, { ids }: Fed): Promise<void> {
  say(`no more faults; ${ids.length} tasks were handed in`);
  expect(await person.fleet('resume', 'all')).toMatchObject({ exit: 0 });
  const isDrained = async () => (await countTasks(person)).ended >= ids.length;
  await until('the end of all tasks', isDrained, DRAIN_MS_MAX).catch((error: Error) => troubles.push(error.message));
}

/** Ends the fleet as a person does, and gives what is left of it. */
async function takeDown({ person, keeper, model, say, troubles }: Soak): Promise<string[]> {
  const controller = keeper.letGo();
  const fleet = async (...words: string[]) => {
    const { exit, err } = await begin([join(ROOT, 'bin/fleet'), ...words], { env: person.env, cwd: person.desk }).ended;
    if (exit !== 0) troubles.push(`fleet ${words.join(' ')}: exit ${exit}: ${err.trim().slice(-300)}`);
    return exit === 0;
  };
  await fleet('stop');
  await controller.ended;
  if (!(await fleet('remove', 'all'))) await fleet('remove', 'all', '--now'); // what is left is told all the same
  model.signal('SIGTERM');
  await model.ended;
  say('the fleet is stopped and removed');
  return [
    ...processesOf(person.home).map((pid) => `process ${pid}: ${wordsOf(pid)}`),
    ...groupsOf(person).map((group) => `control group ${group}`),
    ...fleetsOf(person.home).map((name) => `folder ~/.miyabi/${name}`),
    ...leavings(person).map((file) => `temporary file ${file}`),
  ];
}

async function soakFor(soak: Soak, program: string): Promise<Soaked> {
  const { person, say } = soak;
  const fed = { isOver: false };
  await untilStatus(person, 'all windows', ({ agents }) => agents.length === AGENTS, READY_MS_MAX);
  const endAt = performance.now() + MINUTES * 60_000;
  const isOver = () => fed.isOver || performance.now() > endAt;
  const feeding = feed(soak, isOver);
  const stopAtFailure = (error: unknown) => {
    fed.isOver = true;
    throw error;
  };
  const [samples, tally] = await Promise.all([
    watch(soak, isOver).catch(stopAtFailure),
    trouble(soak, program, isOver, Math.max(1, FULL_MINUTES / MINUTES / 4)).catch(stopAtFailure),
    feeding.over.catch(stopAtFailure),
  ]);
  await drain(soak, feeding);
  const account: Account = await settleAccounts(soak, feeding.ids);
  const left = await takeDown(soak);
  say(`${left.length} things are left`);
  const grown = MEASURES.map((measure) => judgeGrowth(samples, measure));
  const wrong = [...soak.troubles, ...account.wrong, ...left.map((what) => `left: ${what}`)];
  return { minutes: MINUTES, seed: SEED, agents: AGENTS, tally, account, grown, samples, wrong };
}

const codex = await findTool('codex');

describeWith(['tmux'], 'a fleet at work among faults', () => {
  it.runIf(codex)(
    `loses nothing, leaves nothing and does not grow in ${MINUTES} minutes of ${AGENTS} agents`,
    async (context) => {
      process.stdout.write(`FLEET_SOAK_SEED=${SEED} FLEET_SOAK_MINUTES=${MINUTES}\n`);
      const program = codex ?? '';
      const soak = await aSoak(context, { seed: SEED, program });
      const soaked = await soakFor(soak, program);
      process.stdout.write(`\n${tableOf(soaked)}\n\n${soaked.wrong.join('\n')}\n`);
      expect(soaked.wrong).toEqual([]);
      if (MINUTES < FULL_MINUTES) return; // what is bounded has not reached its bound yet
      expect(soaked.grown.filter(({ isGrowth }) => isGrowth).map(({ what }) => what)).toEqual([]);
      record(soaked);
    },
    TEST_MS_MAX,
  );
});
