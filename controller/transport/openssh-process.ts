import { type ChildProcess, spawn } from 'node:child_process';
import type { FleetError } from '../errors.ts';
import { killGroup } from './child.ts';
import type { SshSetting } from './ssh.ts';
import { noiseFailure, noSshFailure, saidFailure } from './ssh-failure.ts';
import { findSsh, readPlace } from './ssh-files.ts';
import { addressWords } from './ssh-settings.ts';

/** ssh ends with it when ssh itself failed; the command may have ended with it, too. */
export const SSH_FAILED = 255;
const CONNECT_SECONDS_MAX = 20;
/** A user's own settings of these would ask, print, or fail what we do. */
const OPTIONS = [
  'BatchMode=yes',
  'StrictHostKeyChecking=yes', // whatever the configuration allows: nobody sees what it would take
  'ServerAliveInterval=5',
  'ServerAliveCountMax=3',
  `ConnectTimeout=${CONNECT_SECONDS_MAX}`,
  'ControlPersist=no',
  'ForwardAgent=no',
  'ForwardX11=no',
  'ClearAllForwardings=yes',
  'ExitOnForwardFailure=no',
  'PermitLocalCommand=no',
  'RemoteCommand=none',
  'RequestTTY=no',
  'EscapeChar=none',
  'LogLevel=INFO',
];

/** What every call of ssh for one node shares. */
export interface Calls extends SshSetting {
  /** Every ssh that runs. */
  children: Set<ChildProcess>;
}

/** Starts ssh with a line for the node. In a session of its own it has no terminal to ask anybody anything. */
export function startSsh(setting: Calls, options: readonly string[], line: string): ChildProcess {
  const ssh = findSsh(setting.surroundings);
  if (ssh === undefined) throw noSshFailure(setting.address.host);
  const words = [...[...options, ...OPTIONS].flatMap((option) => ['-o', option]), ...addressWords(setting.address)];
  const child = spawn(ssh, [...words, '-T', '--', setting.address.host, line], {
    env: { ...setting.surroundings.env, SSH_ASKPASS_REQUIRE: 'never' },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  setting.children.add(child);
  child.on('error', () => setting.children.delete(child));
  child.on('close', () => setting.children.delete(child));
  return child;
}

/** Login is over, one way or the other: a place among those that shake hands is free again. */
export type Admitted = () => void;

/** Begins ssh when there is room for one more login; `work` tells when that is over. */
export function admitted(setting: SshSetting, work: (isOver: Admitted) => void): void {
  const { address, admit } = setting;
  void admit(`${address.host}:${address.port ?? ''}`, () => new Promise<void>((resolve) => work(resolve)));
}

/** What kept a command from beginning: ssh's own words when it ended with its own code, else the login shell. */
export async function beginFailure(
  { address, surroundings }: SshSetting,
  { code, signal, noise }: { code: number | null; signal: string | null; noise: string },
): Promise<FleetError> {
  const place = await readPlace(address, surroundings);
  if (code === SSH_FAILED && noise !== '') return saidFailure(place, noise);
  return noiseFailure(place, signal === null ? `ended with code ${code}` : `ended with ${signal}`, noise);
}

/** Ends ssh and its ProxyCommand; an ssh that is over needs none, and its number may be another's by now. */
export function endSsh(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) killGroup(child);
}
