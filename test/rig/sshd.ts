import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SshAddress } from '../../controller/node/node.ts';
import { program } from '../support/capability.ts';

/** A real sshd on this machine's loopback with its own keys; all of it goes with `close`. */
export interface Sshd {
  readonly host: string;
  readonly port: number;
  /** Everything of it; below the home, gone with `close`. */
  readonly folder: string;
  /** Home of the user who logs in; their own only where `isJailed`. */
  readonly home: string;
  /** Private key that may log in. */
  readonly identity: string;
  /** Known hosts with the host's keys. */
  readonly knownHosts: string;
  /** Public host key by type, as in a .pub file. */
  readonly hostKeys: Readonly<Record<'ed25519' | 'ecdsa', string>>;
  /** How it is reached with its own identity and known hosts. */
  readonly address: SshAddress;
  /** Pids of the listener and of everything below it. */
  processes(): readonly number[];
  /** Ends the listener and all connections at once; `start` brings it back on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
  /** Names and versions of the programs that connected, as they said themselves. */
  clients(): readonly string[];
}

export interface SshdSetting {
  /** Lines of sshd_config before ours; the first value of each counts. */
  config?: readonly string[];
  /** Login shell; needs a jail. */
  shell?: string;
  /** Last thing before it starts, with the address it will have. */
  before?: (host: string) => Promise<unknown>;
  /** Start files of the login shell by their names below the home; need a jail. */
  startFiles?: Readonly<Record<string, string>>;
}

const START_MS_MAX = 30_000;
const USER = userInfo().username;

/**
 * Whether a login shell and a home may be made for a test: the user database is replaced in a mount namespace, so it
 * takes root with the right to make one.
 */
export const canJail = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;

export async function openSshd(setting: SshdSetting = {}): Promise<Sshd> {
  const folder = mkdtempSync(join(homedir(), '.sd-'));
  const home = canJail ? join(folder, 'home') : homedir();
  mkdirSync(join(folder, 'home'));
  const host = `127.0.0.${2 + Math.floor(Math.random() * 250)}`;
  const port = await freePort(host);
  const hostKeys = {
    ed25519: makeKey(folder, 'host_ed25519', 'ed25519'),
    ecdsa: makeKey(folder, 'host_ecdsa', 'ecdsa'),
  };
  const identity = join(folder, 'id');
  writeFileSync(join(folder, 'authorized_keys'), makeKey(folder, 'id', 'ed25519'), { mode: 0o600 });
  const knownHosts = join(folder, 'known_hosts');
  writeFileSync(
    knownHosts,
    Object.values(hostKeys)
      .map((key) => `[${host}]:${port} ${key}`)
      .join(''),
  );
  writeFileSync(join(folder, 'sshd_config'), configOf(folder, host, port, setting.config ?? []));
  for (const [name, text] of Object.entries(setting.startFiles ?? {})) {
    mkdirSync(join(home, name, '..'), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  writeFileSync(join(folder, 'passwd'), passwdOf(home, setting.shell ?? '/bin/bash'));
  await setting.before?.(host);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const sshd = { folder, host, port, child: undefined as ChildProcess | undefined };
  const start = async () => {
    sshd.child = spawnSshd(folder);
    await answers(host, port, folder);
  };
  const kill = async () => {
    const { child } = sshd;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    for (const pid of familyOf(child.pid ?? 0)) end(pid);
    await gone;
  };
  const close = async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  await start().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    ...{ host, port, folder, home, identity, knownHosts, hostKeys, start, kill, close },
    address: addressOf(host, { port, identity, knownHosts }),
    processes: () => familyOf(sshd.child?.pid ?? 0),
    clients: () =>
      [...readFileSync(join(folder, 'log'), 'utf8').matchAll(/remote software version (\S+)/g)].map(
        (match) => match[1] ?? '',
      ),
  };
}

/** Without a difference no ssh configuration of this machine is read. */
export function addressOf(host: string, different: Partial<SshAddress> = {}): SshAddress {
  return {
    host,
    port: null,
    user: USER,
    identity: null,
    knownHosts: null,
    jump: null,
    config: '/dev/null',
    client: 'auto',
    ...different,
  };
}

/** Makes a key without a passphrase unless told; gives its public line. */
export function makeKey(folder: string, name: string, type: 'ed25519' | 'ecdsa' | 'rsa', passphrase = ''): string {
  const path = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', name, '-f', path], { stdio: 'pipe' });
  return readFileSync(`${path}.pub`, 'utf8');
}

function configOf(folder: string, host: string, port: number, lines: readonly string[]): string {
  return [
    ...lines,
    `ListenAddress ${host}:${port}`,
    `HostKey ${folder}/host_ed25519`,
    `HostKey ${folder}/host_ecdsa`,
    `AuthorizedKeysFile ${folder}/authorized_keys`,
    `PidFile ${folder}/pid`,
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PrintMotd no',
    'LogLevel DEBUG1',
    '',
  ].join('\n');
}

/** The user database with this user's home and shell replaced. */
function passwdOf(home: string, shell: string): string {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const mend = (line: string) => {
    const fields = line.split(':');
    return fields[0] === USER ? [...fields.slice(0, 5), home, shell].join(':') : line;
  };
  return lines.map(mend).join('\n');
}

/** In a jail it is the first of its own processes: the kernel ends all that it began when it ends. */
function spawnSshd(folder: string): ChildProcess {
  const words = [program('sshd'), '-D', '-f', join(folder, 'sshd_config'), '-E', join(folder, 'log')];
  const jail = ['-m', '--propagation', 'private', '-p', '--fork', '--kill-child=KILL', '--mount-proc'];
  const inside = ['sh', '-c', 'mount --bind "$1" /etc/passwd && shift && exec "$@"', 'sh', join(folder, 'passwd')];
  const [first = '', ...rest] = canJail ? ['unshare', ...jail, ...inside, ...words] : words;
  return spawn(first, rest, { stdio: 'ignore' });
}

async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function answers(host: string, port: number, folder: string): Promise<void> {
  const limit = performance.now() + START_MS_MAX;
  while (!(await greets(host, port))) {
    if (performance.now() > limit) throw new Error(`sshd did not start: ${readFileSync(join(folder, 'log'), 'utf8')}`);
    await sleep(20);
  }
}

function greets(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString().startsWith('SSH-'));
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

/** A process and all below it, itself first. */
function familyOf(root: number): readonly number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), parentOf(name)]),
  );
  const family = [root];
  for (const pid of family) family.push(...[...parents].filter(([, parent]) => parent === pid).map(([child]) => child));
  return family.filter((pid) => pid > 0);
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[1]);
  } catch {
    return 0; // gone
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // went with its parent
  }
}
