import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocal } from './local.ts';
import type { SshSetting } from './ssh.ts';
import { forwardFailure } from './ssh-failure.ts';
import { findSsh, readPlace } from './ssh-files.ts';
import type { Target } from './transport.ts';

/** Where the connection of a conversation can be shared. */
export interface Master {
  /** null: no folder with a short enough name; then nothing is shared and nothing forwarded. */
  controlPath: string | null;
  /** Resolves when its connection is over. */
  ended: Promise<unknown>;
}

const FORWARD_SECONDS_MAX = 20;
/** A socket's path holds 104 bytes where it holds least, and ssh adds 17 while it makes one. */
const CONTROL_PATH_MAX = 104 - 18;

/** Where a socket may be made, in a folder that only this user enters; null where every name is too long. */
export async function makeControlPath(): Promise<string | null> {
  for (const root of new Set([tmpdir(), '/tmp'])) {
    if (join(root, 'mf-XXXXXX/c').length > CONTROL_PATH_MAX || root.includes('%')) continue;
    const folder = await mkdtemp(join(root, 'mf-')).catch(() => undefined); // mode 0700
    if (folder !== undefined) return join(folder, 'c');
  }
  return null;
}

export async function removeControl(controlPath: string | null): Promise<void> {
  if (controlPath !== null) await rm(join(controlPath, '..'), { recursive: true, force: true });
}

/** Options of ssh that go over the conversation's connection while it is there, and never over one of the user's. */
export function shareOptions(master: Master | undefined): readonly string[] {
  const path = master?.controlPath ?? null;
  return ['ControlMaster=no', `ControlPath=${path !== null && existsSync(path) ? path : 'none'}`];
}

/** See Stream: asks the conversation's own ssh for one more port. */
export async function forward(
  { address, surroundings }: SshSetting,
  controlPath: string | null,
  port: number,
  target: Target,
): Promise<number> {
  const place = await readPlace(address, surroundings);
  const ssh = findSsh(surroundings);
  if (controlPath === null || ssh === undefined)
    throw forwardFailure(place, port, 'the folder for temporary files has too long a name for a socket; set TMPDIR');
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const outcome = await openLocal(surroundings.env).run({
    // No configuration is read here: the forwardings a user has there would be asked for again.
    words: [
      ...[ssh, '-F', '/dev/null', '-o', `ControlPath=${controlPath}`, '-O', 'forward'],
      ...['-R', `127.0.0.1:${port}:${host}:${target.port}`, '--', address.host],
    ],
    secondsMax: FORWARD_SECONDS_MAX,
    bytesMax: 10_000,
  });
  if (outcome.is !== 'exited') throw forwardFailure(place, port, `no answer (${outcome.is})`);
  if (outcome.code !== 0) throw forwardFailure(place, port, outcome.stderr.trim().split('\n').at(-1) ?? '');
  const given = port === 0 ? Number(outcome.stdout.trim()) : port;
  if (Number.isInteger(given) && given > 0) return given;
  throw forwardFailure(place, port, `ssh did not tell which port: ${outcome.stdout.trim().slice(0, 100)}`);
}
