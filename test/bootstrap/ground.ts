import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'vitest';
import type { Clock } from '../../controller/clock.ts';
import type { AttemptRecord } from '../../controller/node/journal.ts';
import { type Link, openLink } from '../../controller/node/link.ts';
import { loadProgram, type NodeProgram } from '../../controller/node/program.ts';
import type { ReportLine } from '../../controller/node/report.ts';
import {
  promptFile,
  removeFleet,
  runScript,
  type StartOrder,
  serveWords,
  workFolder,
} from '../../controller/node/shell.ts';
import type { Secret } from '../../controller/secret.ts';
import { openLocal } from '../../controller/transport/local.ts';
import type { Transport } from '../../controller/transport/transport.ts';
import { until } from '../rig/until.ts';
import { have } from '../support/capability.ts';

const clock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}).catch(() => {}),
};

export { until };

/** Process ids whose words or environment hold a text; a zombie runs no more. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((name) => {
      const read = (file: string) => {
        try {
          return readFileSync(`/proc/${name}/${file}`, 'utf8');
        } catch {
          return ''; // it ended meanwhile, or is not ours
        }
      };
      return read('cmdline').includes(text) || read('environ').includes(text) ? [Number(name)] : [];
    });
}

export interface NodeDifference {
  /** Where `HOME` is; a new folder that goes with the test where absent. */
  home?: string;
  fleet?: string;
  /** Words put before every command on the node. */
  before?: readonly string[];
  program?: NodeProgram;
}

export interface OrderDifference extends Partial<Omit<StartOrder, 'launch'>> {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  stdin?: 'prompt' | 'none';
  gated?: boolean;
  /** Shell line that gathers usage after the end. */
  collect?: string;
  secrets?: Readonly<Record<string, Secret>>;
}

export type TestNode = Awaited<ReturnType<typeof aNodeWith>>;

/** In a mount namespace without cgroup2: what a node without control groups sees. Needs root that may make one. */
export const WITHOUT_CGROUPS: readonly string[] =
  spawnSync('unshare', ['-m', 'true']).status === 0
    ? ['unshare', '-m', 'sh', '-c', 'umount -l -a -t cgroup2; exec "$@"', 'sh']
    : [];

/** This machine as a node with a home of its own, and a controller's side of it. All of it goes with the test. */
export async function aNodeWith(context: TestContext, different: NodeDifference = {}) {
  const home = different.home ?? (await mkdtemp(join(homedir(), '.ft-')));
  const fleet = different.fleet ?? `t${randomBytes(4).toString('hex')}`;
  const program = different.program ?? (await loadProgram());
  const transport = prefixed(
    openLocal({ PATH: process.env.PATH, HOME: home, LEAK: 'from-the-controller' }),
    different.before ?? [],
  );
  context.onTestFinished(async () => {
    await transport.run(removeFleet(fleet, program.hash, program.text));
    for (const pid of processesWith(`HOME=${home}\0`)) killIfThere(pid);
    if (different.home === undefined) await rm(home, { recursive: true, maxRetries: 20, retryDelay: 100 });
  });
  const node = { home, fleet, program, transport, root: join(home, '.miyabi', fleet) };
  return { ...node, greet: () => greet(context, node) };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // it ended by itself
  }
}

/**
 * Skips where a node has no control groups because its machine has none. One on which the rig can boot others has them:
 * there a node without is broken, and its test fails.
 */
export function needsGroups(context: TestContext, { greeting }: Pick<Link, 'greeting'>): void {
  if (greeting.cgroup) return;
  if (have('rig')) throw new Error('this machine has control groups, and the node found none');
  context.skip('this machine has no control groups');
}

/** A transport with words put before every command. */
export function prefixed(transport: Transport, before: readonly string[]): Transport {
  return {
    ...transport,
    run: (command, signal) => transport.run({ ...command, words: [...before, ...command.words] }, signal),
    open: (words, onLine) => transport.open([...before, ...words], onLine),
  };
}

export type Greeted = Awaited<ReturnType<typeof greet>>;

/** What a controller knows of a node. */
export interface NodeSide {
  fleet: string;
  root: string;
  program: NodeProgram;
  transport: Transport;
}

/** A greeted connection with what the node said on it. */
export async function greet(context: TestContext, node: NodeSide) {
  const records: AttemptRecord[] = [];
  const reports: ReportLine[] = [];
  const link: Link = await openLink(
    { fleet: node.fleet, node: 'here', transport: node.transport, program: node.program, clock, secondsMax: 20 },
    { ledger: 'ledger', machine: 'machine', epoch: 0, takeOver: false },
    { onRecord: (record) => void records.push(record), onReport: (line) => void reports.push(line) },
  );
  context.onTestFinished(() => link.close());
  const file = (attempt: string) => join(node.root, 'attempts', attempt);
  return {
    link,
    records,
    reports,
    /** The attempt's own file; what belongs to it stands beside it, with an ending. */
    file,
    order: (script: string, different: OrderDifference = {}) => orderFor(node.root, link, script, different),
    /** Begins an attempt that runs this shell text. */
    start: async (script: string, different: OrderDifference = {}) => {
      const order = orderFor(node.root, link, script, different);
      await link.start(order);
      return order.attempt;
    },
    ended: (attempt: string, msMax?: number) =>
      until(
        `the end of ${attempt}`,
        () => records.find((record) => record.is === 'end' && record.attempt === attempt),
        msMax,
      ) as Promise<Extract<AttemptRecord, { is: 'end' }>>,
    /** What an attempt has printed, once that holds a text. */
    said: (attempt: string, text: string) =>
      until(`${text} from ${attempt}`, async () => {
        const out = await readFile(`${file(attempt)}.out`, 'utf8').catch(() => '');
        return out.includes(text) && out;
      }),
    workerOf: (attempt: string) => workerOf(file(attempt)),
  };
}

async function workerOf(file: string): Promise<number> {
  return until('the worker', async () => {
    const { claimed } = await linesOf(file);
    return Number(/^worker (\d+) /.exec(claimed)?.[1] ?? 0) || undefined;
  });
}

/** What the file of an attempt says by now. */
export async function linesOf(file: string) {
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  const [lock = '', tool = '', stop = '', end = '', claimed = ''] = lines.map((line) => line.trimEnd());
  return { lock, claimed, tool, stop, end };
}

function orderFor(
  root: string,
  link: Link,
  script: string,
  { cwd, env, stdin, gated, collect, ...different }: OrderDifference,
): StartOrder {
  const attempt = different.attempt ?? randomUUID();
  const agent = different.agent ?? 1;
  const words = ['sh', '-c', script];
  return {
    attempt,
    agent,
    boot: link.greeting.boot,
    timeoutSeconds: 0,
    silenceSeconds: 0,
    tool: 'command',
    launch: { words, env: {}, stdin: stdin ?? 'prompt', gated: gated ?? false, home: null, collect: collect ?? null },
    run: runScript({ FLEET_PROMPT_FILE: promptFile(root, attempt), ...env }, cwd ?? workFolder(root, agent), words),
    prompt: '',
    secrets: {},
    ...different,
  };
}

/** The node's side of the stream without a controller's: lines in, lines out. */
export async function rawStream(context: TestContext, node: TestNode) {
  const lines: string[] = [];
  const stream = await node.transport.open(serveWords(node.fleet, node.program), (line) => void lines.push(line));
  context.onTestFinished(() => stream.close());
  return { lines, stream };
}

/** Takes every place among the starts in progress until the test ends. */
export async function fillGates(context: TestContext, root: string): Promise<void> {
  const script =
    'for n in $(seq 0 255); do exec {fd}>"$1/gate/$n"; flock -n "$fd" || exit 1; done; echo held; sleep infinity';
  const holder = spawn('bash', ['-c', script, 'bash', root], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  context.onTestFinished(() => void process.kill(-(holder.pid ?? 0), 'SIGKILL'));
  await new Promise((resolve) => holder.stdout.once('data', resolve));
}

/** The program with other limits, to see them at work within a test's time. Throws where it has none of that name. */
export async function programWith(limits: Readonly<Record<string, number>>): Promise<NodeProgram> {
  let { text } = await loadProgram();
  for (const [name, value] of Object.entries(limits)) {
    const line = new RegExp(`^${name}=\\d+`, 'm');
    if (!line.test(text)) throw new Error(`the node program has no ${name}`);
    text = text.replace(line, `${name}=${value}`);
  }
  return { text, hash: createHash('sha256').update(text).digest('hex').slice(0, 16) };
}
