import { z } from 'zod';
import { toolOf } from '../agent/tools/index.ts';
import type { Fleet } from '../config/fleet.ts';
import { FleetError } from '../errors.ts';
import { requireState } from '../fleet/state.ts';
import { newId } from '../fleet/world.ts';
import { type Conversation, goOnWith, readLastConversation } from '../ledger/conversation.ts';
import { inTransaction } from '../ledger/ledger.ts';
import { readAgents, readFleetState } from '../ledger/read.ts';
import { acceptTasks } from '../ledger/tasks.ts';
import { PROMPT_BYTES_MAX, text } from '../task/task.ts';
import type { Change } from './operation.ts';
import { selectAgents } from './selector.ts';

const Input = z.object({
  agents: z.array(z.string().max(200)).min(1).max(1000),
  text: text(PROMPT_BYTES_MAX).refine((value) => value.trim() !== '', 'expected something to say'),
});
const Output = z.object({ told: z.array(z.object({ agent: z.int(), task: z.string() })) });

export const tell: Change<z.infer<typeof Input>, z.infer<typeof Output>> = {
  is: 'change',
  name: 'tell',
  summary: 'Says something to agents: the next turn of the conversation each had last, queued as a task of its own.',
  input: Input,
  output: Output,
  run: async ({ world, now }, input) => {
    requireState(await readFleetState(world.ledger), ['INITIALIZING', 'READY', 'RUNNING', 'SCALING'], 'tell');
    const agents = selectAgents(await readAgents(world.ledger), input.agents);
    const said = await Promise.all(
      agents.map(async ({ number }) => ({ number, last: await readLastConversation(world.ledger, number) })),
    );
    refuseSilent(world.fleet, said);
    const told = await inTransaction(world.ledger, async (tx) => {
      const tasks: { agent: number; task: string }[] = [];
      for (const { number, last } of said) {
        if (!last) continue;
        const task = `tell-${number}-${newId(world)}`;
        const spec = { id: task, title: `told: ${input.text.slice(0, 200)}`, prompt: input.text, kind: last.kind };
        await acceptTasks(tx, [{ ...spec, agents: [number], priority: 1 }], now);
        await goOnWith(tx, task, last);
        tasks.push({ agent: number, task });
      }
      return tasks;
    });
    world.wake();
    return { told };
  },
};

/** All or none: whoever speaks to many must know who could not hear. */
function refuseSilent(fleet: Fleet, said: readonly { number: number; last: Conversation | undefined }[]): void {
  const kinds = new Map(fleet.kinds.map((kind) => [kind.name, kind]));
  const silent = said.flatMap(({ number, last }) => {
    const kind = last && kinds.get(last.kind);
    if (!last) return [`agent ${number} had no conversation yet`];
    return kind && toolOf(kind).resumable
      ? []
      : [`agent ${number} last ran ${last.kind}, which cannot be told anything`];
  });
  if (silent.length > 0)
    throw new FleetError('unlawful', silent.slice(0, 20).join(', '), {
      hint: 'Name only agents that worked on a task with a coding tool; fleet list agents shows what there is.',
    });
}
