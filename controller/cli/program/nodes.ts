import type { ExecOptions } from '../commands/exec.ts';
import type { RemoveOptions } from '../commands/remove.ts';
import type { Door } from '../door.ts';
import { type Add, DRY_RUN, JSON_FLAG } from './flag.ts';

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
