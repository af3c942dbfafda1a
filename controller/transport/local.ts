import { type ChildProcess, spawn } from 'node:child_process';
import { FleetError } from '../errors.ts';
import { feed, killGroup } from './child.ts';
import type { Command } from './command.ts';
import { gather } from './gather.ts';
import { splitLines } from './lines.ts';
import type { Outcome } from './outcome.ts';
import type { Stream, Transport } from './transport.ts';

const KEPT =
  /^(HOME|PATH|USER|LOGNAME|SHELL|TZ|TMPDIR|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|(HTTPS?|NO)_PROXY)$/i;

/** What of the controller's environment a node's processes get; keys and the like stay here, also out of /proc. */
export function nodeEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => KEPT.test(name)));
}

/** This machine as a node: the same program as over SSH, without SSH. `env` is what its processes get. */
export function openLocal(env: Readonly<Record<string, string | undefined>>): Transport {
  const start = (words: readonly string[]) =>
    spawn(words[0] ?? 'false', words.slice(1), { env: { ...env }, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  return {
    run: (command, signal) => runLocal(() => start(command.words), command, signal),
    open: async (words, onLine) => openStream(start(words), onLine),
    terminal: (words) => words,
    close: async () => {},
  };
}

function runLocal(start: () => ChildProcess, command: Command, signal?: AbortSignal): Promise<Outcome> {
  return gather(command, signal, (gathering) => {
    const child = start();
    child.stdout?.on('data', gathering.out);
    child.stderr?.on('data', gathering.err);
    child.on('error', (error) => gathering.failed(startFailure(command.words, error)));
    child.on('close', gathering.exited);
    feed(child, command.input);
    return () => killGroup(child);
  });
}

function startFailure(words: readonly string[], { message, code }: NodeJS.ErrnoException): FleetError {
  const [program = ''] = words;
  const hint =
    code === 'ENOENT' ? `Is ${program} installed here, and in the PATH?` : 'Is it a program, and may this user run it?';
  return new FleetError('unreachable', `${program} cannot be begun here: ${message}`, { hint });
}

function openStream(child: ChildProcess, onLine: (line: string) => void): Stream {
  const { stdin, stdout, stderr } = child;
  let complaint = '';
  stdout?.on('data', splitLines(onLine));
  stderr?.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-500);
  });
  stdin?.on('error', () => {}); // `ended` tells
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    // `exit`, not `close`: workers begun by the other side may hold its output open for hours.
    child.on('exit', (code, signal) => resolve(complaint.trim() || `ended with ${signal ?? `code ${code}`}`));
  });
  return {
    write: (text) => {
      if (stdin?.writable) stdin.write(text);
    },
    forward: async (_, target) => target.port, // the same machine: it is there already
    close: () => {
      stdin?.end();
    },
    ended,
  };
}
