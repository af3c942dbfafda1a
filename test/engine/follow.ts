import { setTimeout as delay } from 'node:timers/promises';
import type { Machine, Rig } from '../rig/rig.ts';
import type { Cloud, Instance } from './cloud.ts';

const LOOK_MS = 300;

/** Machines of a rig that are what a cloud says of instances of their name: on while those run, else off. */
export interface Following extends AsyncDisposable {
  /** Throws what went wrong since it began. */
  check(): void;
  /** Ends it; throws what went wrong meanwhile. */
  [Symbol.asyncDispose](): Promise<void>;
}

export function follow(cloud: Cloud, rig: Rig): Following {
  const ending = new AbortController();
  const going = (async () => {
    const told = new Set<string>();
    while (!ending.signal.aborted) {
      const instances = await cloud.instances();
      await Promise.all(rig.machines.map(async (machine) => followOne(rig, machine, instances, told)));
      await delay(LOOK_MS, undefined, { signal: ending.signal }).catch(() => {});
    }
  })();
  let wrong: Error | undefined;
  going.catch((error: unknown) => {
    wrong = error instanceof Error ? error : new Error(String(error)); // told by whoever asks, or ends it
  });
  return {
    check: () => {
      if (wrong) throw wrong;
    },
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await going;
    },
  };
}

async function followOne(rig: Rig, machine: Machine, instances: readonly Instance[], told: Set<string>): Promise<void> {
  const { name, address } = machine;
  const [instance] = instances.filter((one) => one.name === name && one.state !== 'terminated');
  if (instance?.state === 'running' && !machine.isOn) {
    if (!told.has(instance.id))
      await rig.metadata.tell(address, { instanceId: instance.id, name, userData: instance.userData });
    told.add(instance.id);
    await machine.powerOn();
  } else if (machine.isOn && (instance === undefined || ['stopping', 'stopped'].includes(instance.state))) {
    await machine.powerOff();
  }
}
