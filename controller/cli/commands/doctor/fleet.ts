import { statfs } from 'node:fs/promises';
import type { Kind } from '../../../agent/agent.ts';
import type { Fleet } from '../../../config/fleet.ts';
import { resolveSecrets } from '../../../config/load.ts';
import { toFleetError } from '../../../errors.ts';
import { readMeta } from '../../../ledger/ledger.ts';
import { readHolder } from '../../../ledger/lock.ts';
import { readFleetState } from '../../../ledger/read.ts';
import type { Context } from '../../../operations/operation.ts';
import { type Status, status } from '../../../operations/status.ts';
import type { Door } from '../../door.ts';
import { bad, type Finding, gib, good } from './finding.ts';

const DISK_BYTES_MIN = 1024 ** 3;
const BEAT_SECONDS_MAX = 15;

/** What this machine and the ledger say: nothing here asks a node. */
export async function checkFleet(door: Door, context: Context): Promise<Finding[]> {
  const { fleet } = context;
  return [
    ...(await checkController(context)),
    await checkDisk(fleet),
    ...(await Promise.all(usedKinds(fleet).map((kind) => checkKey(door, kind)))).flat(),
  ];
}

async function checkController(context: Context): Promise<Finding[]> {
  const { fleet, ledger, now } = context;
  const holder = await readHolder(fleet.stateFolder);
  if (!holder) return [good('controller', 'none runs')];
  const beat = Number((ledger && (await readMeta(ledger, 'beat'))) ?? 0);
  const age = Math.round((now - beat) / 1000);
  const state = ledger ? await readFleetState(ledger) : 'UNINITIALIZED';
  const detail = `process ${holder.pid} on ${holder.host}, ${state}, last heartbeat ${age} s ago`;
  const fix = `It may hang or be stopped: look at process ${holder.pid}; end it and fleet start goes on.`;
  if (age >= BEAT_SECONDS_MAX) return [bad('controller', detail, fix)];
  return [good('controller', detail), ...judgeSeen(await status.run(context, {}))];
}

/** Pure: what the controller sees of its nodes and agents, told where it is not as it should be. */
export function judgeSeen({ nodes, agents }: Pick<Status, 'nodes' | 'agents'>): Finding[] {
  const silent = agents.filter(({ state }) => state === 'gone' || state === 'unknown');
  const answering = `${agents.length - silent.length} of ${agents.length} answer`;
  const which = silent.slice(0, 10).map(({ number, state, evidence }) => `${number} ${state} (${evidence})`);
  const more = silent.length > which.length ? `, and ${silent.length - which.length} more` : '';
  return [
    ...nodes.flatMap(({ name, state, evidence, lastSeen }) =>
      state === 'up' || state === 'draining'
        ? []
        : [
            bad(
              `node ${name}: connection`,
              `${state} to the controller: ${evidence}${lastSeen === null ? '' : `, last seen ${lastSeen}`}`,
              'The controller tries on by itself; fleet explain tells what waits for it.',
            ),
          ],
    ),
    ...(agents.length === 0
      ? []
      : silent.length === 0
        ? [good('agents', answering)]
        : [bad('agents', `${answering}: ${which.join(', ')}${more}`, 'fleet show NUMBER tells more of one of them.')]),
  ];
}

async function checkDisk(fleet: Fleet): Promise<Finding> {
  const found = await statfs(fleet.stateFolder).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    if (found.code === 'ENOENT') return good('disk', `${fleet.stateFolder} is not made yet`);
    return bad('disk', found.message, 'Give it back to this user, or name another with --home.');
  }
  const free = found.bavail * found.bsize;
  const detail = `${gib(free)} free for the ledger`;
  return free >= DISK_BYTES_MIN
    ? good('disk', detail)
    : bad('disk', detail, 'Free at least 1 GiB: the ledger stops the fleet rather than lose anything.');
}

/** Kinds that agents have by default; a task may name others. */
export function usedKinds(fleet: Fleet): Kind[] {
  const names = new Set([
    fleet.agents.kind,
    ...fleet.agents.categories.flatMap(({ kind }) => (kind === null ? [] : [kind])),
  ]);
  return fleet.kinds.filter(({ name }) => names.has(name));
}

async function checkKey(door: Door, kind: Kind): Promise<Finding[]> {
  if (kind.tool === 'command') return [];
  const name = kind.tool === 'codex' ? 'OPENAI_API_KEY' : 'ANTHROPIC_API_KEY';
  const check = `key of ${kind.name}`;
  const problem = await resolveSecrets(kind, door.env).then(
    () => undefined,
    (error: unknown) => toFleetError(error).message,
  );
  const isSet = Object.keys(kind.secrets).length > 0 || kind.endpoint !== null;
  if (problem === undefined && isSet) return [good(check, 'given')];
  const fix = `export ${name}=… before fleet start, or name its source under kinds.${kind.name}.env (docs/configuration.md).`;
  return [bad(check, problem ?? 'none given', fix)];
}
