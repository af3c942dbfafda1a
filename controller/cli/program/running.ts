import { Option } from 'commander';
import type { StartOptions } from '../commands/control.ts';
import type { RehearseOptions } from '../commands/rehearse.ts';
import type { SubmitOptions } from '../commands/submit.ts';
import type { RunOptions, WaitOptions } from '../commands/tasks.ts';
import type { Door } from '../door.ts';
import { type Add, agentCount, DRY_RUN, JSON_FLAG, REPORT_FLAG, wholeNumber } from './flag.ts';

export function declareRunning(add: Add, door: Door): void {
  add('start', 'Runs the controller in the foreground; submits nothing', async ([options]) =>
    (await import('../commands/control.ts')).start(door, options as StartOptions),
  )
    .option('--agents <count>', 'how many agents, or auto', agentCount)
    .option('--kind <kind>', 'default kind of the agents')
    .option('--detach', 'runs it in the background; its log is controller.log in the state folder')
    .option('--take-over', 'takes nodes that follow another ledger')
    .option(...DRY_RUN)
    .example('fleet start --agents 8 --detach')
    .exit(0, 'it was ended by a signal, or by fleet stop; agents at work go on in the first case')
    .exit(4, 'another controller holds the fleet, or its nodes follow another ledger');
  add(
    'rehearse',
    'Runs tasks here with the real CLI against a stand-in for its model: no key, no cost, nothing left',
    async ([files, options]) =>
      (await import('../commands/rehearse.ts')).rehearse(door, files as string[], options as RehearseOptions),
  )
    .argument('[files...]', 'task files or folders; the 18 of examples/eighteen where none is given')
    .option('--agents <count>', 'how many agents', wholeNumber)
    .addOption(new Option('--kind <kind>', 'which CLI').choices(['codex', 'claude']).default('codex'))
    .addOption(
      new Option('--scenario <name>', 'how the model behaves')
        .choices(['calm', 'rate-limits', 'flaky', 'hangs', 'crash'])
        .default('calm'),
    )
    .addOption(new Option('--think <ms>', 'how long the model seems to think').argParser(wholeNumber))
    .option('--keep', 'leave its folders for looking at')
    .option('-q, --quiet', 'no progress')
    .option(...REPORT_FLAG)
    .option(...JSON_FLAG)
    .example('fleet rehearse --agents 8 --scenario rate-limits')
    .exit(1, 'a task failed or was cancelled');
}

export function declareTasks(add: Add, door: Door): void {
  add(
    'run',
    'Hands tasks in and waits for them; is the controller itself when there is none',
    async ([files, options]) =>
      (await import('../commands/tasks.ts')).runTasks(door, files as string[], options as RunOptions),
  )
    .argument('<files...>', 'task files or folders (YAML, Markdown with front matter), or - for standard input')
    .option('--agents <count>', 'how many agents, or auto', agentCount)
    .option('--kind <kind>', 'default kind of the agents')
    .option('--timeout <duration>', 'longest time to wait, such as 30m')
    .option('-q, --quiet', 'no progress')
    .option(...REPORT_FLAG)
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet run plan.yaml --timeout 2h')
    .exit(1, 'a task failed or was cancelled')
    .exit(3, 'the time was up, or a task is parked');
  add('submit', 'Hands tasks in, with or without a controller', async ([files, options]) =>
    (await import('../commands/submit.ts')).submitTasks(door, files as string[], options as SubmitOptions),
  )
    .argument('<files...>', 'task files or folders, or - for standard input')
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet submit more-tasks/');
  add('wait', 'Waits until tasks are settled: those named, else all that are open', async ([tasks, options]) =>
    (await import('../commands/tasks.ts')).waitTasks(door, tasks as string[], options as WaitOptions),
  )
    .argument('[tasks...]', 'ids of tasks')
    .option('--timeout <duration>', 'longest time to wait, such as 30m')
    .option('-q, --quiet', 'no progress')
    .option(...JSON_FLAG)
    .example('fleet wait tests report --timeout 30m')
    .exit(1, 'a task failed or was cancelled')
    .exit(3, 'the time was up, or a task is parked');
}
