import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { cliMarkdown } from '../../controller/cli/reference.ts';
import { Subcommand } from '../../controller/cli/subcommand.ts';
import { ERROR_CODES } from '../../controller/errors.ts';
import { aProgram } from './program.ts';

const commands = aProgram().commands.filter(
  (command): command is Subcommand => command instanceof Subcommand && command.name() !== 'complete',
);
const text = cliMarkdown(aProgram());

/** As a shell parts it. */
function wordsOf(line: string): string[] {
  const said = spawnSync('sh', ['-c', `set -f; printf '%s\\0' ${line}`], { encoding: 'utf8' });
  return said.stdout.split('\0').slice(0, -1);
}

describe('the reference of the command line', () => {
  test.each(commands.map((command) => [command.name(), command] as const))('tells all of %s', (name, command) => {
    const chapter = text.split(/^### /m).find((part) => part.startsWith(`${name}\n`)) ?? '';
    const shared = text.split(/^## /m)[0] ?? '';
    for (const { flags } of command.options) expect(chapter + shared).toContain(`\`${flags.replaceAll('|', '\\|')}\``);
    for (const argument of command.registeredArguments)
      expect(chapter).toContain(argument.name().replaceAll('|', '\\|'));
    expect(command.examples.length).toBeGreaterThan(0);
    for (const example of command.examples) expect(chapter).toContain(`\n${example}\n`);
  });

  test.each(commands.flatMap((command) => command.examples.map((example) => [example, command.name()] as const)))(
    'has an example that is taken: %s',
    async (example, name) => {
      const program = aProgram();
      const called: string[] = [];
      for (const command of program.commands) command.action(() => void called.push(command.name()));
      const [fleet, ...words] = wordsOf(example);
      expect(fleet).toBe('fleet');
      await program.parseAsync(words, { from: 'user' });
      expect(called).toEqual([name]);
    },
  );

  test('gives every exit code that an error can have its meaning', () => {
    for (const { exit } of Object.values(ERROR_CODES)) expect(text).toMatch(new RegExp(`^\\| ${exit} \\| \\S`, 'm'));
    for (const command of commands)
      for (const code of Object.keys(command.exits)) expect(text).toMatch(new RegExp(`^\\| ${code} \\| \\S`, 'm'));
  });

  test('describes every argument and every option', () => {
    const mute = commands.flatMap((command) => [
      ...command.options
        .filter(({ description }) => description === '')
        .map(({ flags }) => `${command.name()} ${flags}`),
      ...command.registeredArguments
        .filter(({ description, argChoices }) => description === '' && argChoices === undefined)
        .map((argument) => `${command.name()} ${argument.name()}`),
    ]);
    expect(mute).toEqual([]);
  });
});
