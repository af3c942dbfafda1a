import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { ChangeOptions, RetryOptions, StopOptions } from './commands/change.ts';
import type { ConfigOptions } from './commands/config.ts';
import type { StartOptions } from './commands/control.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { ExecOptions } from './commands/exec.ts';
import type { ListOptions, LookOptions } from './commands/look.ts';
import type { RehearseOptions } from './commands/rehearse.ts';
import type { RemoveOptions } from './commands/remove.ts';
import type { RunOptions, SubmitOptions, WaitOptions } from './commands/tasks.ts';
import type { LogOptions } from './commands/window.ts';
import type { Door, GlobalOptions } from './door.ts';
import { TASK_STATE_WORDS } from './words.ts';

/** The tree of subcommands: declarations only. What each does is imported when it is called. */
export function buildProgram(door: Door, version: string, done: (exit: number) => void): Command {
  const program = new Command('fleet')
    .description('Runs coding agents in tmux on your machines, feeds them tasks, and shows the truth about them.')
    .version(version)
    .configureOutput({ writeOut: door.out, writeErr: (text) => door.say(text.trimEnd()) })
    .exitOverride();
  const add: Add = (name, summary, run) => {
    const command = program
      .command(name)
      .description(summary)
      .option(
        '--file <path>',
        'the fleet file (FLEET_FILE; default ./fleet.yaml, else this machine is the fleet; /dev/null: none)',
      )
      .option('--name <name>', 'name of the fleet (FLEET_NAME)')
      .option('--home <folder>', 'folder of ledger, lock and logs (FLEET_HOME)');
    return command.action(async (...words: unknown[]) => done(await run(words)));
  };
  declareRunning(add, door);
  declareLooking(add, door);
  declareChanging(add, door);
  declareSetting(add, door);
  declareNodes(add, door);
  return program;
}

/** `run` gets the arguments, then the options. */
type Add = (name: string, summary: string, run: (words: unknown[]) => Promise<number>) => Command;

const JSON_FLAG = ['--json', 'the result as JSON on standard output, and nothing else'] as const;
const DRY_RUN = ['--dry-run', 'print what would be done, do nothing'] as const;

function wholeNumber(text: string): string {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return text;
}

function agentCount(text: string): string {
  return text === 'auto' ? text : wholeNumber(text);
}

function declareRunning(add: Add, door: Door): void {
  add('start', 'Runs the controller in the foreground; submits nothing', async ([options]) =>
    (await import('./commands/control.ts')).start(door, options as StartOptions),
  )
    .option('--agents <count>', 'how many agents, or auto', agentCount)
    .option('--kind <kind>', 'default kind of the agents')
    .option('--detach', 'runs it in the background; its log is controller.log in the state folder')
    .option('--take-over', 'takes nodes that follow another ledger')
    .option(...DRY_RUN);
  add(
    'run',
    'Hands tasks in and waits for them; is the controller itself when there is none',
    async ([files, options]) =>
      (await import('./commands/tasks.ts')).runTasks(door, files as string[], options as RunOptions),
  )
    .argument('<files...>', 'task files or folders (YAML, Markdown with front matter), or - for standard input')
    .option('--agents <count>', 'how many agents, or auto', agentCount)
    .option('--kind <kind>', 'default kind of the agents')
    .option('--timeout <duration>', 'longest time to wait, such as 30m')
    .option('-q, --quiet', 'no progress')
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
  add('submit', 'Hands tasks in, with or without a controller', async ([files, options]) =>
    (await import('./commands/tasks.ts')).submitTasks(door, files as string[], options as SubmitOptions),
  )
    .argument('<files...>', 'task files or folders, or - for standard input')
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
  add('wait', 'Waits until tasks are settled: those named, else all that are open', async ([tasks, options]) =>
    (await import('./commands/tasks.ts')).waitTasks(door, tasks as string[], options as WaitOptions),
  )
    .argument('[tasks...]')
    .option('--timeout <duration>', 'longest time to wait, such as 30m')
    .option('-q, --quiet', 'no progress')
    .option(...JSON_FLAG);
  add(
    'rehearse',
    'Runs tasks here with the real CLI against a stand-in for its model: no key, no cost, nothing left',
    async ([files, options]) =>
      (await import('./commands/rehearse.ts')).rehearse(door, files as string[], options as RehearseOptions),
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
    .option(...JSON_FLAG);
}

function declareLooking(add: Add, door: Door): void {
  const look = () => import('./commands/look.ts');
  add('status', 'The fleet at a glance', async ([options]) =>
    (await look()).printStatus(door, options as LookOptions),
  ).option(...JSON_FLAG);
  add('list', 'Nodes, agents or tasks, one line each', async ([what, options]) =>
    (await look()).printList(door, what as string, options as ListOptions),
  )
    .addArgument(new Argument('<what>').choices(['nodes', 'agents', 'tasks']))
    .addOption(new Option('--state <states...>', 'only tasks in these states').choices(TASK_STATE_WORDS))
    .addOption(new Option('--limit <count>', 'most rows').argParser(wholeNumber))
    .option(...JSON_FLAG);
  add('show', 'All that is known of one task, agent or node', async ([what, options]) =>
    (await look()).printShow(door, what as string, options as LookOptions),
  )
    .argument('<what>', 'a task’s id, an agent’s number or a node’s name')
    .option(...JSON_FLAG);
  add('explain', 'Why a task waits, or why the fleet is as it is', async ([task, options]) =>
    (await look()).printExplain(door, task as string | undefined, options as LookOptions),
  )
    .argument('[task]')
    .option(...JSON_FLAG);
  add('logs', 'The output of an agent’s or a task’s latest attempt', async ([what, options]) =>
    (await import('./commands/window.ts')).printLog(door, what as string, options as LogOptions),
  )
    .argument('<what>', 'an agent’s number or a task’s id')
    .option('-f, --follow', 'goes on until the attempt ends')
    .option('--raw', 'as the tool wrote it, not made readable')
    .option('--err', 'standard error instead');
  add('attach', 'Opens an agent’s window; Ctrl-b d leaves it', async ([agent, options]) =>
    (await import('./commands/window.ts')).attach(
      door,
      agent as string,
      options as GlobalOptions & { readOnly?: boolean },
    ),
  )
    .argument('<agent>', 'its number')
    .option('--read-only', 'for looking: no key is taken');
}

function declareChanging(add: Add, door: Door): void {
  const change = () => import('./commands/change.ts');
  add('cancel', 'Cancels tasks', async ([tasks, options]) =>
    (await change()).cancelTasks(door, tasks as string[], options as ChangeOptions),
  )
    .argument('<tasks...>')
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
  add('retry', 'Tries failed, cancelled or parked tasks again', async ([tasks, options]) =>
    (await change()).retryTasks(door, tasks as string[], options as RetryOptions),
  )
    .argument('<tasks...>')
    .option('--assume-dead', 'also what may still run on a node that is not heard: you know that it is dead')
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
  const onAgents = (name: 'pause' | 'resume' | 'restart', summary: string) =>
    add(name, summary, async ([agents, options]) =>
      (await change()).changeAgents(door, name, agents as string[], options as ChangeOptions),
    )
      .argument('<agents...>', '7, 3-9, node:NAME, category:NAME, state:NAME or all')
      .option(...DRY_RUN)
      .option(...JSON_FLAG);
  onAgents('pause', 'Gives agents no new task; what they do goes on');
  onAgents('resume', 'Gives paused agents tasks again');
  onAgents('restart', 'Ends what agents do and begins it again');
  add('tell', 'Says something to agents: the next turn of their conversations', async ([agents, text, options]) =>
    (await change()).tellAgents(door, [agents as string], (text as string[]).join(' '), options as ChangeOptions),
  )
    .argument('<agents>', '7, 3-9, node:NAME, category:NAME, state:NAME or all, several with commas')
    .argument('<text...>', 'what to say, after --')
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
  add('reload', 'Reads the fleet file again', async ([options]) =>
    (await change()).reload(door, options as ChangeOptions),
  )
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
  add('stop', 'Ends the fleet: drains, or ends what runs', async ([options]) =>
    (await change()).stop(door, options as StopOptions),
  )
    .option('--drain', 'lets running attempts finish (the default)')
    .option('--now', 'ends them; their tasks stay queued for the next start')
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
}

function declareSetting(add: Add, door: Door): void {
  const config = () => import('./commands/config.ts');
  add('config', 'The fleet as it is understood', async ([verb, options]) => {
    const { checkConfig, showConfig } = await config();
    return verb === 'check' ? checkConfig(door, options as ConfigOptions) : showConfig(door, options as ConfigOptions);
  })
    .argument('[verb]', 'show (default) or check', (text: string) => {
      if (text !== 'show' && text !== 'check') throw new InvalidArgumentError('expected show or check');
      return text;
    })
    .option('--origin', 'where each value comes from')
    .option(...JSON_FLAG);
  add('init', 'Writes an annotated fleet.yaml to begin with', async ([options]) =>
    (await config()).init(door, options as GlobalOptions),
  );
  add('doctor', 'What is wrong, and what to do about it', async ([options]) =>
    (await import('./commands/doctor.ts')).doctor(door, options as DoctorOptions),
  )
    .option('--agents <count>', 'as it would be started: how many agents, or auto', agentCount)
    .option('--kind <kind>', 'as it would be started: default kind of the agents')
    .option(...JSON_FLAG);
}

function declareNodes(add: Add, door: Door): void {
  add('exec', 'Runs a command on nodes, as it is, with no shell around it', async ([nodes, words, options]) =>
    (await import('./commands/exec.ts')).execute(door, nodes as string, words as string[], options as ExecOptions),
  )
    .argument('<nodes>', 'names, label:NAME or all; several with commas')
    .argument('<command...>', 'after --, for a shell: sh -c "…"')
    .option('--timeout <duration>', 'longest time on a node, such as 30m (default 10m)')
    .option(...JSON_FLAG);
  add('remove', 'Removes from nodes everything that the fleet put there', async ([nodes, options]) =>
    (await import('./commands/remove.ts')).removeNodes(door, nodes as string[], options as RemoveOptions),
  )
    .argument('<nodes...>', 'names, label:NAME or all')
    .option('--take-over', 'also from nodes that follow another ledger')
    .option('--now', 'also where attempts run, which it ends')
    .option(...DRY_RUN)
    .option(...JSON_FLAG);
}
