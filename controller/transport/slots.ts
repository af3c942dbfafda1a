/** So many at once, the others in the order in which they came. */
export interface Slots {
  enter<T>(work: () => Promise<T>): Promise<T>;
}

export function createSlots(max: number): Slots {
  const waiting: (() => void)[] = [];
  let taken = 0;
  return {
    enter: async (work) => {
      if (taken < max) taken += 1;
      else await new Promise<void>((resolve) => void waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else taken -= 1;
      }
    },
  };
}

const HANDSHAKES_MAX = 8;
const HANDSHAKES_PER_HOST_MAX = 3;

/** Bounds what begins connections: over the fleet, and to one host, which may drop what comes at once (MaxStartups). */
export type Admission = <T>(host: string, work: () => Promise<T>) => Promise<T>;

export function createAdmission(): Admission {
  const all = createSlots(HANDSHAKES_MAX);
  const hosts = new Map<string, Slots>();
  return (host, work) => {
    const own = hosts.get(host) ?? createSlots(HANDSHAKES_PER_HOST_MAX);
    hosts.set(host, own);
    return own.enter(() => all.enter(work));
  };
}
