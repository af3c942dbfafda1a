/** A process as the kernel sees it: it runs, is stopped (SIGSTOP), or is gone. */
export interface Life {
  readonly is: 'alive' | 'frozen' | 'dead';
  /** Gives the value when the process runs; never when it is gone. */
  pass<T>(value: T): Promise<T>;
  /** Does it now, or when the process runs again, in order; never when it is gone. */
  act(deed: () => void): void;
  freeze(): void;
  /** Its timers come first, as in a real one; then what came in and went out meanwhile. `settle`: lets the timers run. */
  thaw(settle: () => Promise<void>): Promise<void>;
  kill(): void;
}

/** Stands still for ever: what a killed process awaits. */
export function never<T>(): Promise<T> {
  return new Promise(() => {});
}

export function createLife(): Life {
  let is: Life['is'] = 'alive';
  let woken = Promise.withResolvers<void>();
  let queue: (() => void)[] = [];
  const pass = async <T>(value: T): Promise<T> => {
    while (is === 'frozen') await woken.promise;
    return is === 'dead' ? never<T>() : value;
  };
  return {
    get is() {
      return is;
    },
    pass,
    act: (deed) => {
      if (is === 'alive' && queue.length === 0) deed();
      else if (is !== 'dead') queue.push(deed);
    },
    freeze: () => {
      if (is !== 'alive') return;
      is = 'frozen';
      woken = Promise.withResolvers<void>();
    },
    thaw: async (settle) => {
      if (is !== 'frozen') return;
      is = 'alive';
      woken.resolve();
      await settle();
      while (queue.length > 0 && is === 'alive') queue.shift()?.();
    },
    kill: () => {
      is = 'dead';
      queue = [];
      woken.resolve();
    },
  };
}
