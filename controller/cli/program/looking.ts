import { Argument, Option } from 'commander';
import type { ListOptions, LookOptions } from '../commands/look.ts';
import type { ReportOptions } from '../commands/report.ts';
import type { LogOptions } from '../commands/window.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { TASK_STATE_WORDS } from '../words.ts';
import { type Add, JSON_FLAG, wholeNumber } from './flag.ts';

export function declareLooking(add: Add, door: Door): void {
  const look = () => import('../commands/look.ts');
  add('status', 'The fleet at a glance', async ([options]) => (await look()).printStatus(door, options as LookOptions))
    .option(...JSON_FLAG)
    .example('fleet status --json');
  add('list', 'Nodes, agents or tasks, one line each', async ([what, options]) =>
    (await look()).printList(door, what as string, options as ListOptions),
  )
    .addArgument(new Argument('<what>').choices(['nodes', 'agents', 'tasks']))
    .addOption(new Option('--state <states...>', 'only tasks in these states').choices(TASK_STATE_WORDS))
    .addOption(new Option('--limit <count>', 'most rows').argParser(wholeNumber))
    .option(...JSON_FLAG)
    .example('fleet list tasks --state failed parked');
  add('show', 'All that is known of one task, agent or node', async ([what, options]) =>
    (await look()).printShow(door, what as string, options as LookOptions),
  )
    .argument('<task|agent|node>', 'a task’s id, an agent’s number or a node’s name')
    .option(...JSON_FLAG)
    .example('fleet show tests');
  add('explain', 'Why a task waits, an agent rests, or the fleet is as it is', async ([what, options]) =>
    (await look()).printExplain(door, what as string | undefined, options as LookOptions),
  )
    .argument('[task|agent|node]', 'a task’s id, an agent’s number or a node’s name; none: the fleet')
    .option(...JSON_FLAG)
    .example('fleet explain report');
  add('report', 'What became of tasks, as Markdown or as one HTML page', async ([tasks, options]) =>
    (await import('../commands/report.ts')).printReport(door, tasks as string[], options as ReportOptions),
  )
    .argument('[tasks...]', 'ids of tasks; all where none is named')
    .option('--since <time>', 'what happened since, and what is open: 2h, 7d, 2026-11-20, 2026-11-20T09:30Z')
    .addOption(
      new Option('--format <format>', 'of what is printed (default markdown) or written').choices(['markdown', 'html']),
    )
    .option('--output <file>', 'writes it there; its extension, .md or .html, says the format')
    .option(...JSON_FLAG)
    .example('fleet report --since 24h --output day.html')
    .exit(4, 'the file is there already and is no report');
  add('logs', 'The output of an agent’s or a task’s latest attempt', async ([what, options]) =>
    (await import('../commands/window.ts')).printLog(door, what as string, options as LogOptions),
  )
    .argument('<task|agent>', 'a task’s id or an agent’s number')
    .option('-f, --follow', 'goes on until the attempt ends')
    .option('--raw', 'as the tool wrote it, not made readable')
    .option('--err', 'standard error instead')
    .example('fleet logs tests --follow')
    .exit(3, 'its node cannot be reached');
  add('attach', 'Opens an agent’s window; Ctrl-b d leaves it', async ([agent, options]) =>
    (await import('../commands/window.ts')).attach(
      door,
      agent as string,
      options as GlobalOptions & { readOnly?: boolean },
    ),
  )
    .argument('<agent|task|node>', 'its number; a task that it works on; a node that has one agent')
    .option('--read-only', 'for looking: no key is taken')
    .example('fleet attach 7 --read-only')
    .exit(3, 'its node cannot be reached');
}
