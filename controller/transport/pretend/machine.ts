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

interface Folder {
  order: Order;
  claimed: boolean;
  began: boolean;
  stop: string | null;
  end: string;
  out: string;
  err: string;
  usage: string;
}

interface Worker {
  attempt: string;
  agent: number;
  isAlive: boolean;
  tool: { execution: Execution; behaviour: Behaviour } | null;
}

export interface Machine {
  readonly setting: MachineSetting;
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
  /** Ends the conversation that now drives the machine. */
  endServer: (() => void) | null;
  isDiskFull: boolean;
  hasTmux: boolean;
}

const GRACE_MS = 3000;
const SWEEP_MS = 1000;
const UNCLAIMED_MS = 20_000;
const WORKER_MS_MAX = 50;

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
    endServer: null,
    isDiskFull: false,
    hasTmux: true,
  };
  reboot(machine);
  return machine;
}

/** Does `act` after `ms`, unless the machine was rebooted meanwhile. */
export function later({ setting, life, ...rest }: Machine, ms: number, act: () => void, of: Machine): void {
  void rest;
  if (Number.isFinite(ms)) void setting.clock.sleep(ms).then(() => (of.life === life ? act() : undefined));
}
