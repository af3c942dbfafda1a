import type { Argument, Option } from 'commander';
import type { Subcommand } from './subcommand.ts';

const GENERATED = '<!-- Made by `npm run docs` from the declarations. Changes here are lost. -->';

/** docs/cli.md, of the same declarations that the program is made of. */
export function cliMarkdown(program: Subcommand): string {
  const commands = visible(program);
  const shared = commands.reduce<readonly Option[]>(
    (options, command) => options.filter((option) => flagsOf(command).includes(option.flags)),
    commands[0]?.options ?? [],
  );
  const groups = [...new Set(commands.map((command) => command.helpGroup()))];
  return `${GENERATED}

# Command line

\`bin/fleet SUBCOMMAND\`, or \`npm run -s fleet -- SUBCOMMAND\`. \`fleet help SUBCOMMAND\` says the same as this page;
\`fleet completion\` makes bash, zsh and fish complete it.

AGENTS is \`7\`, \`3-9\`, \`node:NAME\`, \`category:NAME\`, \`state:NAME\` or \`all\`; NODES is names, \`label:NAME\` or \`all\`; several
with commas. One agent is \`7\`, \`007\` or the name of its window, \`miyabi-007\`. A duration is \`90s\`, \`30m\`, \`2h\`.

With \`--json\` standard output holds one JSON object and nothing else ([its form](outputs.schema.json)); prose goes to
standard error. An error is \`{code, message, hint}\` there ([all of them](errors.md)).

Every subcommand takes:

${optionTable(shared)}

${exitTable()}

${groups.map((group) => groupText(group, commands, shared)).join('\n\n')}
`;
}

function visible(program: Subcommand): Subcommand[] {
  const shown = program.createHelp().visibleCommands(program);
  return program.commands.filter((command): command is Subcommand => shown.includes(command));
}

function flagsOf(command: Subcommand): string[] {
  return command.options.map(({ flags }) => flags);
}

/** What an exit code means wherever it is not said otherwise. */
const EXITS: Readonly<Record<string, string>> = {
  0: 'done',
  1: 'a task failed or was cancelled; something is wrong',
  2: 'wrong usage, configuration or task file; no such task, agent or node',
  3: 'the time was up, a node or the controller cannot be reached, a task is parked',
  4: 'refused: another holds the fleet or the node, or its state does not allow it',
  130: 'ended by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP',
};

function exitTable(): string {
  return table(
    ['exit', 'meaning'],
    Object.entries(EXITS).map(([code, means]) => [code, means]),
  );
}

function groupText(group: string, commands: readonly Subcommand[], shared: readonly Option[]): string {
  const mine = commands.filter((command) => command.helpGroup() === group);
  return [`## ${group.replace(/:$/, '')}`, ...mine.map((command) => commandText(command, shared))].join('\n\n');
}

function commandText(command: Subcommand, shared: readonly Option[]): string {
  const own = command.options.filter(({ flags }) => !shared.some((option) => option.flags === flags));
  const exits = Object.entries(command.exits).map(([code, means]) => `${code} ${means}`);
  return [
    `### ${command.name()}`,
    `\`fleet ${command.name()} ${command.usage()}\``,
    `${command.description()}.`,
    ...(command.registeredArguments.length > 0 ? [argumentTable(command.registeredArguments)] : []),
    ...(own.length > 0 ? [optionTable(own)] : []),
    ...(exits.length > 0 ? [`Exit ${exits.join('; ')}.`] : []),
    ['```sh', ...command.examples, '```'].join('\n'),
  ].join('\n\n');
}

function argumentTable(all: readonly Argument[]): string {
  const rows = all.map((argument) => [code(argumentText(argument)), meaning(argument)]);
  return table(['argument', 'meaning'], rows);
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionTable(all: readonly Option[]): string {
  return table(
    ['option', 'meaning'],
    all.map((option) => [code(option.flags), meaning(option)]),
  );
}

function meaning(one: Argument | Option): string {
  const choices = one.argChoices ? `one of ${one.argChoices.map(code).join(', ')}` : '';
  // What a flag does when it is not given needs no word.
  const normal = typeof one.defaultValue === 'string' ? `default ${code(one.defaultValue)}` : '';
  return [one.description, choices, normal].filter((part) => part !== '').join('; ');
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
