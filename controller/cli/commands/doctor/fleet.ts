import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Kind } from '../../../agent/agent.ts';
import type { Fleet } from '../../../config/fleet.ts';
import { resolveSecrets } from '../../../config/load.ts';
import { toFleetError } from '../../../errors.ts';
import { readMeta } from '../../../ledger/ledger.ts';
import { type Holder, readHolder } from '../../../ledger/lock.ts';
import { readFleetState } from '../../../ledger/read.ts';
import type { Context } from '../../../operations/operation.ts';
import { type Status, status } from '../../../operations/status.ts';
import { quote } from '../../../transport/command.ts';
import type { Door } from '../../door.ts';
import { bad, type Finding, good, HERE, sentence, typed } from './finding.ts';
import { checkEndpoint, tunnelsOf } from './reach.ts';
import { checkState } from './state.ts';

const BEAT_SECONDS_MAX = 15;

/** What this machine and the ledger say: nothing here asks a node. */
export async function checkFleet(door: Door, context: Context): Promise<Finding[]> {
  const { fleet } = context;
  const kinds = usedKinds(fleet);
  const hasRemotes = fleet.nodes.some(({ via }) => via.kind !== 'local');
  return [
    ...(await checkController(context)),
    ...(await checkState(fleet.stateFolder)),
    ...(await Promise.all(kinds.map((kind) => checkKeys(door, kind)))).flat(),
    ...(hasRemotes ? await Promise.all(tunnelsOf(kinds).map(checkEndpoint)) : []),
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
  if (age >= BEAT_SECONDS_MAX) return [await judgeHang(holder, detail)];
  return [good('controller', detail), ...judgeSeen(await status.run(context, {}))];
}

/** A process that was stopped (Ctrl-Z, a debugger) goes on when told to; one that hangs has to be ended. */
async function judgeHang({ pid, host }: Holder, detail: string): Promise<Finding> {
  const where = host === hostname() ? HERE : { where: `on ${host}`, sudo: '' };
  const said = host === hostname() ? await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '') : '';
  const isStopped = /^\d+ \(.*\) [Tt] /s.test(said);
  if (isStopped) return bad('controller', `${detail}: it was stopped`, sentence(typed(where, `kill -CONT ${pid}`)));
  const end = `${typed(where, `kill -KILL ${pid}`)}, then \`fleet start\`; agents go on working meanwhile`;
  return bad('controller', `${detail}: it hangs`, sentence(end));
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
              'The controller tries on by itself. What waits for it: `fleet explain`.',
            ),
          ],
    ),
    ...(agents.length === 0
      ? []
      : silent.length === 0
        ? [good('agents', answering)]
        : [
            bad(
              'agents',
              `${answering}: ${which.join(', ')}${more}`,
              `More of it: \`fleet show ${silent[0]?.number}\`.`,
            ),
          ]),
  ];
}

/** Kinds that agents have by default; a task may name others. */
export function usedKinds(fleet: Fleet): Kind[] {
  const names = new Set([
    fleet.agents.kind,
    ...fleet.agents.categories.flatMap(({ kind }) => (kind === null ? [] : [kind])),
  ]);
  return fleet.kinds.filter(({ name }) => names.has(name));
}

/** One finding for all that is well, else one for each secret that cannot be had. */
async function checkKeys(door: Door, kind: Kind): Promise<Finding[]> {
  const sources = Object.entries(kind.secrets);
  const check = `key of ${kind.name}`;
  if (sources.length === 0) return kind.tool === 'command' || kind.endpoint !== null ? [] : [noKey(check, kind)];
  const wrong = await Promise.all(
    sources.map(async ([variable, source]) => {
      const problem = await problemOf({ ...kind, secrets: { [variable]: source } }, door);
      return problem === undefined ? [] : [bad(check, problem, sentence(typed(HERE, await givingOf(source))))];
    }),
  );
  return wrong.flat().length > 0 ? wrong.flat() : [good(check, 'given')];
}

function noKey(check: string, { name, tool }: Kind): Finding {
  const variable = tool === 'codex' ? 'OPENAI_API_KEY' : 'ANTHROPIC_API_KEY';
  const fix = `${typed(HERE, `export ${variable}=…`)} before fleet start, or name its source: \`kinds.${name}.env.${variable}: {from: file, path: …}\``;
  return bad(check, `none given: ${variable} is not set here`, sentence(fix));
}

async function problemOf(kind: Kind, door: Door): Promise<string | undefined> {
  return await resolveSecrets(kind, door.env).then(
    () => undefined,
    (error: unknown) => toFleetError(error).message,
  );
}

/** Never with a value: what is typed may be kept in a history. */
async function givingOf(source: Kind['secrets'][string]): Promise<string> {
  if (source.from === 'env') return `export ${source.name}=…`;
  const path = quote(source.path);
  const mode = await stat(source.path).then(
    (stats) => stats.mode,
    () => 0,
  );
  return (mode & 0o077) === 0 ? `install -m 600 /dev/stdin ${path}` : `chmod 600 ${path}`;
}
