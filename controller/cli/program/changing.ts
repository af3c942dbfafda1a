import type { ChangeOptions, RetryOptions, StopOptions } from '../commands/change.ts';
import type { Door } from '../door.ts';
import { type Add, DRY_RUN, JSON_FLAG } from './flag.ts';

export function declareChanging(add: Add, door: Door): void {
  const change = () => import('../commands/change.ts');
  add('cancel', 'Cancels tasks', async ([tasks, options]) =>
    (await change()).cancelTasks(door, tasks as string[], options as ChangeOptions),
  )
    .argument('<tasks...>', 'ids of tasks')
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet cancel tests report');
  add('retry', 'Tries failed, cancelled or parked tasks again', async ([tasks, options]) =>
    (await change()).retryTasks(door, tasks as string[], options as RetryOptions),
  )
    .argument('<tasks...>', 'ids of tasks')
    .option('--assume-dead', 'also what may still run on a node that is not heard: you know that it is dead')
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet retry tests')
    .exit(4, 'a task did not fail, or may still run');
  const onAgents = (name: 'pause' | 'resume' | 'restart', summary: string, example: string) =>
    add(name, summary, async ([agents, options]) =>
      (await change()).changeAgents(door, name, agents as string[], options as ChangeOptions),
    )
      .argument('<agents...>', '7, 3-9, node:NAME, category:NAME, state:NAME or all')
      .option(...DRY_RUN)
      .option(...JSON_FLAG)
      .example(example);
  onAgents('pause', 'Gives agents no new task; what they do goes on', 'fleet pause category:research');
  onAgents('resume', 'Gives paused agents tasks again', 'fleet resume all');
  onAgents('restart', 'Ends what agents do and begins it again', 'fleet restart 3-9');
  add('tell', 'Says something to agents: the next turn of their conversations', async ([agents, text, options]) =>
    (await change()).tellAgents(door, [agents as string], (text as string[]).join(' '), options as ChangeOptions),
  )
    .argument('<agents>', '7, 3-9, node:NAME, category:NAME, state:NAME or all, several with commas')
    .argument('<text...>', 'what to say, after --')
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet tell 3-5 -- Also update the changelog.')
    .exit(4, 'one of them had no conversation that could go on; nobody was told');
  add('reload', 'Reads the fleet file again', async ([options]) =>
    (await change()).reload(door, options as ChangeOptions),
  )
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet reload --dry-run')
    .exit(4, 'work runs on a node that would leave the fleet');
  add('stop', 'Ends the fleet: drains, or ends what runs', async ([options]) =>
    (await change()).stop(door, options as StopOptions),
  )
    .option('--drain', 'lets running attempts finish (the default)')
    .option('--now', 'ends them; their tasks stay queued for the next start')
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet stop --now');
}
