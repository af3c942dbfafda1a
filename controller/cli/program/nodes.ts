import { Argument } from 'commander';
import type { CostOptions } from '../commands/cost.ts';
import type { ExecOptions } from '../commands/exec.ts';
import type { RemoveOptions } from '../commands/remove.ts';
import type { SetupOptions } from '../commands/setup.ts';
import type { StackOptions } from '../commands/stack.ts';
import type { Door } from '../door.ts';
import { type Add, DRY_RUN, JSON_FLAG } from './flag.ts';

export function declareStacks(add: Add, door: Door): void {
  add('stack', 'Reads the outputs of stacks: which machines Pulumi made', async ([, options]) =>
    (await import('../commands/stack.ts')).pullStacks(door, options as StackOptions),
  )
    .addArgument(new Argument('<verb>', 'read them anew').choices(['pull']))
    .option('--stack <names...>', 'these; else those of the fleet file')
    .option('--project <folder>', 'folder of Pulumi.yaml (default: at or above the fleet file)')
    .option('--from <file>', 'what `pulumi stack output --json` printed elsewhere')
    .option(...JSON_FLAG)
    .example('fleet stack pull --stack phase2');
  add('cost', 'What stacks would cost in a month, before they are up', async ([, files, options]) =>
    (await import('../commands/cost.ts')).planCost(door, files as string[], options as CostOptions),
  )
    .addArgument(new Argument('<verb>', 'before it is up').choices(['plan']))
    .argument('[files...]', 'stack files (default: every Pulumi.NAME.yaml of the project)')
    .option('--hours-on <hours>', 'hours in the month that machines are on, beside all and none')
    .option('--month <month>', 'such as 730h, or 2026-11 for that of the calendar (default 720h)')
    .option('--prices <file>', 'a price list in place of infra/prices.json')
    .option('--project <folder>', 'folder of Pulumi.yaml (default: at or above this one)')
    .option(...JSON_FLAG)
    .example('fleet cost plan --hours-on 220');
}

export function declareNodes(add: Add, door: Door): void {
  add('exec', 'Runs a command on nodes, as it is, with no shell around it', async ([nodes, words, options]) =>
    (await import('../commands/exec.ts')).execute(door, nodes as string, words as string[], options as ExecOptions),
  )
    .argument('<nodes>', 'names, label:NAME or all; several with commas')
    .argument('<command...>', 'after --, for a shell: sh -c "…"')
    .option('--timeout <duration>', 'longest time on a node, such as 30m (default 10m)')
    .option(...JSON_FLAG)
    .example('fleet exec label:gpu -- nvidia-smi')
    .exit(1, 'it ended with another code than 0 on a node')
    .exit(3, 'it did not end on a node, or the node cannot be reached');
  add('setup', 'Sets machines up for agents: programs, limits, a user', async ([nodes, options]) =>
    (await import('../commands/setup.ts')).setUp(door, nodes as string[], options as SetupOptions),
  )
    .argument('<nodes...>', 'names, label:NAME or all')
    .option('--user <name>', 'whom agents work as (default: whoever the fleet logs in as)')
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet setup mugen --dry-run')
    .exit(1, 'a step failed')
    .exit(3, 'a node could not be reached, or it was broken off');
  add('remove', 'Removes from nodes everything that the fleet put there', async ([nodes, options]) =>
    (await import('../commands/remove.ts')).removeNodes(door, nodes as string[], options as RemoveOptions),
  )
    .argument('<nodes...>', 'names, label:NAME or all')
    .option('--take-over', 'also from nodes that follow another ledger')
    .option('--now', 'also where attempts run, which it ends')
    .option(...DRY_RUN)
    .option(...JSON_FLAG)
    .example('fleet remove mugen --dry-run')
    .exit(3, 'a node could not be reached, or keeps some of it')
    .exit(4, 'a controller runs, work runs, or a node follows another ledger: nothing was removed');
}
