import type { Bench, Measured } from './bench.ts';
import { AGENTS } from './ground.ts';
import { controlMaster } from './peers/control-master.ts';
import { parallel } from './peers/parallel.ts';
import { xargs } from './peers/xargs.ts';
import { interleave, middle } from './rounds.ts';
import { judge, ratio } from './verdicts.ts';
import { doneBy, doneByUs, doneCold, type Work } from './work.ts';

const WORK: Work = {
  ...{ name: 'feed', tasks: 2000, slots: AGENTS, run: 'sleep 0.05' },
  score: (ms, tasks) => (tasks * 1000) / ms,
};
/** Tasks of those that would take minutes for all. */
const CONTROL_MASTER_TASKS = 400;
const PARALLEL_TASKS = 60;
const SLOW_ROUNDS = 2;

export const feed: Bench = {
  name: 'feed',
  title: `${WORK.tasks} tasks of 50 ms on ${AGENTS} slots`,
  run: async (options) => {
    const ground = await options.ground();
    const peers = [
      doneBy(controlMaster, ground, WORK, { tasks: CONTROL_MASTER_TASKS }),
      doneBy(parallel, ground, WORK, { tasks: PARALLEL_TASKS, roundsMax: SLOW_ROUNDS }),
    ];
    const variants = [
      doneByUs(ground, WORK),
      doneBy(xargs, ground, WORK),
      doneCold(ground, WORK),
      ...(options.isQuick ? [] : peers),
    ];
    const measured = await interleave(variants, options);
    return {
      parts: [{ title: 'Tasks done in a second', unit: 'tasks/s', measured }],
      verdicts: verdictsOf(measured),
    };
  },
};

function verdictsOf(measured: readonly Measured[]) {
  const ours = middle(measured, 'fleet');
  const over = (name: string) => ratio(ours, middle(measured, name));
  return [
    judge('rate ÷ xargs', over(xargs.name), { atLeast: 0.6 }),
    judge('rate ÷ ControlMaster', over(controlMaster.name), { atLeast: 8 }),
    judge('rate ÷ GNU parallel', over(parallel.name), { atLeast: 50 }),
  ];
}
