import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machine, openRig, type Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import { findCodex } from './codex.ts';
import { type Begun, begin } from './process.ts';

/**
 * Seven machines that boot, on this one. Homes have disks of their own: the overlay below the rest of a machine makes
 * small files dearer than they are anywhere else.
 */
export interface Ground extends AsyncDisposable {
  rig: Rig;
  hosts: readonly Host[];
  /** For everybody who logs in. */
  sshConfig: string;
  /** The environment of everything measured. */
  env: Readonly<Record<string, string>>;
  /** On a real disk; goes with the machines. */
  folder: string;
  /** Path of the real Codex CLI on every machine; undefined where this machine has none. */
  codex: string | undefined;
  /** Microseconds of CPU that everything in all machines has used. */
  cpuUsed(): Promise<number>;
}

export interface Host {
  name: string;
  machine: Machine;
  /** Agents that are its part of AGENTS. */
  slots: number;
  /** Its home and its /proc as reached from here, past its network. */
  home: string;
  proc: string;
  /** Its group of cgroup v2, here. */
  group: string;
}

export const AGENTS = 200;
export const MACHINES = 7;
const DISK_MIB = 2048;

export async function openGround(): Promise<Ground> {
  const codex = await findCodex();
  const names = Array.from({ length: MACHINES }, (_, index) => `node${index + 1}`);
  const rig = await openRig({
    machines: names.map((name) => ({ name, diskMiB: DISK_MIB })),
    binds: codex ? [codex.bind] : [],
  });
  try {
    const folder = join(rig.folder, 'bench');
    await mkdir(join(folder, 'home'), { recursive: true });
    const slots = share(AGENTS, MACHINES);
    const hosts = await Promise.all(rig.machines.map((machine, index) => hostOf(rig, machine, slots[index] ?? 0)));
    const env = {
      HOME: join(folder, 'home'),
      PATH: process.env.PATH ?? '',
      TZ: 'UTC',
      LANG: 'C.UTF-8',
    };
    const logins = await Promise.all(hosts.map((host) => logIn(rig, host, env)));
    return {
      ...{ rig, hosts, sshConfig: rig.sshConfig, env, folder, codex: codex?.program },
      cpuUsed: async () => (await Promise.all(hosts.map(({ group }) => cpuOf(group)))).reduce((sum, us) => sum + us, 0),
      async [Symbol.asyncDispose]() {
        for (const login of logins) login.signal('SIGTERM');
        await rig[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
}

/** `count` in so many parts that differ by one at most. */
export function share(count: number, parts: number): readonly number[] {
  return Array.from({ length: parts }, (_, index) => Math.floor(count / parts) + (index < count % parts ? 1 : 0));
}

async function hostOf(rig: Rig, machine: Machine, slots: number): Promise<Host> {
  const folder = join(rig.folder, 'machines', machine.name);
  const nspawn = (await readFile(join(folder, 'nspawn.pid'), 'utf8')).trim();
  const [leader] = (await readFile(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8')).trim().split(' ');
  const root = `/proc/${leader}/root`;
  const [group = ''] = (await readFile(join(folder, 'groups'), 'utf8')).split('\n');
  return { name: machine.name, machine, slots, home: root + machine.home, proc: `${root}/proc`, group };
}

/**
 * Somebody stays logged in on every machine: else systemd there begins and ends the user's manager between two rounds,
 * and whoever comes first after its end pays for it.
 */
async function logIn(rig: Rig, { name }: Host, env: Ground['env']): Promise<Begun> {
  const words = ['ssh', '-n', '-F', rig.sshConfig, name, 'echo in; exec sleep infinity'];
  const login = begin(words, { env, cwd: rig.folder, msMax: 2 ** 31 - 1 });
  await until(`a login on ${name}`, () => login.said().out.includes('in'), 20_000);
  return login;
}

/** Microseconds of CPU that a group and all below it have used. */
export async function cpuOf(group: string): Promise<number> {
  const text = await readFile(join(group, 'cpu.stat'), 'utf8');
  return Number(/^usage_usec (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

/** Writes a file in every machine's home, as its user. */
export async function writeAll(ground: Ground, path: string, text: string): Promise<void> {
  for (const { home } of ground.hosts) await writeFile(join(home, path), text, { mode: 0o755 });
}

/** Runs a line in every machine, as its user, past SSH; gives what each printed. */
export async function execAll(ground: Ground, script: string): Promise<readonly string[]> {
  return Promise.all(
    ground.hosts.map(async ({ name, machine }) => {
      const { code, stdout, stderr } = await machine.exec(['bash', '-c', script], { user: machine.user });
      if (code !== 0) throw new Error(`${name}: ${script} ended with ${code}: ${stderr.slice(-300)}`);
      return stdout;
    }),
  );
}
