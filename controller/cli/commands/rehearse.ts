import { existsSync } from 'node:fs';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Fleet } from '../../config/fleet.ts';
import { FILE_NAME, NO_FLEET_FILE } from '../../config/load.ts';
import { loadTasks } from '../../config/plan.ts';
import { FleetError } from '../../errors.ts';
import { loadProgram } from '../../node/program.ts';
import { removeFleet } from '../../node/shell.ts';
import { packaged } from '../../package.ts';
import type { Scenario } from '../../rehearsal/scenario.ts';
import { nodeEnvironment, openLocal } from '../../transport/local.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { readFleet } from '../session.ts';
import { placeReports } from './report.ts';
import { readResults, runPlan } from './tasks.ts';

export interface RehearseOptions extends GlobalOptions {
  agents?: string;
  kind?: string;
  scenario?: string;
  json?: boolean;
  quiet?: boolean;
  keep?: boolean;
  think?: string;
  report?: string[];
}

const EIGHTEEN = packaged('examples/eighteen/');
/** A hang is a hang after this long here; a real fleet waits minutes. */
const SILENCE_SECONDS = 8;

/** `fleet rehearse`: this machine as the fleet, the real CLI, a stand-in for the model; no key, no cost, nothing left. */
export async function rehearse(door: Door, files: readonly string[], options: RehearseOptions): Promise<number> {
  await placeReports(door, options.report ?? []); // refused before anything is fetched
  const rehearsal = await door.loadRehearsal();
  const tool = options.kind === 'claude' ? 'claude' : 'codex';
  const progress = (text: string) => door.say(text);
  await rehearsal.ensureSystemPrograms(['tmux'], { env: door.env, progress, wished: ['jq'] });
  const { program, version } = await rehearsal.ensureTool(tool, {
    env: door.env,
    cacheFolder: rehearsal.cacheFolder,
    progress,
  });
  const model = await rehearsal.startRehearsalModel({
    scenario: (options.scenario ?? 'calm') as Scenario,
    clock: door.clock,
    seed: 1,
    ...(options.think === undefined ? {} : { thinkMs: { min: Number(options.think), max: Number(options.think) } }),
  });
  const name = `rehearsal-${Buffer.from(door.random(3)).toString('hex')}`;
  const fleet = await rehearsalFleet(door, options, { name, tool, program, url: model.url });
  const plan = await loadTasks({
    paths: files.length > 0 ? files : [EIGHTEEN],
    cwd: door.cwd,
    stdin: door.stdin,
  });
  try {
    await mkdir(fleet.tasks.cwd ?? '', { recursive: true, mode: 0o700 });
    door.say(
      `Rehearsal of ${plan.tasks.length} tasks with the real ${tool} ${version} against a stand-in for its model: no key, no cost.`,
    );
    door.say(
      `${fleet.agents.count} agents on this machine (the cap per vCPU is set aside: agents that wait for a model need no core).`,
    );
    door.say(`Watch one: bin/fleet attach ${Math.min(3, Number(fleet.agents.count))} ${addressOf(door, fleet)}`);
    const exit = await runPlan(door, fleet, plan, { ...options, farewell: 'Interrupted.' });
    if (door.signal.aborted) return exit;
    const served = model.served();
    const usage = (
      await readResults(
        door,
        fleet,
        plan.tasks.map(({ id }) => id),
      )
    ).usage;
    compareTokens(
      door,
      usage,
      served.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0),
    );
    return exit;
  } finally {
    await model.close();
    if (options.keep) door.say(keptText(fleet));
    else await sweepUp(door, fleet);
  }
}

/** How the other subcommands find this fleet, whatever file or variables one has. */
function addressOf(door: Door, fleet: Fleet): string {
  const hasFile = (door.env.FLEET_FILE ?? '') !== '' || existsSync(join(door.cwd, FILE_NAME));
  const file = hasFile ? ` --file ${NO_FLEET_FILE}` : '';
  return `--name ${fleet.name}${file}${(door.env.FLEET_HOME ?? '') === '' ? '' : ` --home ${fleet.stateFolder}`}`;
}

function keptText({ name, stateFolder }: Fleet): string {
  const root = `~/.miyabi/${name}`;
  return `Kept, windows too. To remove it: bash ${root}/bin/fleet-node-* remove ${root}; rm -r ${stateFolder}`;
}

function compareTokens(door: Door, usage: { inputTokens: number; outputTokens: number }, served: number): void {
  const counted = usage.inputTokens + usage.outputTokens;
  door.say(
    counted === served
      ? `The model served ${served} tokens: the report counts the same.`
      : `The model served ${served} tokens, the report counts ${counted}.`,
  );
}

async function rehearsalFleet(
  door: Door,
  options: RehearseOptions,
  { name, tool, program, url }: { name: string; tool: 'codex' | 'claude'; program: string; url: string },
): Promise<Fleet> {
  const count = options.agents === undefined ? defaultAgents(tool) : Number(options.agents);
  if (!Number.isInteger(count) || count < 1 || count > 100)
    throw new FleetError('usage', `--agents ${options.agents}: expected a number from 1 to 100`);
  const fleet = await readFleet(
    { ...door, env: withoutFleet(door.env) },
    { name, file: NO_FLEET_FILE },
    { kind: tool },
  );
  const folder = fleet.stateFolder;
  return {
    ...fleet,
    agents: { ...fleet.agents, count, perVcpu: count, memoryGiBEach: 0.15 },
    // No secret: a rehearsal never sees a key, whatever the environment holds.
    kinds: fleet.kinds.map((kind) =>
      kind.name === tool
        ? { ...kind, program, sandbox: 'danger-full-access', secrets: {}, endpoint: `${url}/t/{task}/{ordinal}` }
        : kind,
    ),
    tasks: { ...fleet.tasks, cwd: join(folder, 'project'), silenceSeconds: SILENCE_SECONDS },
    nodes: fleet.nodes.map((node) => ({ ...node, maxAgents: null })),
  };
}

/** What this machine holds: codex costs little while it waits, claude about 100 MB and a second of CPU to start. */
function defaultAgents(tool: 'codex' | 'claude'): number {
  return Math.min(18, availableParallelism() * (tool === 'codex' ? 4 : 2));
}

/** A rehearsal takes nothing from the fleet one has: neither its file nor its variables. */
function withoutFleet(env: Door['env']): Door['env'] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('FLEET_')));
}

/** Other fleets' folders may stand beside ours. */
async function removeEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
  });
}

async function sweepUp(door: Door, fleet: Fleet): Promise<void> {
  const { hash, text } = await loadProgram();
  const outcome = await openLocal(nodeEnvironment(door.env)).run(removeFleet(fleet.name, hash, text));
  if (outcome.is !== 'exited' || outcome.code !== 0)
    door.say(`Something of the rehearsal may be left: ~/.miyabi/${fleet.name}`);
  await rm(fleet.stateFolder, { recursive: true, force: true });
  await removeEmpty(dirname(fleet.stateFolder));
}
