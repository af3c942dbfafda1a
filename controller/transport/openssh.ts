import type { ChildProcess } from 'node:child_process';
import { toFleetError } from '../errors.ts';
import { feed } from './child.ts';
import type { Command } from './command.ts';
import { type Gathering, gather, within } from './gather.ts';
import { splitLines } from './lines.ts';
import { forward, type Master, makeControlPath, removeControl, shareOptions } from './openssh-master.ts';
import { type Admitted, admitted, beginFailure, type Calls, endSsh, SSH_FAILED, startSsh } from './openssh-process.ts';
import type { Outcome } from './outcome.ts';
import { killWords, markedLine, openMark, type RemoteProcess, remoteLine } from './remote.ts';
import type { SshSetting } from './ssh.ts';
import { isLinkLost, noSshFailure, saidFailure } from './ssh-failure.ts';
import { readPlace } from './ssh-files.ts';
import type { Stream, Transport } from './transport.ts';

const BEGIN_MS_MAX = 60_000;
const KILL_SECONDS_MAX = 10;
const LAST_WORDS_MS_MAX = 500;
const GOODBYE_MS_MAX = 2000;
const CLOSE_MS_MAX = 3000;

/** Reaches a node by the system's ssh: for what ssh2 lacks. The conversation's connection carries commands, too. */
export function openOpenSsh(given: SshSetting): Transport {
  const setting: Calls = { ...given, children: new Set() };
  let master: Master | undefined;
  const kills = new Set<Promise<unknown>>();
  const streams = new Set<Stream>();
  return {
    run: (command, signal) => runSsh(setting, master, command, signal, kills),
    open: async (words, onLine) => {
      const controlPath = await makeControlPath();
      const begun = await converse(setting, controlPath, words, onLine).catch(async (error: unknown) => {
        await removeControl(controlPath);
        throw error;
      });
      const ended = begun.ended.then(async (why) => {
        if (master === own) master = undefined;
        streams.delete(stream);
        await removeControl(controlPath);
        return why;
      });
      const own: Master = { controlPath, ended };
      const stream: Stream = { ...begun, ended };
      master = own;
      streams.add(stream);
      return stream;
    },
    terminal: setting.terminal,
    close: async () => {
      await within(CLOSE_MS_MAX, Promise.all(kills));
      for (const stream of streams) stream.close();
      await within(CLOSE_MS_MAX, Promise.all([...streams].map((stream) => stream.ended)));
      for (const child of setting.children) endSsh(child);
    },
  };
}

function runSsh(
  setting: Calls,
  master: Master | undefined,
  command: Command,
  signal: AbortSignal | undefined,
  kills: Set<Promise<unknown>>,
): Promise<Outcome> {
  return gather(command, signal, (gathering) => {
    let isStopped = false;
    let stop: () => Promise<unknown> = async () => {};
    admitted(setting, (isOver) => {
      if (isStopped) return isOver();
      try {
        const child = startSsh(setting, shareOptions(master), markedLine(command.words));
        stop = watchRun(setting, master, child, gathering, isOver);
        feed(child, command.input);
      } catch (error) {
        isOver();
        gathering.failed(toFleetError(error));
      }
    });
    return () => {
      isStopped = true;
      const done = stop();
      kills.add(done);
      void done.finally(() => kills.delete(done));
    };
  });
}

/** ssh's own code of failure may be the command's: what ssh said last, or the end of what it went over, decides. */
async function endRun(
  { address, surroundings }: SshSetting,
  master: Master | undefined,
  gathering: Gathering,
  { code, signal, last }: { code: number | null; signal: string | null; last: string },
): Promise<void> {
  const mayBeLost = code === SSH_FAILED && (isLinkLost(last) || (master !== undefined && (await endsSoon(master))));
  // A signal is what ended ssh itself: of the command's it tells none.
  if (!mayBeLost && signal === null) return gathering.exited(code, null);
  gathering.failed(saidFailure(await readPlace(address, surroundings), last || 'the connection was closed'));
}

function endsSoon({ ended }: Master): Promise<boolean> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(false), LAST_WORDS_MS_MAX).unref();
    void ended.then(() => resolve(true));
  });
}

/** Reports what becomes of a command; returns how to end it on both sides. */
function watchRun(
  setting: Calls,
  master: Master | undefined,
  child: ChildProcess,
  gathering: Gathering,
  isLoggedIn: Admitted,
): () => Promise<void> {
  const begun = Promise.withResolvers<RemoteProcess | undefined>();
  let last = '';
  const out = openMark(gathering.out, (process) => {
    isLoggedIn();
    begun.resolve(process);
  });
  const err = openMark((chunk) => {
    last = (last + chunk.toString('utf8')).slice(-500);
    gathering.err(chunk);
  });
  child.stdout?.on('data', out.take);
  child.stderr?.on('data', err.take);
  child.on('error', () => gathering.failed(noSshFailure(setting.address.host)));
  child.on('close', (code, signal) => {
    isLoggedIn();
    begun.resolve(undefined);
    if (!out.isSeen) {
      const ending = { code, signal, noise: [err.noise, out.noise].join('\n').trim() };
      void beginFailure(setting, ending).then(gathering.failed);
    } else void endRun(setting, master, gathering, { code, signal, last });
  });
  return async () => {
    const limit = new Promise<undefined>((resolve) => {
      setTimeout(() => resolve(undefined), KILL_SECONDS_MAX * 1000).unref();
    });
    const process = await Promise.race([begun.promise, limit]);
    if (process !== undefined) {
      const line = remoteLine(killWords(process));
      await gather({ secondsMax: KILL_SECONDS_MAX, bytesMax: 10_000 }, undefined, (killing) => {
        const killer = startSsh(setting, shareOptions(master), line);
        killer.on('error', () => killing.exited(SSH_FAILED, null));
        killer.on('close', killing.exited);
        feed(killer, '');
        return () => endSsh(killer);
      });
    }
    endSsh(child);
  };
}

async function converse(
  setting: Calls,
  controlPath: string | null,
  words: readonly string[],
  onLine: (line: string) => void,
): Promise<Stream> {
  const options = controlPath === null ? ['ControlPath=none'] : ['ControlMaster=yes', `ControlPath=${controlPath}`];
  const { promise, resolve, reject } = Promise.withResolvers<Stream>();
  admitted(setting, (isOver) => {
    try {
      const child = startSsh(setting, options, markedLine(words));
      beginStream(setting, controlPath, child, onLine).finally(isOver).then(resolve, reject);
    } catch (error) {
      isOver();
      reject(toFleetError(error));
    }
  });
  return promise;
}

async function beginStream(
  setting: Calls,
  controlPath: string | null,
  child: ChildProcess,
  onLine: (line: string) => void,
): Promise<Stream> {
  const begun = Promise.withResolvers<null>();
  let complaint = '';
  const out = openMark(splitLines(onLine), () => begun.resolve(null));
  const err = openMark((chunk) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-500);
  });
  child.stdout?.on('data', out.take);
  child.stderr?.on('data', err.take);
  child.stdin?.on('error', () => {}); // `ended` tells
  const over = endOf(child);
  const timer = setTimeout(() => endSsh(child), BEGIN_MS_MAX);
  const ending = await Promise.race([begun.promise, over]);
  clearTimeout(timer);
  if (ending !== null)
    throw await beginFailure(setting, { ...ending, noise: [err.noise, out.noise].join('\n').trim() });
  const ended = over.then(
    ({ code, signal }) => complaint.trim() || (signal ? `ended with ${signal}` : `ended with code ${code}`),
  );
  return {
    write: (text) => {
      if (child.stdin?.writable) child.stdin.write(text);
    },
    forward: (port, target) => forward(setting, controlPath, port, target),
    close: () => {
      child.stdin?.end();
      const limit = setTimeout(() => endSsh(child), GOODBYE_MS_MAX);
      void over.then(() => clearTimeout(limit));
    },
    ended,
  };
}

type Ending = { code: number | null; signal: string | null };

function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.on('error', () => resolve({ code: SSH_FAILED, signal: null }));
    child.on('exit', (code, signal) => void setTimeout(() => resolve({ code, signal }), LAST_WORDS_MS_MAX).unref());
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
}
