import { createHash } from 'node:crypto';
import type { Launch } from '../agent/tools/tool.ts';
import type { Secret } from '../secret.ts';
import type { StopReason } from '../task/attempt.ts';
import { type Command, quote } from '../transport/command.ts';

/** The only file that spells node-side paths and words of the node protocol. */

const SECONDS_MAX = 60;
const BYTES_MAX = 1_048_576;

/** Where a fleet lives on a node, as a shell word: the node's own home decides. Without one the shell says so and ends. */
export function rootWord(fleet: string): string {
  return `"\${HOME:?this login has no home folder}/.miyabi/${fleet}"`;
}

function programWord(fleet: string, hash: string): string {
  return `${rootWord(fleet)}/bin/fleet-node-${hash}`;
}

/** Puts the node program in place unless that very content is there. Prints `placed` or `there`. */
export function placeProgram(fleet: string, hash: string, text: string): Command {
  const program = programWord(fleet, hash);
  const script = [
    'umask 077',
    // Checked by content: a link that died in the middle leaves half a program under no name.
    `ok() { [ -s "$1" ] && [ "$(sha256sum <"$1" | cut -c1-${hash.length})" = ${hash} ]; }`,
    `ok ${program} && { cat >/dev/null; echo there; exit 0; }`,
    `mkdir -p "$HOME/.miyabi/${fleet}/bin"`,
    `cat >${program}.$$ && ok ${program}.$$ && mv ${program}.$$ ${program} && echo placed && exit 0`,
    `rm -f ${program}.$$; echo 'cut short on the way' >&2; exit 1`,
  ].join('\n');
  return { words: ['sh', '-c', script], input: text, secondsMax: SECONDS_MAX, bytesMax: BYTES_MAX };
}

/** What a node says that lacks the program: it waits for so many bytes of it. */
export const PROGRAM_WANTED = 'N';

/**
 * The long conversation with a node. One that lacks the program says PROGRAM_WANTED and takes it from the same stream:
 * no second handshake. Checked by content: a link that died in the middle leaves half a program under no name. The
 * login's own umask stays as it is, for what agents make.
 */
export function serveWords(fleet: string, program: { hash: string; text: string }): readonly string[] {
  const { hash, text } = program;
  const path = programWord(fleet, hash);
  const script = [
    `p=${path}`,
    `ok() { [ -s "$1" ] && [ "$(sha256sum <"$1" | cut -c1-${hash.length})" = ${hash} ]; }`,
    `ok "$p" || ( umask 077; mkdir -p "$HOME/.miyabi/${fleet}/bin" && echo ${PROGRAM_WANTED} && head -c ${Buffer.byteLength(text)} >"$p.$$" && ok "$p.$$" && mv "$p.$$" "$p" ) ||`,
    `  { rm -f "$p.$$"; echo "the node program could not be put in place" >&2; exit 73; }`,
    `exec bash "$p" serve ${rootWord(fleet)}`,
  ].join('\n');
  return ['sh', '-c', script];
}

/** Shows an attempt's file: `follow` until its end, `readable` for people. */
export function logWords(
  fleet: string,
  hash: string,
  attempt: string,
  file: 'out' | 'err',
  follow: boolean,
  readable: boolean,
): readonly string[] {
  const flags = `${attempt} ${file} ${follow ? 1 : 0} ${readable ? 1 : 0}`;
  return ['sh', '-c', `exec bash ${programWord(fleet, hash)} log ${rootWord(fleet)} ${flags}`];
}

/** Ends and removes everything of the fleet on a node. The program comes along and needs no place, also on a full disk. */
export function removeFleet(fleet: string, hash: string, text: string): Command {
  const script = `exec bash -s -- remove ${rootWord(fleet)}`;
  return { words: ['sh', '-c', script, hash], input: text, secondsMax: SECONDS_MAX, bytesMax: BYTES_MAX };
}

/** Opens an agent's window for a person. */
export function attachWords(fleet: string, session: string, readOnly: boolean): readonly string[] {
  const flags = readOnly ? '-r ' : '';
  const script = [
    // A terminal that the node has never heard of is as good as the usual one.
    '! command -v infocmp >/dev/null || infocmp "$TERM" >/dev/null 2>&1 || export TERM=xterm-256color',
    `exec tmux -S "$HOME/.miyabi/${fleet}/tmux.sock" attach-session ${flags}-t "=${session}"`,
  ];
  return ['sh', '-c', script.join('\n')];
}

/** What goes over the wire to begin an attempt: the line's words and the bytes after it. */
export interface StartOrder {
  attempt: string;
  agent: number;
  boot: string;
  timeoutSeconds: number;
  silenceSeconds: number;
  tool: string;
  launch: Launch;
  /** The shell script that becomes the tool. */
  run: string;
  prompt: string;
  secrets: Readonly<Record<string, Secret>>;
}

/** `007`: how a node spells an agent. */
export function agentWord(agent: number): string {
  return String(agent).padStart(3, '0');
}

/** The script that becomes the tool: plain environment, folder, words. Holds no prompt and no secret. */
export function runScript(env: Readonly<Record<string, string>>, cwd: string, words: readonly string[]): string {
  const exports = Object.entries(env).map(([name, value]) => `${name}=${quote(value)}`);
  const folder = quote(cwd);
  return [
    ...(exports.length === 0 ? [] : [`export ${exports.join(' ')}`]),
    `cd -- ${folder} || { echo "fleet: cannot enter the work folder" ${folder} >&2; exit 78; }`,
    `exec ${words.map(quote).join(' ')}`,
    '',
  ].join('\n');
}

export function secretScript(secrets: Readonly<Record<string, Secret>>): string {
  return Object.entries(secrets)
    .map(([name, secret]) => `export ${name}=${quote(secret.reveal())}\n`)
    .join('');
}

/** Hash of what an attempt is, secrets left out: the node refuses another content under the same id. */
export function orderHash(order: StartOrder): string {
  const { launch } = order;
  const parts = [order.run, order.prompt, launch.collect ?? '', launch.home?.make ?? '', launch.stdin, order.tool];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** A request as it goes over the wire: its words with their length before them, and the bytes that follow. */
export function frame(id: string, words: readonly string[], payload: string): string {
  const text = `${id} ${words.join(' ')}`;
  return `${String(Buffer.byteLength(text)).padStart(6, '0')}${text}${payload}`;
}

/** The words after the request's number, and the bytes that follow them. */
export function startRequest(order: StartOrder): { words: string[]; payload: string } {
  const { launch } = order;
  const payload = [order.run, order.prompt, secretScript(order.secrets), launch.collect ?? '', launch.home?.make ?? ''];
  const words = [
    'start',
    order.attempt,
    agentWord(order.agent),
    orderHash(order),
    order.boot,
    String(Math.ceil(order.timeoutSeconds)),
    String(Math.ceil(order.silenceSeconds)),
    launch.gated ? '1' : '0',
    order.tool,
    launch.home?.folder ?? '-',
    launch.home?.name ?? '-',
    launch.stdin,
    ...payload.map((part) => String(Buffer.byteLength(part))),
  ];
  return { words, payload: payload.join('') };
}

export function stopRequest(attempt: string, reason: StopReason, isOrphan: boolean): string[] {
  return ['stop', attempt, reason, ...(isOrphan ? ['orphan'] : [])];
}

/** Folder of an agent and what stands in it, below the root that the node's greeting named. */
export function agentFolder(root: string, agent: number): string {
  return `${root}/agents/${agentWord(agent)}`;
}

export function workFolder(root: string, agent: number): string {
  return `${agentFolder(root, agent)}/work`;
}

export function promptFile(root: string, attempt: string): string {
  return `${root}/attempts/${attempt}.prompt`;
}
