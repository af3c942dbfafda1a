import type { ClientChannel } from 'ssh2';
import { type FleetError, toFleetError } from '../errors.ts';
import type { SshAddress } from '../node/node.ts';
import { Secret } from '../secret.ts';
import type { Command } from './command.ts';
import { type Gathering, gather, within } from './gather.ts';
import { splitLines } from './lines.ts';
import type { Outcome } from './outcome.ts';
import { killWords, markedLine, openMark, type RemoteProcess, remoteLine } from './remote.ts';
import { type Admission, createSlots } from './slots.ts';
import { type Connection, connectSsh2 } from './ssh-connection.ts';
import { lackFailure, noEndFailure, noiseFailure, type Place } from './ssh-failure.ts';
import { readHostFacts, type Surroundings } from './ssh-files.ts';
import { agentLack, prepareLogin } from './ssh-login.ts';
import { lackOf } from './ssh-settings.ts';
import type { Stream, Transport } from './transport.ts';

export interface SshSetting {
  address: SshAddress;
  surroundings: Surroundings;
  admit: Admission;
  /** Gives the words for a terminal. */
  terminal: Transport['terminal'];
}

/** A connection and who uses it. */
interface Shared {
  opened: Promise<{ connection: Connection; place: Place }>;
  isTalking: boolean;
  runs: number;
  idle: NodeJS.Timeout | undefined;
}

interface Exit {
  code: number | null;
  signal: string | null;
}

/** sshd allows 10 sessions on a connection, and counts a closed one until it reaped it: more than 4 begin to fail. */
const RUNS_MAX = 4;
const IDLE_MS = 15_000;
const KILL_MS_MAX = 10_000;
const BEGIN_MS_MAX = 30_000;
const LAST_WORDS_MS_MAX = 500;
const GOODBYE_MS_MAX = 2000;
const CLOSE_MS_MAX = 3000;
const QUEUE_BYTES_MAX = 256_000_000;
const LACK_HINT = 'Take `client: auto` or `client: openssh` for this node.';

/** Reaches a node by ssh2: one connection, made when it is needed, for one conversation and some commands beside it. */
export function openSsh2(setting: SshSetting): Transport {
  const slots = createSlots(RUNS_MAX);
  const kills = new Set<Promise<unknown>>();
  let current: Shared | undefined;
  const forget = (shared: Shared) => {
    clearTimeout(shared.idle);
    if (current === shared) current = undefined;
  };
  const begin = (): Shared => {
    const shared: Shared = { opened: connect(setting), isTalking: false, runs: 0, idle: undefined };
    shared.opened
      .then(({ connection }) => connection.ended)
      .catch(() => {}) // told to who waits for it
      .finally(() => forget(shared));
    current = shared;
    return shared;
  };
  const letGo = async (shared: Shared) => {
    forget(shared);
    const opened = await shared.opened.catch(() => undefined);
    opened?.connection.end();
    await opened?.connection.ended;
  };
  return {
    run: (command, signal) => {
      const shared = current ?? begin();
      clearTimeout(shared.idle);
      shared.runs += 1;
      return runShared(command, signal, shared, (work) => slots.enter(work), kills).finally(() => {
        shared.runs -= 1;
        if (shared.runs > 0 || shared.isTalking) return;
        shared.idle = setTimeout(() => void letGo(shared), IDLE_MS).unref();
      });
    },
    open: async (words, onLine) => {
      const shared = current === undefined || current.isTalking ? begin() : current;
      shared.isTalking = true;
      clearTimeout(shared.idle);
      const { connection, place } = await shared.opened;
      const failed = (error: unknown): never => {
        void letGo(shared);
        throw error;
      };
      const stream = await converse(connection, place, words, onLine).catch(failed);
      void stream.ended.then(() => letGo(shared));
      return stream;
    },
    terminal: setting.terminal,
    close: async () => {
      await within(CLOSE_MS_MAX, Promise.all(kills));
      if (current) await within(CLOSE_MS_MAX, letGo(current));
    },
  };
}

function connect({ address, surroundings, admit }: SshSetting): Shared['opened'] {
  return admit(`${address.host}:${address.port ?? ''}`, async () => {
    const facts = await readHostFacts(address, surroundings);
    const { place } = facts;
    const lack = lackOf(facts.settings, facts);
    if (lack !== null) throw lackFailure(place, lack, LACK_HINT);
    const login = await prepareLogin(facts);
    const agentLacks = agentLack(login);
    if (agentLacks !== null) throw lackFailure(place, agentLacks, LACK_HINT);
    return { connection: await connectSsh2(facts, login), place };
  });
}

function runShared(
  command: Command,
  signal: AbortSignal | undefined,
  shared: Shared,
  enter: (work: () => Promise<void>) => Promise<void>,
  kills: Set<Promise<unknown>>,
): Promise<Outcome> {
  return gather(command, signal, (gathering) => {
    const stopping = new AbortController();
    const work = async () => {
      const { connection, place } = await shared.opened;
      await enter(async () => {
        if (stopping.signal.aborted) return;
        await runOn(connection, place, command, gathering, stopping.signal);
      });
    };
    const done = work().catch((error: unknown) => gathering.failed(toFleetError(error)));
    return () => {
      stopping.abort();
      kills.add(done);
      void done.finally(() => kills.delete(done));
    };
  });
}

/** One command on a connection, until its channel is closed or, when it is stopped, until it was killed. */
async function runOn(
  connection: Connection,
  place: Place,
  command: Command,
  gathering: Gathering,
  stopping: AbortSignal,
): Promise<void> {
  const begun = Promise.withResolvers<RemoteProcess | undefined>();
  const channel = await connection.exec(markedLine(command.words));
  const out = openMark(gathering.out, begun.resolve);
  const err = openMark(gathering.err);
  channel.on('data', out.take);
  channel.stderr.on('data', err.take);
  channel.on('error', () => {}); // its end tells
  const closed = closeOf(channel).then(async (exit) => {
    begun.resolve(undefined);
    const lost = exit ? undefined : await lossOf(connection);
    if (lost) gathering.failed(lost);
    else if (!out.isSeen)
      gathering.failed(noiseFailure(place, endingOf(exit), [err.noise, out.noise].join('\n').trim()));
    else if (exit) gathering.exited(exit.code, exit.signal);
    else gathering.failed(noEndFailure(place));
  });
  const { input } = command;
  channel.end(input instanceof Secret ? input.reveal() : (input ?? ''));
  const stopped = new Promise<void>((resolve) => {
    if (stopping.aborted) resolve();
    else stopping.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([closed, stopped, connection.ended.then(gathering.failed)]);
  if (stopping.aborted) await within(KILL_MS_MAX, killOn(connection, begun.promise));
  if (!connection.isOver) channel.close();
}

/** Closing a channel ends nothing on the other side: the process is killed by its number, over a channel of its own. */
async function killOn(connection: Connection, begun: Promise<RemoteProcess | undefined>): Promise<void> {
  const process = await begun;
  if (process === undefined) return;
  const channel = await connection.exec(remoteLine(killWords(process))).catch(() => undefined); // gone with the link
  if (channel === undefined) return;
  channel.resume();
  channel.stderr.resume();
  await Promise.race([new Promise((resolve) => channel.once('close', resolve)), connection.ended]);
}

/**
 * How a command ended, told when its channel is closed; undefined: nobody said. `exit` alone cannot be relied on: when
 * one packet of the network brings the whole run, ssh2 emits it before whoever waits for the channel has it.
 */
function closeOf(channel: ClientChannel): Promise<Exit | undefined> {
  return new Promise((resolve) => {
    channel.once('close', (code?: number | null, signal?: string) => {
      resolve(code === undefined ? undefined : { code, signal: signal ?? null });
    });
  });
}

function endingOf(exit: Exit | undefined): string {
  if (exit === undefined) return 'was ended';
  return exit.signal === null ? `ended with code ${exit.code}` : `ended with ${exit.signal}`;
}

async function converse(
  connection: Connection,
  place: Place,
  words: readonly string[],
  onLine: (line: string) => void,
): Promise<Stream> {
  const begun = Promise.withResolvers<void>();
  const channel = await connection.exec(markedLine(words));
  let complaint = '';
  const out = openMark(splitLines(onLine), () => begun.resolve());
  const err = openMark((chunk) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-500);
  });
  channel.on('data', out.take);
  channel.stderr.on('data', err.take);
  channel.on('error', () => {}); // `ended` tells
  const over = endOf(channel, connection);
  const noise = () => [err.noise, out.noise].join('\n').trim();
  const failed = Promise.race([
    over.then((ending) => noiseFailure(place, ending, noise())),
    connection.ended,
    new Promise<FleetError>((resolve) => {
      const late = () => resolve(noiseFailure(place, `gave no sign for ${BEGIN_MS_MAX / 1000} s`, noise()));
      const timer = setTimeout(late, BEGIN_MS_MAX);
      void begun.promise.then(() => clearTimeout(timer));
    }),
  ]);
  const failure = await Promise.race([begun.promise, failed]);
  if (failure) throw failure;
  const ended = Promise.race([
    over.then((ending) => complaint.trim() || ending),
    connection.ended.then((end) => end.message),
  ]);
  return openStream(channel, connection, ended);
}

/** How a conversation's program ended: told at once, but what it said last is waited for. */
function endOf(channel: ClientChannel, connection: Connection): Promise<string> {
  return new Promise((resolve) => {
    channel.once('exit', (code: number | null, signal?: string) => {
      const told = endingOf({ code, signal: signal ?? null });
      // Workers begun by the other side may hold its output open for hours.
      setTimeout(() => resolve(told), LAST_WORDS_MS_MAX).unref();
    });
    void closeOf(channel).then((exit) => {
      if (exit) return resolve(endingOf(exit));
      void lossOf(connection).then((lost) => resolve(lost?.message ?? 'the channel was closed'));
    });
  });
}

/** Why a channel closed without a word: the connection under it, which may be told a moment later; else nothing. */
async function lossOf(connection: Connection): Promise<FleetError | undefined> {
  let lost: FleetError | undefined;
  const told = connection.ended.then((failure) => {
    lost = failure;
  });
  await within(LAST_WORDS_MS_MAX, told);
  return lost;
}

function openStream(channel: ClientChannel, connection: Connection, ended: Promise<string>): Stream {
  let isOver = false;
  let waiting: string[] = [];
  // What is written together goes out together: each packet is one more thing to encrypt, to send and to wake up for.
  const flush = () => {
    const text = waiting.join('');
    waiting = [];
    if (text !== '' && channel.writable) channel.write(text);
  };
  const stream: Stream = {
    write: (text) => {
      if (isOver || !channel.writable) return;
      if (waiting.push(text) === 1) setImmediate(flush);
      if (channel.writableLength > QUEUE_BYTES_MAX) connection.end(); // the other side has stopped to read
    },
    forward: (port, target) => connection.forward(port, target),
    close: () => {
      if (isOver) return;
      flush();
      isOver = true;
      channel.end();
      setTimeout(() => connection.end(), GOODBYE_MS_MAX).unref();
    },
    ended: ended.finally(() => {
      isOver = true;
    }),
  };
  return stream;
}
