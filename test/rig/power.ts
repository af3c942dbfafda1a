import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import { until } from './until.ts';

const SCRIPT = join(import.meta.dirname, 'machine.sh');
const OFF_MS_MAX = 60_000;
const LOG_CHARS_SHOWN = 2_000;

export interface PowerOrder {
  /** Folder of the machine in its run: its disk, its groups, its console's log. */
  folder: string;
  image: string;
  /** Words of systemd-nspawn that make it this machine. */
  words: readonly string[];
  /** Group of this machine's supervisors in cgroup v2, which the end of the run ends. */
  supervisors: string;
}

/** The switch of one machine. */
export class Power {
  readonly #order: PowerOrder;
  #supervisor: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(order: PowerOrder) {
    this.#order = order;
  }

  get isOn(): boolean {
    return this.#supervisor !== undefined;
  }

  /** Done when the machine begins to boot. Does nothing where it is on. */
  async on(): Promise<void> {
    if (this.isOn) return;
    const { folder, image, words } = this.#order;
    const log = openSync(join(folder, 'console.log'), 'a');
    const inOwnNamespace = ['--mount', '--propagation', 'private', 'bash', SCRIPT, folder, image, ...words];
    // In a session of its own: what ends this process from a terminal must not cut the power of machines.
    const child = spawn('unshare', inOwnNamespace, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#supervisor = child;
    this.#ended = new Promise((resolve) => {
      const settle = (): void => {
        this.#supervisor = undefined;
        resolve();
      };
      child.once('exit', settle);
      child.once('error', settle);
    });
    if (child.pid !== undefined) await writeFile(join(this.#order.supervisors, 'cgroup.procs'), String(child.pid));
  }

  /** Process id, here, of the machine's first process; undefined while there is none. */
  async leader(): Promise<number | undefined> {
    const nspawn = (await readFile(join(this.#order.folder, 'nspawn.pid'), 'utf8').catch(() => '')).trim();
    if (nspawn === '') return undefined;
    const children = await readFile(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8').catch(() => '');
    const leader = Number(children.trim().split(' ')[0]);
    return leader > 0 && isFirstInside(leader) ? leader : undefined;
  }

  /** Asks the machine to go off, and waits until it has let go of its disk. */
  async off(): Promise<void> {
    const leader = await this.leader();
    if (leader !== undefined) await run(['kill', '-s', 'RTMIN+4', String(leader)]);
    await this.whenOff();
  }

  /** Ends everything in the machine at once. */
  async cut(): Promise<void> {
    const group = readFileSync(join(this.#order.folder, 'groups'), 'utf8').split('\n')[0] ?? '';
    if (this.isOn && existsSync(group)) await writeFile(join(group, 'cgroup.kill'), '1');
    await this.whenOff();
  }

  /** Throws with the end of its console when it is still on after a minute. */
  async whenOff(): Promise<void> {
    try {
      await until('the machine is off', () => !this.isOn, OFF_MS_MAX);
    } catch (error) {
      throw new Error(`the machine did not go off; its console says: ${this.console()}`, { cause: error });
    }
    await this.#ended;
  }

  /** The end of what the machine and those who boot it said. */
  console(): string {
    const read = (name: string): string => {
      const path = join(this.#order.folder, name);
      return existsSync(path) ? readFileSync(path, 'utf8').slice(-LOG_CHARS_SHOWN) : '';
    };
    return `${read('mount.log')}\n${read('console.log')}`.trim();
  }
}

/** nspawn has other children for moments; only one is number 1 where it lives. */
function isFirstInside(pid: number): boolean {
  try {
    return /^NSpid:.*\s1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false; // it ended meanwhile
  }
}
