import { glob } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { failureOf, readBounded } from './file.ts';
import { isAbout, type NamedHost, namedHosts, readSshLines, type SshLine } from './ssh-hosts.ts';

const FILE_BYTES_MAX = 1_048_576;
const FILES_MAX = 200;
/** As deep as ssh itself goes. */
const DEPTH_MAX = 16;
const HOSTS_MAX = 200;

export interface SshHosts {
  /** Each name once, as first found. */
  hosts: readonly NamedHost[];
  /** Files that were named and could not be read, with why. */
  unread: readonly { path: string; why: string }[];
  /** False: the configuration itself is not there. */
  isThere: boolean;
  /** There are more than are told. */
  isCut: boolean;
}

interface Walk {
  home: string;
  hosts: Map<string, NamedHost>;
  unread: { path: string; why: string }[];
  files: number;
  isCut: boolean;
}

/** What must be so of a host for the lines to count. `sometimes`: under a Match, so that nobody can tell. */
type Condition = readonly string[] | 'sometimes';

/**
 * The hosts that an ssh configuration names, Includes followed as ssh does: below ~/.ssh where relative, in the order of
 * their names, only for the hosts of the block they stand in. Never throws for what is in the files.
 */
export async function readSshHosts(path: string, home: string): Promise<SshHosts> {
  const walk: Walk = { home, hosts: new Map(), unread: [], files: 0, isCut: false };
  const isThere = await readInto(walk, path, [], 0);
  return { hosts: [...walk.hosts.values()], unread: walk.unread, isThere, isCut: walk.isCut };
}

async function readInto(walk: Walk, path: string, under: readonly Condition[], depth: number): Promise<boolean> {
  walk.files += 1;
  if (depth > DEPTH_MAX || walk.files > FILES_MAX) {
    if (walk.files <= FILES_MAX) walk.unread.push({ path, why: 'included too deep' });
    if (walk.files === FILES_MAX + 1) walk.unread.push({ path, why: `more than ${FILES_MAX} files` });
    return true;
  }
  const reading = await readBounded(path, FILE_BYTES_MAX);
  if (reading.is === 'absent') return false;
  if (reading.is === 'unreadable') {
    walk.unread.push({ path, why: reading.reason });
    return true;
  }
  let block: Condition | undefined;
  for (const line of readSshLines(Buffer.from(reading.bytes).toString('utf8'))) {
    if (line.is === 'include') {
      const inner = block === undefined ? under : [...under, block];
      for (const pattern of line.paths)
        for (const file of await filesOf(walk, pattern)) await readInto(walk, file, inner, depth + 1);
    } else {
      if (line.is === 'host') note(walk, line.patterns, under);
      block = conditionOf(line);
    }
  }
  return true;
}

function conditionOf(line: Exclude<SshLine, { is: 'include' }>): Condition {
  if (line.is === 'host') return line.patterns;
  return line.isAll ? ['*'] : 'sometimes';
}

function note(walk: Walk, patterns: readonly string[], under: readonly Condition[]): void {
  for (const host of namedHosts(patterns)) {
    walk.isCut ||= walk.hosts.size >= HOSTS_MAX;
    if (walk.isCut) return;
    const flaw = host.flaw ?? conditionFlaw(host.name, under);
    const known = walk.hosts.get(host.name);
    if (known === undefined || (known.flaw !== null && flaw === null)) walk.hosts.set(host.name, { ...host, flaw });
  }
}

function conditionFlaw(name: string, under: readonly Condition[]): string | null {
  if (under.some((condition) => condition !== 'sometimes' && !isAbout(condition, name)))
    return 'its Include stands below another Host: it belongs at the top';
  return under.includes('sometimes') ? 'its Include stands below a Match' : null;
}

/** The files that an Include names. */
async function filesOf({ home, unread }: Walk, pattern: string): Promise<string[]> {
  const whole = pattern
    .replace(/^~(?=\/|$)/, () => home)
    .replace(/%([d%])/g, (_, token) => (token === 'd' ? home : '%'));
  const path = isAbsolute(whole) ? whole : join(home, '.ssh', whole);
  if (!/[*?[]/.test(path)) return [path];
  const isHidden = (file: string) => basename(file).startsWith('.') && !basename(path).startsWith('.');
  try {
    const found: string[] = [];
    for await (const file of glob(path)) if (found.push(file) > FILES_MAX) break;
    return found.filter((file) => !isHidden(file)).sort();
  } catch (error) {
    const failure = failureOf(error);
    if (failure.is === 'unreadable') unread.push({ path: dirname(path), why: failure.reason });
    return [];
  }
}
