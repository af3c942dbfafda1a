import { stringify } from 'yaml';
import { parseAddress } from './address.ts';
import { comment } from './example.ts';

/** The fleet file that `fleet init` writes: short, with what a person changes first; docs/configuration.md has the rest. */
export interface Draft {
  /** Name of the fleet. */
  name: string;
  /** Where an editor finds the JSON Schema, from the file; null: nowhere. */
  schema: string | null;
  /** Where the hosts were found, in words for people. */
  source: string;
  nodes: readonly DraftNode[];
  /** Those that cannot be used as they are: written as comments. */
  others: readonly DraftNode[];
  /** Default kind of the agents. */
  kind: string;
}

export interface DraftNode {
  /** As a person names it: a Host of the ssh configuration, or an address. */
  host: string;
  /** The ssh configuration to read instead of the usual one; null: the usual one. */
  config: string | null;
  vcpu: number | null;
  memoryGiB: number | null;
  /** What a person should know of it, one sentence or two each. */
  notes: readonly string[];
}

const NAME_CHARACTERS_MAX = 64;
const NOTE_CHARACTERS_MAX = 300;
const NOTES_MAX = 3;

/** Pure. It is read without an error, whatever the hosts are called and the notes say. */
export function draftText(draft: Draft): string {
  const named = nameNodes([...draft.nodes, ...draft.others]);
  const entries = named.slice(0, draft.nodes.length);
  const others = named.slice(draft.nodes.length);
  return [
    ...(draft.schema === null ? [] : [`# yaml-language-server: $schema=${draft.schema}`]),
    `# Written by \`fleet init\` from ${oneLine(draft.source)}. Every field and its default: docs/configuration.md.`,
    '',
    `name: ${draft.name} # prefix of tmux sessions; on each machine all of the fleet is in ~/.miyabi/${draft.name}`,
    '',
    'nodes:',
    ...(entries.length === 0
      ? ['  - { name: here, local: true } # this machine']
      : [...entries.flatMap(entryLines), '  # - { name: here, local: true } # this machine, too']),
    ...(others.length === 0 ? [] : ['', '  # These cannot be used as they are; when that is mended, take the # away.']),
    ...others.flatMap(otherLines),
    '',
    ...settingLines(draft.kind),
  ].join('\n');
}

function settingLines(kind: string): string[] {
  return [
    'agents:',
    '  count: auto # as many as the machines hold: one for each vCPU and each GiB of memory; or a number',
    `  kind: ${kind} # of agents and tasks that say nothing else: codex, claude, command, or one of yours below`,
    '  # perVcpu: 2',
    '',
    '# Keys never stand here: OPENAI_API_KEY (codex) and ANTHROPIC_API_KEY (claude) are taken from the environment of',
    '# `fleet start`, or from where a kind says. A kind of your own needs a tool:',
    '# kinds:',
    '#   codex: { model: gpt-6.1-sol, env: { OPENAI_API_KEY: { from: file, path: ~/.keys/openai } } }',
    '#   lint: { tool: command, run: npm run lint }',
    '',
    '# tasks: { timeout: 30m, retries: 2 }',
    '',
  ];
}

interface NamedNode extends DraftNode {
  name: string;
}

/** Each under a name that a node may have, and no two under the same. */
function nameNodes(nodes: readonly DraftNode[]): NamedNode[] {
  const taken = new Set<string>();
  return nodes.map((node) => {
    const part = parseAddress(node.host);
    const host = part.is === 'good' ? part.address.host : node.host;
    const plain = host.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'node';
    let name = plain.slice(0, NAME_CHARACTERS_MAX);
    for (let number = 2; taken.has(name); number += 1) name = `${plain.slice(0, NAME_CHARACTERS_MAX - 5)}-${number}`;
    taken.add(name);
    return { ...node, name };
  });
}

function entryLines(node: NamedNode): string[] {
  return [`  - ${entryText(node)}`, ...noteLines(node, 4)];
}

function otherLines(node: NamedNode): string[] {
  return [...noteLines(node, 2), `  # - ${entryText(node)}`];
}

function noteLines({ notes }: DraftNode, indent: number): string[] {
  return notes.slice(0, NOTES_MAX).flatMap((note) => comment(oneLine(note), indent));
}

function entryText({ name, host, config, vcpu, memoryGiB }: NamedNode): string {
  const entry = {
    name,
    ssh: writtenHost(host, config),
    ...(vcpu === null ? {} : { vcpu }),
    ...(memoryGiB === null ? {} : { memoryGiB }),
  };
  return stringify(entry, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}

/** As text where that means the same, else as a map. */
function writtenHost(host: string, config: string | null): unknown {
  const part = parseAddress(host);
  if (config === null) return part.is === 'good' ? host : { host };
  return { ...(part.is === 'good' ? part.address : { host }), config };
}

/** A comment ends with its line: nothing in it may begin another. */
function oneLine(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]+/g, ' ')
    .trim()
    .slice(0, NOTE_CHARACTERS_MAX);
}
