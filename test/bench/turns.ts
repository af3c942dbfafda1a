import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codex } from '../../controller/agent/tools/codex.ts';
import { runScript } from '../../controller/node/shell.ts';
import { until } from '../rig/until.ts';
import { aKind } from '../support/builders.ts';
import type { BenchTask } from './fleet.ts';
import { AGENTS, execAll, type Ground, type Host } from './ground.ts';
import { type Begun, begin } from './process.ts';

/** One turn of a real Codex CLI with one shell command in it, whose file shows that it was done right. */

export interface Model extends AsyncDisposable {
  url: string;
  /** The same model; answers that follow a tool's result are held. */
  holding: string;
  /** How many answers are held. */
  held(): number;
  free(): void;
}

export async function openModel(ground: Ground): Promise<Model> {
  const words = [process.execPath, join(import.meta.dirname, 'model.ts')];
  const model: Begun = begin(words, { env: ground.env, cwd: ground.folder, msMax: 2 ** 31 - 1 });
  const said = await until('the model', () => /^(http\S+) (http\S+)$/m.exec(model.said().out) ?? undefined, 20_000);
  return {
    ...{ url: said[1] ?? '', holding: said[2] ?? '' },
    held: () => Number(/held (\d+)\n$/.exec(model.said().out)?.[1] ?? 0),
    free: () => model.signal('SIGUSR1'),
    [Symbol.asyncDispose]: async () => {
      model.signal('SIGTERM');
      await model.ended;
    },
  };
}

function promptOf(number: number): string {
  return `Do this.\n\n\`\`\`sh\necho right ${number} >~/.right/${number}; cat ~/.right/${number}\n\`\`\`\n`;
}

export const turnTasks: readonly BenchTask[] = Array.from({ length: AGENTS }, (_, index) => ({
  ...{ id: `turn-${index + 1}`, prompt: promptOf(index + 1) },
}));

export async function clearRight(ground: Ground): Promise<void> {
  await execAll(ground, 'rm -rf ~/.right ~/.turns; mkdir ~/.right');
}

/** Throws unless each turn's command ran, once, on one of the machines. */
export async function checkRight({ hosts }: Ground): Promise<void> {
  const right = await Promise.all(hosts.map(({ home }) => rightOn(join(home, '.right'))));
  const numbers = new Set(right.flat());
  if (numbers.size !== AGENTS) throw new Error(`${numbers.size} of ${AGENTS} turns did what they were told`);
}

async function rightOn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return names.filter((name, index) => texts[index] === `right ${name}\n`);
}

/** Where the model is on every machine. */
export const TUNNEL_PORT = 18_080;

/**
 * A script for each turn on its host, with the very words the fleet runs; each makes its own home first. Gives lines
 * `HOST NUMBER`, hosts in turn.
 */
export async function writeTurns({ hosts }: Ground, program: string): Promise<readonly string[]> {
  await Promise.all(hosts.map(({ home }) => renew(join(home, '.turns'))));
  const lines: string[] = [];
  for (let number = 1; number <= AGENTS; number += 1) {
    const host = hosts[number % hosts.length] as Host;
    await writeFile(join(host.home, '.turns', `${number}.sh`), turnScript(host, number, program));
    await writeFile(join(host.home, '.turns', `${number}.prompt`), promptOf(number));
    lines.push(`${host.name} ${number}`);
  }
  return lines;
}

async function renew(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  await chmod(folder, 0o777);
}

function turnScript({ machine }: Host, number: number, program: string): string {
  const agentFolder = `${machine.home}/.turns/${number}`;
  const endpoint = `http://127.0.0.1:${TUNNEL_PORT}/t/turn-${number}/1`;
  const kind = aKind({ name: 'codex', tool: 'codex', program, endpoint, sandbox: 'danger-full-access' });
  const launch = codex.launch({
    ...{ kind, agentFolder, cwd: `${agentFolder}/work`, promptFile: `${agentFolder}.prompt` },
    ...{ run: null, resume: null, attempt: String(number) },
  });
  const make = `mkdir -p ${agentFolder}/codex ${agentFolder}/tmp ${agentFolder}/work`;
  const run = runScript(launch.env, `${agentFolder}/work`, launch.words);
  return `${make}\nexec <${agentFolder}.prompt >${agentFolder}.out 2>${agentFolder}.err\n${run}`;
}
