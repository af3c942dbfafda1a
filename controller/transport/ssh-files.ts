import { statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { FleetError } from '../errors.ts';
import type { SshAddress } from '../node/node.ts';
import { type KnownHosts, type KnownHostsFile, parseKnownHosts } from './known-hosts.ts';
import { openLocal } from './local.ts';
import { type Place, saidFailure, unreadableFailure } from './ssh-failure.ts';
import { type Identity, readIdentity } from './ssh-identity.ts';
import {
  addressWords,
  parseSettings,
  plainSettings,
  type SshSettings,
  sshLine,
  type Whereabouts,
} from './ssh-settings.ts';

/** What of this machine ssh is run with and asked for. */
export interface Surroundings {
  /** HOME, USER, PATH, SSH_AUTH_SOCK and the rest that ssh and its ProxyCommands may need. */
  env: Readonly<Record<string, string | undefined>>;
}

/** All that is known of a host before it is called. */
export interface HostFacts {
  settings: SshSettings;
  place: Place;
  identities: readonly Identity[];
  known: KnownHosts;
}

const ASK_SECONDS_MAX = 20;
const ANSWER_BYTES_MAX = 500_000;
const FILE_BYTES_MAX = 8_000_000;

/** Absolute path of the system's ssh; undefined where there is none. */
export function findSsh({ env }: Surroundings): string | undefined {
  return (env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'ssh'))
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/**
 * Reads what the ssh configuration says of a host now, and the files it names: edits count from the next connection on.
 * Throws a FleetError: unreachable for a configuration that ssh does not take, host-untrusted for unreadable known hosts.
 */
export async function readHostFacts(address: SshAddress, surroundings: Surroundings): Promise<HostFacts> {
  const settings = await readSettings(address, surroundings);
  const place = placeOf(address, settings);
  const { identity } = address;
  if (identity !== null && statSync(identity, { throwIfNoEntry: false }) === undefined)
    throw new FleetError('login-refused', `the key file of ${address.host} is not there: ${identity}`, {
      hint: 'Correct `identity` of the node in the fleet file.',
      target: address.host,
    });
  const files = identity === null ? settings.identityFiles : [identity];
  const identities = await Promise.all(files.map(readIdentity));
  return { settings, place, identities, known: await readKnownHosts(settings, place) };
}

/** Where a host leads, to tell people; as far as that can be known. Never throws. */
export async function readPlace(address: SshAddress, surroundings: Surroundings): Promise<Place> {
  return await readSettings(address, surroundings).then(
    (settings) => placeOf(address, settings),
    () => plainPlace(address),
  );
}

function placeOf(address: SshAddress, { hostName, port, user, hostKeyAlias }: SshSettings): Place {
  return { host: address.host, hostName, port, user, alias: hostKeyAlias, address };
}

function plainPlace(address: SshAddress): Place {
  const { host, port, user } = address;
  return { host, hostName: host, port: port ?? 22, user: user ?? '', alias: null, address };
}

async function readSettings(address: SshAddress, surroundings: Surroundings): Promise<SshSettings> {
  const ssh = findSsh(surroundings);
  return ssh === undefined ? plainSettings(address, plainly(surroundings)) : await askSsh(ssh, address, surroundings);
}

function plainly({ env }: Surroundings): Whereabouts {
  return { home: env.HOME ?? homedir(), env };
}

async function askSsh(ssh: string, address: SshAddress, surroundings: Surroundings): Promise<SshSettings> {
  const outcome = await openLocal(surroundings.env).run({
    words: [ssh, ...addressWords(address), '-G', '--', address.host],
    secondsMax: ASK_SECONDS_MAX,
    bytesMax: ANSWER_BYTES_MAX,
  });
  // ssh asks the user database for the home, not HOME.
  const where = { home: userInfo().homedir, env: surroundings.env };
  if (outcome.is === 'exited' && outcome.code === 0) return parseSettings(outcome.stdout, address, where);
  if (outcome.is === 'exited') throw saidFailure(plainPlace(address), outcome.stderr);
  if (outcome.is === 'unreachable') throw outcome.failure;
  throw new FleetError('unreachable', `\`ssh -G ${address.host}\` did not answer: ${outcome.is}`, {
    hint: `It runs the commands of \`Match exec\` in the ssh configuration, and one of them may hang: \`${sshLine(address)} -G\` shows it.`,
    target: address.host,
  });
}

/** A missing file knows nobody; one that cannot be read might revoke somebody, so it stops us. */
async function readKnownHosts({ knownHostsFiles }: SshSettings, place: Place): Promise<KnownHosts> {
  const files: KnownHostsFile[] = [];
  for (const path of knownHostsFiles) {
    try {
      const { size } = await stat(path);
      if (size > FILE_BYTES_MAX) throw unreadableFailure(place, path, `larger than ${FILE_BYTES_MAX} bytes`);
      files.push({ path, text: await readFile(path, 'utf8') });
    } catch (error) {
      if (error instanceof FleetError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') throw unreadableFailure(place, path, code ?? message);
    }
  }
  return parseKnownHosts(files);
}
