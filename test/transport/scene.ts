import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import type { SshAddress } from '../../controller/node/node.ts';
import type { Outcome } from '../../controller/transport/outcome.ts';
import { openNodes } from '../../controller/transport/ssh-node.ts';
import type { Transport } from '../../controller/transport/transport.ts';
import { openSshd, type Sshd, type SshdSetting } from '../rig/sshd.ts';

/** An sshd that goes with the test. */
export async function anSshd(context: TestContext, setting: SshdSetting = {}): Promise<Sshd> {
  const sshd = await openSshd(setting);
  context.onTestFinished(sshd.close);
  return sshd;
}

export function aFolder(context: TestContext): string {
  const folder = mkdtempSync(join(homedir(), '.st-'));
  context.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A transport that knows nothing of this machine's agent, and goes with the test. */
export function reach(
  context: TestContext,
  sshd: Sshd,
  different: Partial<SshAddress> = {},
  env: Readonly<Record<string, string | undefined>> = {},
): Transport {
  const surroundings = { env: { PATH: process.env.PATH, HOME: sshd.home, USER: process.env.USER, ...env } };
  const transport = openNodes(surroundings)({ kind: 'ssh', ...sshd.address, ...different });
  context.onTestFinished(() => transport.close());
  return transport;
}

export const hello = { words: ['echo', 'hello'], secondsMax: 60, bytesMax: 10_000 };

/** What a command that must not run fails with: code and whole text, hint too. */
export async function refusalOf(transport: Transport): Promise<{ code: string; text: string }> {
  const outcome = await transport.run(hello);
  if (outcome.is !== 'unreachable') throw new Error(`not refused: ${JSON.stringify(outcome)}`);
  const { code, message, hint } = outcome.failure;
  await expect(transport.open(['cat'], () => {})).rejects.toMatchObject({ code });
  return { code, text: `${message}\n${hint}` };
}

export function expectHello(outcome: Outcome): void {
  expect(outcome).toEqual({ is: 'exited', code: 0, signal: null, stdout: 'hello\n', stderr: '' });
}

/** An agent without keys; the path of its socket. It goes with the test. */
export async function anAgent(context: TestContext): Promise<string> {
  const path = join(aFolder(context), 'agent');
  const agent = spawn('ssh-agent', ['-D', '-a', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  context.onTestFinished(() => void agent.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    agent.stdout.once('data', () => resolve()); // it prints its variables when it listens
    agent.once('error', reject);
  });
  return path;
}

/** Runs a program of ssh's to its end; its output. */
export function runTool(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const [program = '', ...rest] = words;
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(program, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      output += String(chunk);
    });
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`${program}: ${output}`))));
  });
}

/** A file of known hosts that says this of the sshd: lines with `HOST` for its name. */
export function knownHosts(context: TestContext, sshd: Sshd, ...lines: readonly string[]): string {
  const path = join(aFolder(context), 'known hosts');
  writeFileSync(path, lines.map((line) => `${line.trim().replace('HOST', `[${sshd.host}]:${sshd.port}`)}\n`).join(''));
  return path;
}

/**
 * A way to an sshd that can fall silent: nothing is closed, nothing passes. It can be slow as a busy machine is: what
 * the sshd says is kept for `batchMs` and then comes at once.
 */
export async function aRelay(context: TestContext, sshd: Sshd) {
  const sockets = new Set<Socket>();
  let isSilent = false;
  let batchMs = 0;
  const server = createServer((near) => {
    const far = connect({ host: sshd.host, port: sshd.port });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      let batch: Buffer[] = [];
      const pass = () => {
        if (!isSilent && !to.destroyed) to.write(Buffer.concat(batch));
        batch = [];
      };
      from.on('data', (chunk) => {
        if (batch.push(chunk) > 1) return;
        if (batchMs === 0 || from === near) pass();
        else setTimeout(pass, batchMs);
      });
      from.on('error', () => {});
      from.on('close', () => isSilent || to.destroy());
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  context.onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const place = server.address();
  if (place === null || typeof place === 'string') throw new Error('no port');
  const path = join(aFolder(context), 'known_hosts');
  writeFileSync(path, `[127.0.0.1]:${place.port} ${sshd.hostKeys.ed25519}`);
  return {
    address: { host: '127.0.0.1', port: place.port, knownHosts: path },
    fallSilent: () => {
      isSilent = true;
    },
    batch: (ms: number) => {
      batchMs = ms;
    },
  };
}
