import type { Argument, Command, Option } from 'commander';

/** Something that may stand at the cursor. */
export interface Candidate {
  value: string;
  /** What it is, for shells that show it; may be empty. */
  means: string;
}

/** What only the disk, the fleet file or the ledger know. */
export type Source = 'files' | 'folders' | 'hosts' | 'kinds' | 'nodes' | 'agents' | 'tasks';

/** The end of a line that somebody is typing, as the declarations see it. */
export interface Cursor {
  /** Known by the declarations alone. */
  candidates: readonly Candidate[];
  /** Wanted besides. `isSelection`: also words that choose many of them, such as `all`, and several with commas. */
  sources: readonly { source: Source; isSelection: boolean }[];
  /** What is typed already of the word, after `--option=` where it is one. */
  typed: string;
  /** That `--option=`, which belongs to the word; else empty. */
  before: string;
  subcommand: string | null;
  /** Values of options said so far, the last of each: `{ file: 'a.yaml' }`. */
  said: Readonly<Record<string, string>>;
}

/** What the placeholders of arguments and options stand for; `<task|agent>` is either. One that is not here is free text. */
const SOURCES: Readonly<Record<string, Source>> = {
  files: 'files',
  file: 'files',
  path: 'files',
  folder: 'folders',
  hosts: 'hosts',
  kind: 'kinds',
  node: 'nodes',
  nodes: 'nodes',
  agent: 'agents',
  agents: 'agents',
  task: 'tasks',
  tasks: 'tasks',
};
const SELECTIONS: readonly string[] = ['nodes', 'agents'];

/** Pure. `words` follow the program's name; the last is the one at the cursor, maybe empty. */
export function readCursor(program: Command, words: readonly string[]): Cursor {
  const at = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const named = before.find((word) => !word.startsWith('-'));
  const nothing = { candidates: [], sources: [], typed: at, before: '', subcommand: null, said: {} };
  if (named === undefined || named === 'help') {
    const isTop = at.startsWith('-') && named === undefined;
    if (named === 'help' && before.length > before.indexOf(named) + 1) return nothing;
    return { ...nothing, candidates: isTop ? optionsOf(program) : subcommandsOf(program) };
  }
  const command = program.commands.find((each) => each.name() === named || each.aliases().includes(named));
  if (!command) return nothing;
  return { ...nothing, ...readWords(command, before.slice(before.indexOf(named) + 1), at), subcommand: command.name() };
}

function subcommandsOf(program: Command): Candidate[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({ value: command.name(), means: command.summary() || command.description() }));
}

/** Where the words before the cursor leave off. */
interface Place {
  arguments: number;
  /** The option whose value comes next, or may come. */
  open: Option | undefined;
  /** After `--`. */
  isLiteral: boolean;
  said: Record<string, string>;
}

function readWords(command: Command, before: readonly string[], at: string): Partial<Cursor> {
  const place: Place = { arguments: 0, open: undefined, isLiteral: false, said: {} };
  for (const word of before) step(command, place, word);
  const { said, isLiteral, open } = place;
  const isFlag = !isLiteral && at.startsWith('-') && (open === undefined || open.variadic);
  if (isFlag) {
    const inline = /^(--[^=]+=)(.*)$/s.exec(at);
    const option = inline && optionOf(command, (inline[1] ?? '').slice(0, -1));
    if (inline) return { ...wantsOf(option ?? undefined), typed: inline[2] ?? '', before: inline[1] ?? '', said };
    return { candidates: optionsOf(command, said), said };
  }
  if (open !== undefined) return { ...wantsOf(open), said };
  const args = command.registeredArguments;
  const last = args.at(-1);
  return { ...wantsOf(args[place.arguments] ?? (last?.variadic ? last : undefined)), said };
}

function step(command: Command, place: Place, word: string): void {
  const { open } = place;
  if (!place.isLiteral && word === '--') {
    place.isLiteral = true;
    place.open = undefined;
  } else if (!place.isLiteral && word.startsWith('-') && word !== '-' && (open === undefined || open.variadic)) {
    const [flag, value] = word.startsWith('--') ? splitAt(word, '=') : [word.slice(0, 2), undefined];
    const option = optionOf(command, flag);
    const takesValue = option !== undefined && (option.required || option.optional);
    if (option && (value !== undefined || !takesValue)) place.said[option.attributeName()] = value ?? '';
    place.open = takesValue && value === undefined ? option : undefined;
  } else if (open !== undefined) {
    place.said[open.attributeName()] = word;
    if (!open.variadic) place.open = undefined;
  } else place.arguments += 1;
}

function splitAt(word: string, mark: string): [string, string | undefined] {
  const index = word.indexOf(mark);
  return index < 0 ? [word, undefined] : [word.slice(0, index), word.slice(index + 1)];
}

function optionOf(command: Command, flag: string): Option | undefined {
  return command.options.find((option) => option.long === flag || option.short === flag);
}

/** Long forms; those said already are not said again, unless they take many. */
function optionsOf(command: Command, said: Readonly<Record<string, string>> = {}): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => option.variadic || said[option.attributeName()] === undefined)
    .map((option) => ({ value: option.long ?? option.short ?? '', means: option.description }));
}

function wantsOf(wanting: Argument | Option | undefined): Pick<Cursor, 'candidates' | 'sources'> {
  if (wanting === undefined) return { candidates: [], sources: [] };
  if (wanting.argChoices) return { candidates: wanting.argChoices.map((value) => ({ value, means: '' })), sources: [] };
  const names = placeholderOf(wanting).split('|');
  const sources = names.flatMap((name) => {
    const source = Object.hasOwn(SOURCES, name) ? SOURCES[name] : undefined;
    return source === undefined ? [] : [{ source, isSelection: SELECTIONS.includes(name) }];
  });
  return { candidates: [], sources };
}

/** `path` of `--file <path>`, `tasks` of `<tasks...>`. */
function placeholderOf(wanting: Argument | Option): string {
  const text = 'flags' in wanting ? (/[<[]([^>\]]*)[>\]]/.exec(wanting.flags)?.[1] ?? '') : wanting.name();
  return text.replace(/\.\.\.$/, '');
}
