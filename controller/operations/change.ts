import { z } from 'zod';
import { FleetError } from '../errors.ts';
import { requireState } from '../fleet/state.ts';
import { stopAttempts } from '../ledger/attempts.ts';
import { inTransaction } from '../ledger/ledger.ts';
import { readHolder } from '../ledger/lock.ts';
import { readAgents, readFleetState } from '../ledger/read.ts';
import { moveFleet, pauseAgents } from '../ledger/sights.ts';
import { cancelTasks, retryTasks } from '../ledger/tasks.ts';
import { Name } from '../task/task.ts';
import type { Change, Holding } from './operation.ts';
import { selectAgents } from './selector.ts';

const Tasks = z.object({ tasks: z.array(Name).min(1).max(100_000) });
const Agents = z.object({ agents: z.array(z.string().max(200)).min(1).max(1000) });
const Numbers = z.object({ agents: z.array(z.int()) });

const Cancelled = z.object({
  cancelled: z.array(z.string()),
  stopping: z.array(z.string()),
  ended: z.array(z.string()),
});

export const cancel: Change<z.infer<typeof Tasks>, z.infer<typeof Cancelled>> = {
  is: 'change',
  name: 'cancel',
  summary: 'Cancels tasks: what waits at once, what runs as soon as its node has ended it.',
  input: Tasks,
  output: Cancelled,
  run: async ({ world, now }, { tasks }) => {
    const result = await inTransaction(world.ledger, (tx) => cancelTasks(tx, tasks, now));
    world.wake();
    return result;
  },
};

const Retry = Tasks.extend({
  /** A person's word that what may still run of them, on a node that is not heard, is dead. */
  assumeDead: z.boolean().default(false),
});
const Retried = z.object({ queued: z.array(z.string()) });

export const retry: Change<z.infer<typeof Retry>, z.infer<typeof Retried>> = {
  is: 'change',
  name: 'retry',
  summary: 'Tries failed, cancelled or parked tasks again, with fresh counters.',
  input: Retry,
  output: Retried,
  run: async ({ world, now }, { tasks, assumeDead }) => {
    const queued = await inTransaction(world.ledger, (tx) => retryTasks(tx, tasks, now, assumeDead));
    world.wake();
    return { queued };
  },
};

async function numbersOf({ world }: Holding, words: readonly string[]): Promise<number[]> {
  return selectAgents(await readAgents(world.ledger), words).map(({ number }) => number);
}

function pausing(name: 'pause' | 'resume', summary: string): Change<z.infer<typeof Agents>, z.infer<typeof Numbers>> {
  return {
    is: 'change',
    name,
    summary,
    input: Agents,
    output: Numbers,
    run: async (holding, { agents }) => {
      const numbers = await numbersOf(holding, agents);
      await inTransaction(holding.world.ledger, (tx) => pauseAgents(tx, numbers, name === 'pause', holding.now));
      holding.world.wake();
      return { agents: numbers };
    },
  };
}

export const pause = pausing('pause', 'Gives agents no new task; what they do goes on to its end.');
export const resume = pausing('resume', 'Gives paused agents tasks again.');

export const restart: Change<z.infer<typeof Agents>, z.infer<typeof Numbers>> = {
  is: 'change',
  name: 'restart',
  summary: 'Ends what agents do and begins it again, in the same conversation where the tool can.',
  input: Agents,
  output: Numbers,
  run: async (holding, { agents }) => {
    const numbers = await numbersOf(holding, agents);
    await inTransaction(holding.world.ledger, (tx) => stopAttempts(tx, { agents: numbers }, 'restarted', holding.now));
    holding.world.wake();
    return { agents: numbers };
  },
};

const Stop = z.object({
  mode: z.enum(['drain', 'now']),
  /** Which controller is meant, by when it began: one that comes later must not be stopped by an old wish. */
  since: z.string().optional(),
});
const Stopping = z.object({ state: z.literal('DRAINING'), ending: z.int() });

export const stop: Change<z.infer<typeof Stop>, z.infer<typeof Stopping>> = {
  is: 'change',
  name: 'stop',
  summary:
    'Ends the fleet: drain lets running attempts finish, now ends them (their tasks stay queued for the next start).',
  input: Stop,
  output: Stopping,
  run: async ({ world, now }, { mode, since }) => {
    const holder = await readHolder(world.fleet.stateFolder);
    if (since !== undefined && holder && holder.since !== since)
      throw new FleetError('unlawful', `that stop was meant for the controller that began ${since}`, {
        hint: 'Another one runs now: fleet stop ends it.',
      });
    requireState(
      await readFleetState(world.ledger),
      ['INITIALIZING', 'READY', 'RUNNING', 'SCALING', 'DRAINING'],
      'stop',
    );
    const ending = await inTransaction(world.ledger, async (tx) => {
      await moveFleet(tx, 'DRAINING', now);
      return mode === 'now' ? stopAttempts(tx, { all: true }, 'shutdown', now) : [];
    });
    world.wake();
    return { state: 'DRAINING' as const, ending: ending.length };
  },
};

const Nothing = z.object({});
const Reloaded = z.object({ agents: z.union([z.int(), z.literal('auto')]), nodes: z.int() });

export const reload: Change<z.infer<typeof Nothing>, z.infer<typeof Reloaded>> = {
  is: 'change',
  name: 'reload',
  summary: 'Reads the fleet file again. A bad file changes nothing.',
  input: Nothing,
  output: Reloaded,
  run: async ({ world, now, reload: readAgain }) => {
    requireState(await readFleetState(world.ledger), ['READY', 'RUNNING', 'SCALING'], 'reload');
    const fleet = await readAgain();
    await inTransaction(world.ledger, (tx) => moveFleet(tx, 'SCALING', now));
    world.wake();
    return { agents: fleet.agents.count, nodes: fleet.nodes.length };
  },
};
