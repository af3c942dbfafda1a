import { existsSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { readBounded } from '../../../config/file.ts';
import { FLEET_BYTES_MAX } from '../../../config/limit.ts';
import { fleetFileOf, stateFolderOf } from '../../../config/places.ts';
import { decode, readYaml } from '../../../config/position.ts';
import { childOf, entriesOf, itemsOf } from '../../../config/value.ts';
import type { Ledger } from '../../../ledger/ledger.ts';
import type { Candidate, Cursor } from '../../cursor.ts';
import type { Door } from '../../door.ts';

/** What only the disk, the fleet file and the ledger know; read without schemas, which take longer than all of it. */

const BUILT_IN_KINDS = ['codex', 'claude', 'command'];
/** Tasks that a subcommand is of use for; any other takes all. */
const STATES_WANTED: Readonly<Record<string, readonly string[]>> = {
  cancel: ['queued', 'blocked', 'running', 'parked'],
  retry: ['failed', 'cancelled', 'parked'],
  wait: ['queued', 'blocked', 'running'],
};

/** All of them, of tasks only those that begin so, and at most `max` of these. */
export async function findCandidates(
  door: Door,
  { sources, said, subcommand }: Cursor,
  start: string,
  max: number,
): Promise<Candidate[]> {
  const wants = new Set(sources.map(({ source }) => source));
  const isSelection = sources.some((each) => each.isSelection);
  const isFleetWanted = wants.has('kinds') || wants.has('nodes') || wants.has('agents') || wants.has('tasks');
  const { file, ledgerPath } = isFleetWanted ? await readPlaces(door, said) : { file: {}, ledgerPath: null };
  const ledger = wants.has('agents') || wants.has('tasks') ? await openLedger(ledgerPath) : null;
  try {
    return [
      ...(isSelection ? [{ value: 'all', means: '' }] : []),
      ...(wants.has('hosts') ? await findHosts(door, said) : []),
      ...(wants.has('kinds') ? findKinds(file) : []),
      ...(ledger && wants.has('tasks') ? await findTasks(ledger, start, max, STATES_WANTED[subcommand ?? '']) : []),
      ...(ledger && wants.has('agents') ? await findAgents(ledger, isSelection) : []),
      ...(wants.has('nodes') ? findNodes(file, isSelection) : []),
    ];
  } finally {
    await ledger?.destroy();
  }
}

/** The fleet file as it is, also with mistakes in it, and where the ledger would be. */
async function readPlaces(door: Door, said: Cursor['said']): Promise<{ file: unknown; ledgerPath: string }> {
  const { env, cwd } = door;
  const userHome = env.HOME || homedir();
  // The shell gives words as they are typed.
  const typed = (path: string | undefined) => path?.replace(/^~(?=\/)/, () => userHome);
  const saying = { file: typed(said.file), home: typed(said.home), env, cwd, userHome };
  const place = fleetFileOf(saying);
  const reading = place ? await readBounded(place.path, FLEET_BYTES_MAX) : undefined;
  const text = reading?.is === 'read' ? decode(reading.bytes, FLEET_BYTES_MAX) : undefined;
  const yaml = text?.is === 'read' ? readYaml('', text.value) : undefined;
  const file = yaml?.is === 'read' ? yaml.value.value : {};
  const name = said.name ?? (env.FLEET_NAME || String(childOf(file, 'name') ?? 'fleet'));
  const folder = stateFolderOf(reading?.is === 'read' && place ? place.path : null, name, saying);
  return { file, ledgerPath: join(folder, 'ledger.db') };
}

/** Read only; null where there is none. */
async function openLedger(path: string | null): Promise<Ledger | null> {
  if (path === null || !existsSync(path)) return null;
  const { openReader } = await import('../../../ledger/sqlite.ts');
  return openReader(path);
}

async function findHosts(door: Door, said: Cursor['said']): Promise<Candidate[]> {
  const { readSshHosts } = await import('../../../config/ssh-config.ts');
  const home = userInfo().homedir;
  const path = said.sshConfig === undefined ? join(home, '.ssh/config') : resolve(door.cwd, said.sshConfig);
  const { hosts } = await readSshHosts(path, home);
  return hosts.flatMap(({ name, flaw }) => (flaw === null ? [{ value: name, means: '' }] : []));
}

function findKinds(file: unknown): Candidate[] {
  const own = entriesOf(childOf(file, 'kinds')).map(([name]) => name);
  return [...new Set([...own, ...BUILT_IN_KINDS])].map((value) => ({ value, means: '' }));
}

function findNodes(file: unknown, isSelection: boolean): Candidate[] {
  const nodes = itemsOf(childOf(file, 'nodes') ?? [{ name: 'here' }]);
  const named = nodes.map((node) => ({ value: String(childOf(node, 'name') ?? ''), means: 'node' }));
  const labels = nodes.flatMap((node) => itemsOf(childOf(node, 'labels')).map(String));
  return [
    ...named,
    ...(isSelection ? [...new Set(labels)].map((value) => ({ value: `label:${value}`, means: '' })) : []),
  ];
}

/** Those that are there, and for a selection also what they have in common. */
async function findAgents(ledger: Ledger, isSelection: boolean): Promise<Candidate[]> {
  const rows = await ledger
    .selectFrom('agent')
    .select(['number', 'node', 'category', 'state', 'task'])
    .orderBy('number')
    .execute();
  const alike = (key: string, values: readonly (string | null)[]) =>
    [...new Set(values)].flatMap((value) => (value === null ? [] : [{ value: `${key}:${value}`, means: '' }]));
  const shared = [
    ...alike(
      'node',
      rows.map(({ node }) => node),
    ),
    ...alike(
      'category',
      rows.map(({ category }) => category),
    ),
    ...alike(
      'state',
      rows.map(({ state }) => state),
    ),
  ];
  const each = rows.map(({ number, node, task }) => ({
    value: String(number),
    means: task === null ? `agent on ${node}` : `agent on ${node}: ${task}`,
  }));
  return [...(isSelection ? shared : []), ...each];
}

/** Along the index of ids: it costs the same with 100,000 of them. */
async function findTasks(
  ledger: Ledger,
  start: string,
  max: number,
  states: readonly string[] | undefined,
): Promise<Candidate[]> {
  let query = ledger
    .selectFrom('task')
    .select(['id', 'state', 'title'])
    .where('id', '>=', start)
    .where('id', '<', `${start}\u{10FFFF}`)
    .orderBy('id')
    .limit(max);
  if (states) query = query.where('state', 'in', [...states]);
  const rows = await query.execute();
  return rows.map(({ id, state, title }) => ({ value: id, means: title === id ? state : `${state}: ${title}` }));
}
