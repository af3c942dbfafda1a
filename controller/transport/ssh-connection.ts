import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientChannel } from 'ssh2';
import type { FleetError } from '../errors.ts';
import { type HostVerdict, judgeHostKey, knownTypes } from './known-hosts.ts';
import { chooseAlgorithms } from './ssh-algorithms.ts';
import { forwardFailure, hostKeyFailure, lackFailure, saidFailure } from './ssh-failure.ts';
import type { HostFacts } from './ssh-files.ts';
import { type Login, loginFailure, offerKeys } from './ssh-login.ts';
import type { Target } from './transport.ts';

/** One connection of ssh2, logged in. */
export interface Connection {
  /** Begins a command. Throws a FleetError `unreachable`. */
  exec(line: string): Promise<ClientChannel>;
  /** See Stream. */
  forward(port: number, target: Target): Promise<number>;
  /** Says goodbye; what hangs after two seconds is cut. */
  end(): void;
  /** Why it is over, once it is. A channel's own end may never come when the link falls silent: this does. */
  readonly ended: Promise<FleetError>;
  readonly isOver: boolean;
}

const READY_SECONDS_MAX = 20;
const KEEP_ALIVE = { keepaliveInterval: 5000, keepaliveCountMax: 3 };
const GOODBYE_MS_MAX = 2000;
/** SSH_OPEN_CONNECT_FAILED: also said when MaxSessions is reached, and a closed channel counts until sshd reaped it. */
const NO_ROOM = 2;
const ROOM_WAIT_MS = { first: 20, longest: 500, total: 15_000 };
const TUNNELS_MAX = 1000;
const OTHER_HINT = 'Take `client: auto` or `client: openssh` for this node.';

/** Connects and logs in. Throws a FleetError of the four codes; prerequisite-missing is what ssh2 lacks for this host. */
export async function connectSsh2(facts: HostFacts, login: Login): Promise<Connection> {
  const { settings, place, known } = facts;
  const name = settings.hostKeyAlias ?? settings.hostName;
  const port = settings.hostKeyAlias === null ? settings.port : null;
  const algorithms = chooseAlgorithms(settings, knownTypes(known, name, port));
  if ('lack' in algorithms) throw lackFailure(place, algorithms.lack, OTHER_HINT);
  const { default: ssh2 } = await import('ssh2'); // 60 ms that a fleet without SSH does not pay
  const client = new ssh2.Client();
  // ssh2's own socket waits to fill packets (Nagle): 5 to 15 times slower.
  const socket = connect({ host: settings.hostName, port: settings.port, family: settings.family, noDelay: true });
  let verdict: HostVerdict = { is: 'trusted' };
  const tried: string[] = [];
  let refusal: { left: readonly string[]; isPartly: boolean } = { left: [], isPartly: false };
  const seen = watch(client, socket);
  const hears = {
    offered: (key: string) => void tried.push(key),
    left: (left: readonly string[], isPartly: boolean) => {
      refusal = { left, isPartly: isPartly || refusal.isPartly };
    },
  };
  client.connect({
    sock: socket,
    username: login.user,
    readyTimeout: (settings.connectSeconds ?? READY_SECONDS_MAX) * 1000,
    algorithms: {
      kex: algorithms.kex,
      serverHostKey: algorithms.hostKey,
      cipher: algorithms.cipher,
      hmac: algorithms.mac,
    } as NonNullable<Parameters<Client['connect']>[0]['algorithms']>,
    hostVerifier: (key: Buffer) => {
      verdict = judgeHostKey(known, name, port, key);
      return verdict.is === 'trusted';
    },
    authHandler: offerKeys(ssh2, login, hears),
    ...KEEP_ALIVE,
  });
  const isReady = await Promise.race([seen.ready.then(() => true), seen.closed.then(() => false)]);
  if (isReady) return openConnection(client, socket, seen, facts);
  if (verdict.is !== 'trusted') throw hostKeyFailure(place, verdict);
  const mismatch = seen.errors.find((error) => error.level === 'handshake' && /no matching/.test(error.message));
  if (mismatch) throw lackFailure(place, `other algorithms (${mismatch.message})`, OTHER_HINT);
  if (seen.errors.some(({ message }) => message === ALL_FAILED))
    throw loginFailure(login, tried, refusal.left, refusal.isPartly);
  throw saidFailure(place, textOf(seen.errors[0]), seen.errors[0]);
}

/** ssh2 gives a failed signature the same level as this, and goes on after it. */
const ALL_FAILED = 'All configured authentication methods failed';

type Ssh2Error = Error & { level?: string; code?: string | number; reason?: number };

interface Watch {
  ready: Promise<void>;
  closed: Promise<void>;
  errors: Ssh2Error[];
}

function watch(client: Client, socket: Socket): Watch {
  const errors: Ssh2Error[] = [];
  const ready = new Promise<void>((resolve) => void client.once('ready', resolve));
  const closed = new Promise<void>((resolve) => void client.once('close', resolve));
  client.on('error', (error: Ssh2Error) => {
    if (errors.length < 20) errors.push(error);
    // Not every error ends it: an agent that cannot sign does not. What does must not hang on a dead peer.
    if (error.level === 'handshake' || error.level === 'client-timeout') destroyLater(socket);
  });
  return { ready, closed, errors };
}

function destroyLater(socket: Socket): void {
  setTimeout(() => socket.destroy(), GOODBYE_MS_MAX).unref();
}

function textOf(error: Ssh2Error | undefined): string {
  return error ? [error.code, error.message].filter((part) => part !== undefined).join(' ') : 'Connection closed';
}

function openConnection(client: Client, socket: Socket, seen: Watch, { place }: HostFacts): Connection {
  const before = seen.errors.length;
  let isOver = false;
  const ended = seen.closed.then(() => {
    isOver = true;
    return saidFailure(place, textOf(seen.errors[before]), seen.errors[before]);
  });
  const lost = ended.then((failure): never => {
    throw failure;
  });
  lost.catch(() => {}); // awaited only by what is under way
  const forward = openForwarding(client, socket);
  return {
    exec: (line) => Promise.race([execWithin(client, line, (error) => saidFailure(place, textOf(error), error)), lost]),
    forward: async (port, target) => {
      const given = forward(port, target).catch((error: Error) => {
        throw forwardFailure(place, port, error.message);
      });
      return Promise.race([given, lost]);
    },
    end: () => {
      client.end();
      destroyLater(socket);
    },
    ended,
    get isOver() {
      return isOver;
    },
  };
}

async function execWithin(
  client: Client,
  line: string,
  fail: (error: Ssh2Error) => FleetError,
): Promise<ClientChannel> {
  const limit = performance.now() + ROOM_WAIT_MS.total;
  for (let wait = ROOM_WAIT_MS.first; ; wait = Math.min(wait * 2, ROOM_WAIT_MS.longest)) {
    try {
      return await exec(client, line);
    } catch (error) {
      const { reason } = error as Ssh2Error;
      if (reason !== NO_ROOM || performance.now() > limit) throw fail(error as Ssh2Error);
    }
    await sleep(wait * (0.5 + Math.random() / 2));
  }
}

function exec(client: Client, line: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(line, (error, channel) => (error ? reject(error) : resolve(channel)));
  });
}

/** Ports of the node that lead to places reached from here. Whatever goes wrong with one connection ends that one. */
function openForwarding(client: Client, socket: Socket) {
  const targets = new Map<number, Target>();
  let open = 0;
  client.on('tcp connection', ({ destPort }, accept, reject) => {
    const target = targets.get(destPort);
    if (target === undefined || open >= TUNNELS_MAX) return reject();
    open += 1;
    const outside = connect({ ...target, noDelay: true });
    const inside = accept();
    const end = () => {
      inside.close();
      outside.destroy();
    };
    outside.once('close', () => {
      open -= 1;
      socket.off('close', end);
      inside.close();
    });
    socket.once('close', end); // the channel may not hear of it
    inside.on('error', end);
    inside.once('close', () => outside.destroySoon());
    outside.on('error', end);
    inside.pipe(outside).pipe(inside);
  });
  socket.setMaxListeners(0);
  return (port: number, target: Target): Promise<number> =>
    new Promise((resolve, reject) => {
      client.forwardIn('127.0.0.1', port, (error, given) => {
        if (error) return reject(error);
        targets.set(given, target);
        resolve(given);
      });
    });
}
