import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kind } from '../../../controller/agent/agent.ts';
import type { Evidence, Launch, Reading, Tool } from '../../../controller/agent/tools/tool.ts';
import { routePrefix } from '../../../controller/rehearsal/book.ts';
import { type RehearsalModel, startRehearsalModel } from '../../../controller/rehearsal/model.ts';
import type { Scenario } from '../../../controller/rehearsal/scenario.ts';
import type { Usage } from '../../../controller/task/attempt.ts';
import { shellLine } from '../../../controller/transport/command.ts';
import { until } from '../../rig/until.ts';
import { evidence, order } from './evidence.ts';

const ATTEMPT_MS_MAX = 60_000;

export interface Try {
  kind?: Partial<Kind>;
  task: string;
  ordinal?: number;
  prompt: string;
  resume?: string | null;
  attempt?: string;
  /** Killed with all it began once it has said this. */
  killedAt?: string;
  /** Variables that a node would add from its file of secrets. */
  secrets?: Readonly<Record<string, string>>;
}

export interface Tried {
  launch: Launch;
  evidence: Evidence;
  reading: Reading;
}

/** An agent with folders of its own and a stand-in for the model, run as a node runs an agent: one shell script. */
export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), 'fleet-tools-'));
  readonly agentFolder = join(this.folder, "agent's 007");
  /** Bodies of the requests that the model was sent, in order. */
  readonly bodies: string[] = [];
  readonly #tool: Tool;
  readonly #program: string;
  #model: RehearsalModel | undefined;
  #close: () => void = () => {};
  #url = '';
  #tries = 0;

  constructor(tool: Tool, program: string) {
    this.#tool = tool;
    this.#program = program;
    mkdirSync(join(this.folder, 'work'));
    mkdirSync(this.agentFolder);
  }

  async begin(scenario: Scenario): Promise<this> {
    const clock = {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: async (ms: number) => sleep(ms),
    };
    this.#model = await startRehearsalModel({ scenario, clock, seed: 1, thinkMs: { min: 1, max: 5 } });
    const target = this.#model.url;
    const server = createServer((incoming, outgoing) => {
      const chunks: Buffer[] = [];
      const { method, headers, url = '/' } = incoming;
      const onward = request(`${target}${url}`, { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.on('error', () => outgoing.destroy()).pipe(outgoing);
      }).on('error', () => outgoing.destroy());
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => this.bodies.push(Buffer.concat(chunks).toString('utf8')));
      incoming.pipe(onward);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#close = () => {
      server.closeAllConnections();
      server.close();
    };
    return this;
  }

  async end(): Promise<void> {
    this.#close();
    await this.#model?.close();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** What the model served to its last byte for a task, in the shape of a reading's usage. */
  served(task: string): Usage[] {
    return (this.#model?.served() ?? []).filter((served) => served.task === task).map((served) => served.usage);
  }

  launchOf({ kind, task, ordinal = 1, resume = null, attempt }: Try): Launch {
    const endpoint = `${this.#url}${routePrefix(task, ordinal)}`;
    const cwd = join(this.folder, 'work');
    const promptFile = join(this.folder, 'prompt');
    const full = { tool: this.#tool.name, program: this.#program, sandbox: 'danger-full-access', endpoint, ...kind };
    const rest = { agentFolder: this.agentFolder, cwd, promptFile, resume };
    return this.#tool.launch(order(full, attempt === undefined ? rest : { ...rest, attempt }));
  }

  async run(attempt: Try): Promise<Tried> {
    const launch = this.launchOf(attempt);
    const place = join(this.folder, `attempt-${++this.#tries}`);
    mkdirSync(place);
    const [prompt, since, script] = ['prompt', 'since', 'script'].map((name) => join(place, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(prompt, attempt.prompt);
    writeFileSync(since, '');
    const env = { ...launch.env, ...attempt.secrets, PATH: process.env.PATH ?? '', HOME: this.folder };
    const words = ['env', '-i', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...launch.words];
    writeFileSync(script, `cd ${shellLine([join(this.folder, 'work')])} || exit 99\nexec ${shellLine(words)}\n`);
    const ended = await runScript(script, prompt, place, attempt.killedAt);
    const collected = execFileSync('sh', ['-c', launch.collect ?? ''], { env: { ...process.env, FLEET_SINCE: since } });
    const [out, err] = ['out', 'err'].map((name) => readFileSync(join(place, name), 'utf8')) as [string, string];
    const seen = evidence({ ...ended, out, err, usage: collected.toString('utf8') });
    return { launch, evidence: seen, reading: this.#tool.read(seen) };
  }
}

async function runScript(
  script: string,
  prompt: string,
  place: string,
  killedAt?: string,
): Promise<Pick<Evidence, 'exit' | 'signal'>> {
  const files = [openSync(prompt, 'r'), openSync(join(place, 'out'), 'w'), openSync(join(place, 'err'), 'w')];
  const child = spawn('sh', [script], { stdio: files, detached: true });
  for (const file of files) closeSync(file);
  const group = -(child.pid ?? 0);
  const limit = setTimeout(() => process.kill(group, 'SIGKILL'), ATTEMPT_MS_MAX);
  const ended = once(child, 'exit');
  if (killedAt !== undefined) {
    await until(killedAt, () => readFileSync(join(place, 'out'), 'utf8').includes(killedAt));
    process.kill(group, 'SIGKILL');
  }
  const [exit, signal] = (await ended) as [number | null, string | null];
  clearTimeout(limit);
  return { exit, signal: signal === null ? null : signal === 'SIGKILL' ? 9 : 15 };
}

export const byResponse = (usage: readonly Usage[]) => usage.toSorted((a, b) => a.response.localeCompare(b.response));

/** Everything a shell, a template or an option parser could stumble on, again and again to about 100 KB. */
export function nastyText(): string {
  const part = `-dash first\n--bad 'q' "dq" $(touch pwned) \`id\` \\n \\ 日本語 \${HOME} \r\n\ttab \u2028 é 🎌 %s !! #\n`;
  return `${part.repeat(Math.ceil(100_000 / Buffer.byteLength(part)))}no newline at the end`;
}
