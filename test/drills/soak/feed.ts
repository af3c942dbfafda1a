import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadTasks } from '../../../controller/config/plan.ts';
import { tasksText } from '../../doors/person.ts';
import { ROOT } from '../../support/sources.ts';
import { AGENTS, KINDS, type Soak, WAITS, withLedger } from './scene.ts';

/** The eighteen tasks, again and again under other names, so that there is always work and never a long queue. */

const EIGHTEEN = join(ROOT, 'examples/eighteen');
/** Below so many open tasks the next eighteen are handed in: some of them wait for others. */
const OPEN_LEAST = 2.5 * AGENTS;
const LOOK_MS = 1000;
/** Of eight tasks one meets rate limits, and one a flaky model. */
const WEATHER = [0, 0, 1, 0, 0, 2, 0, 0] as const;

export interface Fed {
  /** Ids of all tasks that were accepted. */
  ids: string[];
  over: Promise<void>;
}

interface Round {
  folder: string;
  tasks: { id: string; [field: string]: unknown }[];
}

/** Round number `number`, in a folder of its own. */
async function roundOf(desk: string, number: number): Promise<Round> {
  const { tasks } = await loadTasks({ paths: [EIGHTEEN], cwd: ROOT, stdin: process.stdin });
  const prefix = `r${String(number).padStart(4, '0')}`;
  const folder = join(desk, 'rounds', prefix);
  return {
    folder,
    tasks: tasks.map(({ id, title, prompt, category, needs = [] }, index) => ({
      ...{ id: `${prefix}-${id}`, title, category, cwd: folder },
      kind: KINDS[WEATHER[(number * tasks.length + index) % WEATHER.length] ?? 0],
      prompt: witnessed(prompt ?? '', join(desk, 'record')),
      needs: needs.map((need) => `${prefix}-${need}`),
    })),
  };
}

/** Makes the script write when it begins and ends, into a file that is not the fleet's. */
function witnessed(prompt: string, record: string): string {
  const say = (what: string) => `echo "$FLEET_TASK $FLEET_ATTEMPT ${what} $(date +%s%N)" >> ${record}`;
  return prompt.replace('```sh\n', `\`\`\`sh\n${say('begin')}\n`).replace(/\n```\s*$/, `\n${say('end')}\n\`\`\`\n`);
}

/** Hands in until told that it is over. */
export function feed(soak: Soak, isOver: () => boolean): Fed {
  const ids: string[] = [];
  const over = (async () => {
    const rounds: Round[] = [];
    for (let number = 1; !isOver(); ) {
      const ended = await endedTasks(soak);
      for (const { folder, tasks } of rounds)
        if (existsSync(folder) && tasks.every(({ id }) => ended.has(id))) rmSync(folder, { recursive: true });
      if (ids.length - ended.size < OPEN_LEAST) {
        const round = await roundOf(soak.person.desk, number);
        mkdirSync(round.folder, { recursive: true });
        await handIn(soak, round);
        ids.push(...round.tasks.map(({ id }) => id));
        rounds.push(round);
        number += 1;
      } else await delay(LOOK_MS);
    }
  })();
  return { ids, over };
}

/** A wish that nobody answers in time (the controller is frozen or away) is kept: the tasks are accepted all the same. */
async function handIn({ person }: Soak, { tasks }: Round): Promise<void> {
  const { exit, err } = await person.begin(['submit', '-'], { input: tasksText(tasks) }).ended;
  if (exit !== 0 && exit !== WAITS) throw new Error(`submit: exit ${exit}: ${err}`);
}

async function endedTasks({ person }: Soak): Promise<Set<string>> {
  const rows = await withLedger(person, (ledger) =>
    ledger.selectFrom('task').select('id').where('state', 'in', ['completed', 'failed', 'cancelled']).execute(),
  );
  return new Set((rows ?? []).map(({ id }) => id));
}
