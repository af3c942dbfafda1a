import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { parseAddress } from '../../../config/address.ts';
import type { DraftNode } from '../../../config/draft.ts';
import { readSshHosts, type SshHosts } from '../../../config/ssh-config.ts';
import { gitReason, machineKey, type Whither } from '../../../config/ssh-hosts.ts';
import { FleetError } from '../../../errors.ts';
import type { SshAddress } from '../../../node/node.ts';
import { readHostFacts, readPlace } from '../../../transport/ssh-files.ts';
import type { Door } from '../../door.ts';
import { counted } from '../../words.ts';
import { eachOf } from '../exec.ts';

/** The hosts that a fleet file could have. */
export interface Found {
  /** Where they were looked for, for people. */
  source: string;
  chosen: readonly DraftNode[];
}

const LOOKS_AT_ONCE = 8;
const NAMES_SHOWN = 10;

/** Those named on the command line, else those of the ssh configuration; each that is left out is told with why. */
export async function findHosts(
  door: Door,
  { host, sshConfig }: { host?: readonly string[]; sshConfig?: string },
): Promise<Found> {
  const config = sshConfig === undefined ? null : resolve(door.cwd, sshConfig);
  if (host !== undefined) {
    for (const name of host) refuseFlawed(name);
    return { source: 'the hosts it was told', chosen: [...new Set(host)].map((name) => draftOf(name, config)) };
  }
  const { path, shown, found } = await readConfig(config);
  if (config !== null && !found.isThere)
    throw new FleetError('usage', `there is no ssh configuration ${path}`, {
      hint: 'Name one that is there, or leave --ssh-config out: ~/.ssh/config is read then.',
    });
  for (const { path: file, why } of found.unread) door.say(`  ${file} was not read: ${why}`);
  const flawed = found.hosts.flatMap(({ name, flaw }) => (flaw === null ? [] : [{ name, why: flaw }]));
  const names = found.hosts.filter(({ flaw }) => flaw === null).map(({ name }) => name);
  const { chosen, left } = await chooseHosts(door, names, config);
  door.say(found.isThere ? `${shown} names ${counted(names.length, 'host')}.` : `There is no ${shown}.`);
  if (found.isCut) door.say('  It names more: choose with --host.');
  tellLeft(door, [...flawed, ...left]);
  return { source: shown, chosen: chosen.map((name) => draftOf(name, config)) };
}

async function readConfig(config: string | null): Promise<{ path: string; shown: string; found: SshHosts }> {
  const home = homeOf();
  const path = config ?? join(home, '.ssh/config');
  return { path, shown: config ?? '~/.ssh/config', found: await readSshHosts(path, home) };
}

/** As ssh finds it: in the user database, not in HOME. */
function homeOf(): string {
  return userInfo().homedir || homedir();
}

function refuseFlawed(name: string): void {
  const part = parseAddress(name);
  if (part.is === 'bad')
    throw new FleetError('usage', `--host ${name}: ${part.message}`, {
      hint: 'A Host of ~/.ssh/config, or user@host:port.',
    });
}

function draftOf(host: string, config: string | null): DraftNode {
  return { host, config, vcpu: null, memoryGiB: null, notes: [] };
}

/** How a host of a draft is reached. */
export function addressOf({ host, config }: DraftNode): SshAddress {
  const part = parseAddress(host);
  const { port, user, ...rest } = part.is === 'good' ? part.address : { host };
  return {
    host: rest.host,
    port: port ?? null,
    user: user ?? null,
    ...{ identity: null, knownHosts: null, jump: null, config, client: 'auto' },
  };
}

interface Left {
  name: string;
  why: string;
}

/** Git hosts and second names of one machine are left out. */
async function chooseHosts(
  door: Door,
  names: readonly string[],
  config: string | null,
): Promise<{ chosen: string[]; left: Left[] }> {
  const whithers = await eachOf(names, LOOKS_AT_ONCE, (name) => whitherOf(door, addressOf(draftOf(name, config))));
  const first = new Map<string, string>();
  const left: Left[] = [];
  const chosen: string[] = [];
  for (const [index, name] of names.entries()) {
    const whither = whithers[index];
    if (whither === undefined) continue;
    const git = gitReason(whither);
    const twin = first.get(machineKey(whither));
    if (git !== null) left.push({ name, why: git });
    else if (twin !== undefined) left.push({ name, why: `the same machine as ${twin}; --host chooses` });
    else {
      first.set(machineKey(whither), name);
      chosen.push(name);
    }
  }
  return { chosen, left };
}

/** As far as ssh tells: where its configuration has a mistake, asking the host tells that. */
async function whitherOf(door: Door, address: SshAddress): Promise<Whither> {
  const surroundings = { env: door.env };
  try {
    const { settings } = await readHostFacts(address, surroundings);
    const { proxyjump = '', proxycommand = '' } = settings.other;
    return { ...settings, through: `${proxyjump} ${proxycommand}`.trim() };
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return { ...(await readPlace(address, surroundings)), through: '' };
  }
}

function tellLeft(door: Door, left: readonly Left[]): void {
  for (const why of new Set(left.map((each) => each.why))) {
    const names = left.filter((each) => each.why === why).map(({ name }) => name);
    const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
    door.say(`  left out: ${names.slice(0, NAMES_SHOWN).join(', ')}${more} (${why})`);
  }
}
