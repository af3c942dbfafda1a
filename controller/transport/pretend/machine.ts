import type { Clock } from '../../clock.ts';

/** A machine with the node program's files and processes, in memory. What runs on it is counted, so tests can prove. */

export interface MachineSetting {
  name: string;
  clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
  /** Decides what an attempt does once its tool runs. */
  script(order: Order): Behaviour;
  vcpu: number;
  memoryKiB: number;
}

/** What was sent to be run. */
export interface Order {
  attempt: string;
  agent: number;
  /** By the environment that the run script sets; empty where it sets none. */
  task: string;
  tool: string;
  isGated: boolean;
  prompt: string;
  /** Conversation that is gone on with. */
  resumes: string | null;
}

export interface Behaviour {
  /** How long it works, in ms; infinite: until it is ended. */
  ms: number;
  exit: number;
  /** Output at its beginning, and just before it ends by itself. */
  first: string;
  last: string;
  err: string;
  usage: string;
  /** Prints while it works; else silence counts from its beginning. */
  talks: boolean;
  /** Ends when asked to; else it has to be killed. */
  listens: boolean;
}

/** A tool that really ran: times are monotonic ms. */
export interface Execution {
  node: string;
  attempt: string;
  task: string;
  agent: number;
  beganAt: number;
  endedAt: number | null;
  end: 'running' | 'itself' | 'killed';
  exit: number | null;
}

export interface Folder {
  order: Order;
  claimed: boolean;
  began: boolean;
  stop: string | null;
  end: string;
  out: string;
  err: string;
  usage: string;
}

export interface Worker {
  attempt: string;
  agent: number;
  isAlive: boolean;
  tool: { execution: Execution; behaviour: Behaviour } | null;
}

/** What a controller was obeyed in, in order. */
export interface Deed {
  verb: 'hello' | 'start' | 'stop';
  /** Empty for a greeting. */
  attempt: string;
  /** Which controller's way it came by. */
  from: string;
  /** Who owned the machine before. */
  owner: string;
}

export interface Machine {
  readonly setting: MachineSetting;
  /** Empty: its folder was never there, or is gone. */
  owner: string;
  epoch: number;
  boot: string;
  bootSeen: string;
  /** Grows at each reboot: what was under way before is dead. */
  life: number;
  readonly locks: Map<string, string>;
  readonly open: Map<string, { agent: number; limitSeconds: number; silenceSeconds: number }>;
  readonly folders: Map<string, Folder>;
  readonly workers: Map<string, Worker>;
  readonly sessions: Set<string>;
  /** Pumps of the conversations now open. */
  readonly listeners: Set<(line: string) => void>;
  readonly executions: Execution[];
  readonly deeds: Deed[];
  /** Ends the conversation that now drives the machine. */
  endServer: (() => void) | null;
  isDiskFull: boolean;
  hasTmux: boolean;
  /** Control groups own processes: what an earlier attempt of an agent left ends when the next one begins. */
  hasGroups: boolean;
  hasProgram: boolean;
  /** By how much the sweep is late, in ms. */
  sweepLagMs: number;
  /** Monotonic ms until which lines of the journal are lost. */
  muteUntil: number;
  /** Where the next line of the journal is cut; null: nowhere. */
  tornAt: number | null;
}

export function createMachine(setting: MachineSetting): Machine {
  const machine: Machine = {
    setting,
    owner: '',
    epoch: 0,
    boot: '',
    bootSeen: '',
    life: 0,
    locks: new Map(),
    open: new Map(),
    folders: new Map(),
    workers: new Map(),
    sessions: new Set(),
    listeners: new Set(),
    executions: [],
    deeds: [],
    endServer: null,
    isDiskFull: false,
    hasTmux: true,
    hasGroups: true,
    hasProgram: true,
    sweepLagMs: 0,
    muteUntil: 0,
    tornAt: null,
  };
  reboot(machine);
  return machine;
}

/** Does `act` after `ms`, unless the machine was rebooted meanwhile. Infinite: never. */
export function later(machine: Machine, ms: number, act: () => void): void {
  const { life } = machine;
  if (!Number.isFinite(ms)) return;
  void machine.setting.clock.sleep(ms).then(() => {
    if (machine.life === life) act();
  });
}

/** Everything that runs is gone, every file stays; the boot id is a new one. */
export function reboot(machine: Machine): void {
  const { clock, random } = machine.setting;
  for (const worker of machine.workers.values()) {
    if (worker.tool?.execution.endedAt === null) end(worker.tool.execution, clock.monotonic(), 'killed', null);
  }
  machine.workers.clear();
  machine.sessions.clear();
  machine.listeners.clear();
  machine.endServer?.();
  machine.endServer = null;
  machine.life += 1;
  machine.boot = `boot-${machine.life}-${Math.floor(random() * 1e9)}`;
}

/** Its folder is removed as a whole. What runs goes on, unknown to everybody; whoever greets next is the owner. */
export function wipeHome(machine: Machine): void {
  for (const files of [machine.locks, machine.open, machine.folders, machine.sessions]) files.clear();
  Object.assign(machine, { owner: '', epoch: 0, bootSeen: '', hasProgram: false });
}

export function end(execution: Execution, at: number, how: 'itself' | 'killed', exit: number | null): void {
  Object.assign(execution, { endedAt: at, end: how, exit });
}

/** One line for every conversation that listens; what nobody hears is in the folders. */
export function journal(machine: Machine, line: string): void {
  if (machine.setting.clock.monotonic() < machine.muteUntil) return;
  const told = line.slice(0, machine.tornAt ?? line.length);
  machine.tornAt = null;
  for (const listen of machine.listeners) listen(told);
}

/** The file of a folder that somebody removed cannot be written; the journal can. */
export function writeEnd(machine: Machine, attempt: string, record: string): void {
  const folder = machine.folders.get(attempt);
  if (folder) folder.end = record;
  journal(machine, record);
}

/** `007`: how the node program spells an agent. */
export function numberWord(agent: number): string {
  return String(agent).padStart(3, '0');
}
