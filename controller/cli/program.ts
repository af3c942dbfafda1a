import type { Door } from './door.ts';
import { declareChanging } from './program/changing.ts';
import type { Add } from './program/flag.ts';
import { declareLooking } from './program/looking.ts';
import { declareNodes, declareStacks } from './program/nodes.ts';
import { declareRunning, declareTasks } from './program/running.ts';
import { declareCompletion, declareSetting } from './program/setting.ts';
import { Subcommand } from './subcommand.ts';

/** The tree of subcommands: declarations only. What each does is imported when it is called. */
export function buildProgram(door: Door, version: string, done: (exit: number) => void): Subcommand {
  const program = new Subcommand('fleet')
    .description('Runs coding agents in tmux on your machines, feeds them tasks, and shows the truth about them.')
    .version(version)
    .configureOutput({ writeOut: door.out, writeErr: (text) => door.say(text.trimEnd()) })
    .addHelpText(
      'after',
      '\nBegin with: fleet rehearse (needs nothing), fleet init (your machines), fleet run TASKS.yaml.',
    )
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
  program.commandsGroup('Run tasks:');
  declareRunning(add, door);
  declareTasks(add, door);
  program.commandsGroup('Look:');
  declareLooking(add, door);
  program.commandsGroup('Change:');
  declareChanging(add, door);
  program.commandsGroup('Machines:');
  declareNodes(add, door);
  declareStacks(add, door);
  program.commandsGroup('Set up:');
  declareSetting(add, door);
  declareCompletion(add, door, program);
  return program;
}
