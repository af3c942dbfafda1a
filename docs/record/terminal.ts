import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { until } from '../../test/rig/until.ts';
import type { Frame } from './picture.ts';

/** A terminal with a shell in it, that a person types into, and that is watched meanwhile. */

const run = promisify(execFile);

const LOOK_MS = 100;
const KEY_MS = 55;
/** A person reads, then types on. */
const READ_MS = 900;
const PROMPT = '$ ';

export interface Terminal extends AsyncDisposable {
  /** Types words and Enter; done when the prompt is back. */
  type(line: string, msMax?: number): Promise<void>;
  /** Types words and Enter; done when the screen shows this. */
  typeUntil(line: string, shown: RegExp, msMax?: number): Promise<void>;
  /** Keys by tmux's names for them. */
  press(...keys: string[]): Promise<void>;
  /** Waits as a person who looks does. */
  read(ms?: number): Promise<void>;
  untilPrompt(msMax?: number): Promise<void>;
  /** What was seen until now is not in the recording. */
  forget(): void;
  /** Ends the watching; gives what was seen. */
  stop(): Promise<readonly Frame[]>;
}

export interface TerminalOrder {
  /** For the socket. */
  folder: string;
  cwd: string;
  env: Readonly<Record<string, string>>;
  columns: number;
  rows: number;
  /** What the machine is called in there; needs root. */
  host?: string;
}

export async function openTerminal({ folder, cwd, env, columns, rows, host }: TerminalOrder): Promise<Terminal> {
  const socket = join(folder, 'screen.sock');
  const around = { env: { ...env, TERM: 'xterm-256color', LANG: 'C.UTF-8' }, cwd };
  const startFile = join(folder, 'bashrc');
  await writeFile(startFile, `PS1='\\[\\e[1;32m\\]${PROMPT.trimEnd()}\\[\\e[0m\\] '\n`);
  const tmux = async (...words: string[]) => (await run('tmux', ['-u', '-S', socket, ...words], around)).stdout;
  const begin = async (...words: string[]) => {
    if (host === undefined) return tmux(...words);
    const named = ['--uts', 'sh', '-c', 'hostname "$1" && shift && exec "$@"', 'sh', host, 'tmux', '-u', '-S', socket];
    return (await run('unshare', [...named, ...words], around)).stdout;
  };
  const size = ['-x', String(columns), '-y', String(rows)];
  const options = ['default-terminal tmux-256color', 'status off'].flatMap((each) => [
    ...['set-option', '-g', ...each.split(' '), ';'],
  ]);
  const shell = ['bash', '--noprofile', '--rcfile', startFile];
  await begin(
    '-f',
    '/dev/null',
    'start-server',
    ';',
    ...options,
    'new-session',
    '-d',
    '-s',
    'screen',
    ...size,
    ...shell,
  );
  const look = async (): Promise<Omit<Frame, 'atMs'>> => {
    const asked = ['capture-pane', '-ep', '-t', 'screen', ';', 'display-message', '-p', '-t', 'screen'];
    const lines = (await tmux(...asked, '#{cursor_x} #{cursor_y} #{cursor_flag}')).trimEnd().split('\n');
    const [column = 0, row = 0, isSeen = 0] = (lines.pop() ?? '').split(' ').map(Number);
    return { text: lines.join('\n'), cursor: isSeen === 1 ? { column, row } : null };
  };
  const hasPrompt = async (): Promise<boolean> => {
    const { text, cursor } = await look();
    const line = (text.split('\n')[cursor?.row ?? 0] ?? '').replaceAll(/\u001b\[[0-9;]*m/g, '');
    return cursor?.column === PROMPT.length && line.trimEnd() === PROMPT.trimEnd();
  };
  await until('the shell asks', hasPrompt, 10_000);
  const watch = watchScreen(look);
  const press = async (...keys: string[]) => void (await tmux('send-keys', '-t', 'screen', ...keys));
  const write = async (line: string) => {
    for (const letter of line) {
      await tmux('send-keys', '-l', '-t', 'screen', letter === ';' ? '\\;' : letter);
      await delay(KEY_MS);
    }
    await delay(4 * KEY_MS);
    await press('Enter');
  };
  const untilPrompt = async (msMax = 120_000) => void (await until('the prompt is back', hasPrompt, msMax));
  const read = async (ms = READ_MS) => delay(ms);
  return {
    press,
    read,
    untilPrompt,
    type: async (line, msMax) => {
      await write(line);
      await untilPrompt(msMax);
      await read();
    },
    typeUntil: async (line, shown, msMax = 120_000) => {
      await write(line);
      await until(String(shown), async () => shown.test((await look()).text), msMax);
    },
    forget: () => watch.forget(),
    stop: () => watch.stop(),
    [Symbol.asyncDispose]: async () => {
      await watch.stop();
      await tmux('kill-server').catch(() => {}); // its shell ended, and it with that
    },
  };
}

function watchScreen(look: () => Promise<Omit<Frame, 'atMs'>>) {
  const frames: Frame[] = [];
  const begun = performance.now();
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const atMs = performance.now() - begun;
      frames.push({ atMs, ...(await look()) });
      await delay(Math.max(0, atMs + LOOK_MS - (performance.now() - begun)));
    }
  })();
  watching.catch(() => {}); // told to whoever stops it
  return {
    forget: () => void frames.splice(0),
    stop: async (): Promise<readonly Frame[]> => {
      isOver = true;
      await watching;
      return frames;
    },
  };
}
