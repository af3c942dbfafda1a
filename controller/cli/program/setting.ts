import { Argument } from 'commander';
import type { ConfigOptions } from '../commands/config.ts';
import type { DoctorOptions } from '../commands/doctor.ts';
import type { InitOptions } from '../commands/init.ts';
import type { Door } from '../door.ts';
import type { Subcommand } from '../subcommand.ts';
import { type Add, agentCount, JSON_FLAG } from './flag.ts';

export function declareSetting(add: Add, door: Door): void {
  const config = () => import('../commands/config.ts');
  add('config', 'The fleet as it is understood', async ([verb, options]) => {
    const { checkConfig, showConfig } = await config();
    return verb === 'check' ? checkConfig(door, options as ConfigOptions) : showConfig(door, options as ConfigOptions);
  })
    .addArgument(
      new Argument('[verb]', 'show all of it, or check the fleet file').choices(['show', 'check']).default('show'),
    )
    .option('--origin', 'where each value comes from')
    .option(...JSON_FLAG)
    .example('fleet config show --origin');
  add('init', 'Writes a fleet.yaml of the hosts that ~/.ssh/config names', async ([options]) =>
    (await import('../commands/init.ts')).init(door, options as InitOptions),
  )
    .option('--host <hosts...>', 'these instead: Hosts of the ssh configuration, or user@host:port')
    .option('--no-ask', 'asks no host whether it answers, and how large it is')
    .option('--ssh-config <path>', 'the ssh configuration to read instead of ~/.ssh/config')
    .option('--dry-run', 'prints it, writes nothing')
    .option('--force', 'writes over a file that is there')
    .example('fleet init --host mugen majin')
    .exit(4, 'the file is there already');
  add('doctor', 'What is wrong, and what to do about it', async ([options]) =>
    (await import('../commands/doctor.ts')).doctor(door, options as DoctorOptions),
  )
    .option('--agents <count>', 'as it would be started: how many agents, or auto', agentCount)
    .option('--kind <kind>', 'as it would be started: default kind of the agents')
    .option('--quick', 'without a turn of each coding tool on each node')
    .option(...JSON_FLAG)
    .example('fleet doctor --agents 18')
    .exit(1, 'something is wrong');
}

/** `complete` is what the shells call: its words are not for people. */
export function declareCompletion(add: Add, door: Door, program: Subcommand): void {
  add('completion', 'Prints what makes a shell complete fleet’s words', async ([shell]) =>
    (await import('../commands/completion.ts')).printCompletion(door, shell as string),
  )
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .example('fleet completion bash');
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => (await import('../commands/complete.ts')).printCandidates(door, program, words));
}
