import type { Bench, Measured, Options, Part, Verdict } from './bench.ts';
import { AGENTS, type Ground } from './ground.ts';
import { xargs } from './peers/xargs.ts';
import { interleave, middle } from './rounds.ts';
import { judge } from './verdicts.ts';
import { doneBy, doneByUs, doneCold, type Work } from './work.ts';

interface Course {
  tasks: number;
  slots: number;
  seconds: number;
  /** Least efficiency that must be reached. */
  atLeast: number;
}

const COURSES: readonly Course[] = [
  { tasks: 2 * AGENTS, slots: AGENTS, seconds: 1, atLeast: 0.8 },
  { tasks: 2 * AGENTS, slots: AGENTS, seconds: 5, atLeast: 0.95 },
  { tasks: 18, slots: 18, seconds: 5, atLeast: 0.97 },
];
const POINTS_BELOW_XARGS_MAX = 0.05;

export const pace: Bench = {
  name: 'pace',
  title: 'How near to the ideal the slots are used',
  run: async (options) => {
    const ground = await options.ground();
    const parts: Part[] = [];
    const verdicts: Verdict[] = [];
    for (const course of options.isQuick ? COURSES.slice(0, 1) : COURSES) {
      const title = `${course.tasks} × ${course.seconds} s on ${course.slots} slots`;
      options.say(`  ${title}`);
      const measured = await runCourse(ground, course, options);
      parts.push({ title, unit: 'of the ideal', measured });
      verdicts.push(...verdictsOf(title, course, measured));
    }
    return { parts, verdicts };
  },
};

function runCourse(ground: Ground, { tasks, slots, seconds }: Course, options: Options) {
  const idealMs = (tasks / slots) * seconds * 1000;
  const work: Work = { name: 'pace', tasks, slots, run: `sleep ${seconds}`, score: (ms) => idealMs / ms };
  const variants = [doneByUs(ground, work), doneBy(xargs, ground, work), doneCold(ground, work)];
  return interleave(variants, options);
}

function verdictsOf(title: string, { atLeast }: Course, measured: readonly Measured[]): readonly Verdict[] {
  const [ours, floor] = [middle(measured, 'fleet'), middle(measured, xargs.name)];
  const above = ours === undefined || floor === undefined ? undefined : ours - floor;
  return [
    judge(`${title}: efficiency`, ours, { atLeast }, '%'),
    judge(`${title}: efficiency − that of xargs`, above, { atLeast: -POINTS_BELOW_XARGS_MAX }, '%'),
  ];
}
