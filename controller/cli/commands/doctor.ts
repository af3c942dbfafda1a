import { statfs } from 'node:fs/promises';
import type { Kind } from '../../agent/agent.ts';
import type { Fleet } from '../../config/fleet.ts';
import { resolveSecrets } from '../../config/load.ts';
import { toFleetError } from '../../errors.ts';
import { readMeta } from '../../ledger/ledger.ts';
import { readHolder } from '../../ledger/lock.ts';
import { readFleetState } from '../../ledger/read.ts';
import { stdoutOf } from '../../transport/outcome.ts';
import type { Transport } from '../../transport/transport.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { openContext, openTransports, readFleet } from '../session.ts';

export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  /** What to do; null when nothing is wrong. */
  fix: string | null;
}

const NODE_NEEDS = ['bash', 'tmux', 'setsid', 'flock', 'tail', 'base64', 'stat'];
const PACKAGE_OF: Readonly<Record<string, string>> = {
  setsid: 'util-linux',
  flock: 'util-linux',
  tail: 'coreutils',
  base64: 'coreutils',
  stat: 'coreutils',
};
const DISK_BYTES_MIN = 1024 ** 3;

export interface DoctorOptions extends GlobalOptions {
  agents?: string;
  kind?: string;
  json?: boolean;
}

/** `fleet doctor`: what is wrong, and what to do about each; exit 1 when something is. */
export async function doctor(door: Door, options: DoctorOptions): Promise<number> {
  const fleet = await readFleet(door, options, { agents: options.agents, kind: options.kind });
  const transports = openTransports(door, fleet);
  const findings = [
    ...(await checkController(door, fleet)),
    await checkDisk(fleet),
    ...(await Promise.all([...transports].map(([name, transport]) => checkNode(fleet, name, transport)))).flat(),
    ...(await Promise.all(usedKinds(fleet).map((kind) => checkKey(door, kind)))).flat(),
  ];
  if (options.json) door.out(`${JSON.stringify({ version: 1, findings })}\n`);
  else
    for (const { check, ok, detail, fix } of findings)
      door.out(`${ok ? '✓' : '✗'} ${check}: ${detail}${fix ? `\n    → ${fix}` : ''}\n`);
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

async function checkController(door: Door, fleet: Fleet): Promise<Finding[]> {
  const holder = await readHolder(fleet.stateFolder);
  if (!holder) return [{ check: 'controller', ok: true, detail: 'none runs', fix: null }];
  await using context = await openContext(door, fleet);
  const beat = Number((context.ledger && (await readMeta(context.ledger, 'beat'))) ?? 0);
  const age = Math.round((door.clock.now() - beat) / 1000);
  const state = context.ledger ? await readFleetState(context.ledger) : 'UNINITIALIZED';
  const ok = age < 15;
  return [
    {
      check: 'controller',
      ok,
      detail: `process ${holder.pid} on ${holder.host}, ${state}, last heartbeat ${age} s ago`,
      fix: ok ? null : `It may hang or be stopped: look at process ${holder.pid}; end it and fleet start goes on.`,
    },
  ];
}

async function checkDisk(fleet: Fleet): Promise<Finding> {
  const found = await statfs(fleet.stateFolder).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    const isAbsent = found.code === 'ENOENT';
    const detail = isAbsent ? `${fleet.stateFolder} is not made yet` : found.message;
    return {
      check: 'disk',
      ok: isAbsent,
      detail,
      fix: isAbsent ? null : 'Give it back to this user, or name another with --home.',
    };
  }
  const free = found.bavail * found.bsize;
  const ok = free >= DISK_BYTES_MIN;
  return {
    check: 'disk',
    ok,
    detail: `${(free / 2 ** 30).toFixed(1)} GiB free for the ledger`,
    fix: ok ? null : 'Free at least 1 GiB: the ledger stops the fleet rather than lose anything.',
  };
}

async function checkNode(fleet: Fleet, name: string, transport: Transport): Promise<Finding[]> {
  const programs = usedKinds(fleet).flatMap((kind) => (kind.tool === 'command' ? [] : [kind.program ?? kind.tool]));
  const wanted = [...NODE_NEEDS, 'jq', ...new Set(programs)];
  const script = 'for each do command -v "$each" >/dev/null 2>&1 || echo "$each"; done';
  const outcome = await transport.run({
    words: ['sh', '-c', script, 'sh', ...wanted],
    secondsMax: 20,
    bytesMax: 65_536,
  });
  const answer = stdoutOf(outcome);
  if (answer === undefined)
    return [
      {
        check: `node ${name}`,
        ok: false,
        detail: `does not answer: ${outcome.is}`,
        fix: 'Check that the machine is up and reachable.',
      },
    ];
  const missing = answer.split('\n').filter((word) => word !== '');
  return wanted.map((program) => programFinding(name, program, missing.includes(program)));
}

function programFinding(node: string, program: string, isMissing: boolean): Finding {
  if (!isMissing) return { check: `node ${node}: ${program}`, ok: true, detail: 'there', fix: null };
  if (program === 'jq')
    return {
      check: `node ${node}: jq`,
      ok: true,
      detail: 'missing: windows show event lines as they are',
      fix: 'Install jq for readable windows.',
    };
  const npm = program.includes('codex')
    ? 'npm install -g @openai/codex'
    : program.includes('claude')
      ? 'npm install -g @anthropic-ai/claude-code'
      : undefined;
  return {
    check: `node ${node}: ${program}`,
    ok: false,
    detail: 'missing',
    fix: npm ?? `Install it on ${node}: apt-get install ${PACKAGE_OF[program] ?? program}.`,
  };
}

/** Kinds an agent has by default, and those the fleet file declares; not every built-in one. */
function usedKinds(fleet: Fleet): Kind[] {
  const names = new Set([
    fleet.agents.kind,
    ...fleet.agents.categories.flatMap(({ kind }) => (kind === null ? [] : [kind])),
  ]);
  return fleet.kinds.filter(({ name }) => names.has(name));
}

async function checkKey(door: Door, kind: Kind): Promise<Finding[]> {
  if (kind.tool === 'command') return [];
  const name = kind.tool === 'codex' ? 'OPENAI_API_KEY' : 'ANTHROPIC_API_KEY';
  const problem = await resolveSecrets(kind, door.env).then(
    () => undefined,
    (error: unknown) => toFleetError(error).message,
  );
  const isSet = Object.keys(kind.secrets).length > 0 || kind.endpoint !== null;
  const ok = problem === undefined && isSet;
  return [
    {
      check: `key of ${kind.name}`,
      ok,
      detail: problem ?? (isSet ? 'given' : 'none given'),
      fix: ok
        ? null
        : `export ${name}=… before fleet start, or name its source under kinds.${kind.name}.env (docs/configuration.md).`,
    },
  ];
}
