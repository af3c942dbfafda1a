import {
  end,
  type Folder,
  journal,
  later,
  type Machine,
  numberWord,
  type Order,
  type Worker,
  writeEnd,
} from './machine.ts';

/** Workers, tools and the sweep of a pretend machine, with the node program's own order of events. */

const GRACE_MS = 3000;
const SWEEP_MS = 1000;
const UNCLAIMED_MS = 20_000;
const WORKER_MS_MAX = 50;

/** Begins an attempt's worker, detached. */
export function work(machine: Machine, order: Order): void {
  const worker: Worker = { attempt: order.attempt, agent: order.agent, isAlive: true, tool: null };
  if (!machine.workers.get(order.attempt)?.isAlive) machine.workers.set(order.attempt, worker);
  later(machine, machine.setting.random() * WORKER_MS_MAX, () => {
    const folder = machine.folders.get(order.attempt);
    if (!worker.isAlive) return;
    if (!folder || folder.claimed) {
      worker.isAlive = false;
      return;
    }
    folder.claimed = true;
    if (order.isGated) journal(machine, `start ${order.attempt} ${numberWord(order.agent)}`);
    if (machine.hasGroups) killRest(machine, order.agent);
    machine.workers.set(order.attempt, worker);
    if (folder.stop === null) runTool(machine, worker, folder);
    else finish(machine, worker, 0);
  });
}

function runTool(machine: Machine, worker: Worker, folder: Folder): void {
  const { clock, name } = machine.setting;
  const { order } = folder;
  const behaviour = machine.setting.script(order);
  const { attempt, task, agent } = order;
  const beganAt = clock.monotonic();
  const execution = { node: name, attempt, task, agent, beganAt, endedAt: null, end: 'running' as const, exit: null };
  machine.executions.push(execution);
  worker.tool = { execution, behaviour };
  folder.began = true;
  folder.out = behaviour.first;
  later(machine, behaviour.ms, () => {
    if (worker.tool?.execution.endedAt !== null) return;
    folder.out += behaviour.last;
    folder.err = behaviour.err;
    folder.usage = behaviour.usage;
    toolEnded(machine, worker, 'itself', behaviour.exit);
  });
  const limits = machine.open.get(attempt);
  if (!limits) return;
  if (limits.limitSeconds > 0) later(machine, limits.limitSeconds * 1000, () => askToEnd(machine, attempt, 'timeout'));
  if (limits.silenceSeconds > 0 && !behaviour.talks)
    later(machine, limits.silenceSeconds * 1000, () => askToEnd(machine, attempt, 'silent'));
}

function toolEnded(machine: Machine, worker: Worker, how: 'itself' | 'killed', exit: number): void {
  if (!worker.tool) return;
  end(worker.tool.execution, machine.setting.clock.monotonic(), how, exit);
  later(machine, machine.setting.random() * WORKER_MS_MAX, () => finish(machine, worker, exit));
}

function finish(machine: Machine, worker: Worker, exit: number): void {
  if (!worker.isAlive) return;
  worker.isAlive = false;
  const { clock } = machine.setting;
  const began = worker.tool?.execution.beganAt ?? clock.monotonic();
  const seconds = Math.floor((clock.monotonic() - began) / 1000);
  const stop = machine.folders.get(worker.attempt)?.stop ?? '-';
  writeEnd(machine, worker.attempt, endRecord(machine, worker, `exited ${exit} ${seconds} ${stop}`));
}

function endRecord(machine: Machine, { attempt, agent }: { attempt: string; agent: number }, rest: string): string {
  const { out = '', err = '', usage = '' } = machine.folders.get(attempt) ?? {};
  return `end ${attempt} ${numberWord(agent)} ${rest} ${out + err + usage === '' ? 'none' : 'some'}`;
}

/** Nothing that an agent's attempts began outlives this. */
function killRest(machine: Machine, agent: number): void {
  for (const worker of machine.workers.values()) {
    if (worker.agent === agent) killTool(machine, worker.attempt);
  }
}

/** The first reason given stays. A tool that does not listen is killed by the sweep. */
export function askToEnd(machine: Machine, attempt: string, reason: string): void {
  const folder = machine.folders.get(attempt);
  const worker = machine.workers.get(attempt);
  if (!folder || (folder.claimed && !worker?.isAlive)) return;
  folder.stop ??= reason;
  if (worker?.tool?.behaviour.listens) later(machine, 20, () => endTool(machine, worker, 143));
  later(machine, GRACE_MS + nextSweep(machine), () => killTool(machine, attempt));
}

/** Ms until the sweep comes by. */
function nextSweep({ setting, sweepLagMs }: Machine): number {
  return setting.random() * SWEEP_MS + sweepLagMs;
}

function endTool(machine: Machine, worker: Worker, exit: number): void {
  if (worker.tool?.execution.endedAt === null) toolEnded(machine, worker, 'killed', exit);
}

/** Somebody kills the tool. */
export function killTool(machine: Machine, attempt: string): void {
  const worker = machine.workers.get(attempt);
  if (worker) endTool(machine, worker, 137);
}

/** Somebody kills the worker: its tool works on until the sweep notices. */
export function killWorker(machine: Machine, attempt: string): void {
  const worker = machine.workers.get(attempt);
  if (!worker?.isAlive) return;
  worker.isAlive = false;
  const claimed = machine.folders.get(attempt)?.claimed ?? false;
  later(machine, claimed ? nextSweep(machine) : UNCLAIMED_MS, () => giveUp(machine, attempt));
}

/** An order that was written down but whose worker was never begun is given up by the sweep. */
export function sweepUnclaimed(machine: Machine, attempt: string): void {
  later(machine, UNCLAIMED_MS, () => {
    if (!machine.workers.get(attempt)?.isAlive) giveUp(machine, attempt);
  });
}

/** Somebody removes an attempt's folder: its claim is gone, and the sweep gives it up. */
export function wipe(machine: Machine, attempt: string): void {
  const folder = machine.folders.get(attempt);
  if (!folder) return;
  machine.folders.delete(attempt);
  later(machine, UNCLAIMED_MS + machine.sweepLagMs, () => giveUp(machine, attempt, folder.order));
}

function giveUp(machine: Machine, attempt: string, wiped?: Order): void {
  const known = machine.open.get(attempt);
  if (!known || machine.folders.get(attempt)?.end) return;
  killTool(machine, attempt);
  if (wiped && !machine.folders.has(attempt))
    machine.folders.set(attempt, { ...emptyFolder(wiped), claimed: true, began: true });
  const folder = machine.folders.get(attempt);
  if (!folder) return;
  const how = folder.claimed || folder.began ? 'lost' : 'never';
  folder.claimed = true;
  writeEnd(machine, attempt, endRecord(machine, { attempt, agent: known.agent }, `${how} - 0 ${folder.stop ?? '-'}`));
}

export function emptyFolder(order: Order): Folder {
  return { order, claimed: false, began: false, stop: null, end: '', out: '', err: '', usage: '' };
}

/** What ran before a reboot does not run any more: said once, before anything else. */
export function endFormerBoots(machine: Machine): void {
  if (machine.bootSeen !== '' && machine.bootSeen !== machine.boot) {
    for (const [attempt, { agent }] of machine.open) {
      if (machine.folders.get(attempt)?.end) continue;
      if (!machine.folders.has(attempt)) wipedBefore(machine, attempt, agent);
      writeEnd(machine, attempt, endRecord(machine, { attempt, agent }, 'lost - 0 -'));
    }
  }
  machine.bootSeen = machine.boot;
}

function wipedBefore(machine: Machine, attempt: string, agent: number): void {
  const order: Order = { attempt, agent, task: '', tool: '', isGated: false, prompt: '', resumes: null };
  machine.folders.set(attempt, { ...emptyFolder(order), claimed: true, began: true });
}
