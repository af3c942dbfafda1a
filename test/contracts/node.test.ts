import { type Behaviour, createPretendNode, type Order } from '../../controller/transport/pretend.ts';
import { createClock } from '../support/clock.ts';
import { type Bench, describeNode } from './node.ts';

const BEHAVIOURS: Readonly<Record<string, Partial<Behaviour>>> = {
  quick: { last: 'hello\n' },
  fails: { exit: 3, err: 'oh\n' },
  endless: { ms: Number.POSITIVE_INFINITY },
  deaf: { ms: Number.POSITIVE_INFINITY, listens: false },
};

function script(order: Order): Behaviour {
  const plain = { ms: 30, exit: 0, first: '', last: '', err: '', usage: '', talks: true, listens: true };
  return { ...plain, ...BEHAVIOURS[order.prompt] };
}

async function openBench(): Promise<Bench> {
  const clock = createClock();
  const node = createPretendNode({ name: 'n', clock, random: () => 0.5, script, vcpu: 2, memoryKiB: 2 ** 22 });
  let isOpen = true;
  const goOn = async () => {
    while (isOpen) await clock.advance(1);
  };
  void goOn();
  return {
    transport: node.transport,
    clock,
    program: { text: 'pretend', hash: '0123456789abcdef' },
    until: async (is, seconds) => {
      const limit = clock.monotonic() + seconds * 1000;
      while (!is()) {
        if (clock.monotonic() > limit) throw new Error(`not so after ${seconds} s: ${String(is)}`);
        await clock.settle();
      }
    },
    runs: (attempt) => node.machine.executions.filter((execution) => execution.attempt === attempt).length,
    wipe: async (attempt) => node.wipe(attempt),
    close: async () => {
      isOpen = false;
    },
  };
}

describeNode('a pretend node', openBench);
