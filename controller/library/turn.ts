import { FleetError, toFleetError } from '../errors.ts';

/** This process's turns at being the controller: one begins with the first who needs it and ends with the last. */

export interface Turns {
  /** Takes part; the controller is ready then. Throws `locked` when another process has the fleet. */
  join(): Promise<Seat>;
  /** Whether this process is the controller, or about to be. */
  readonly isOn: boolean;
  /** Throws what the last turn broke with, if it did. */
  check(): void;
  /** Ends the turn, whoever takes part. */
  end(): Promise<void>;
}

export interface Seat {
  /** Whether the turn is over. */
  readonly isOver: boolean;
  leave(): Promise<void>;
}

/** Is the controller until the signal; `onReady` is called when it is one. */
export type Begin = (signal: AbortSignal, onReady: () => void) => Promise<void>;

interface Turn {
  users: number;
  ending: AbortController;
  ready: Promise<void>;
  isOver: boolean;
  /** Never rejects. */
  over: Promise<void>;
}

export function createTurns(begin: Begin): Turns {
  let turn: Turn | undefined;
  let failure: FleetError | undefined;
  const start = (): Turn => {
    const ready = Promise.withResolvers<void>();
    const ending = new AbortController();
    let isReady = false;
    failure = undefined;
    const work = begin(ending.signal, () => {
      isReady = true;
      ready.resolve();
    });
    const over = work
      .then(() => ready.reject(endedEarly()))
      .catch((error: unknown) => {
        if (isReady) failure = toFleetError(error);
        ready.reject(toFleetError(error));
      })
      .finally(() => {
        begun.isOver = true;
        if (turn === begun) turn = undefined;
      });
    ready.promise.catch(() => {}); // told to whoever joins
    const begun: Turn = { users: 0, ending, ready: ready.promise, isOver: false, over };
    return begun;
  };
  return {
    join: async () => {
      while (turn?.ending.signal.aborted) await turn.over;
      turn ??= start();
      const mine = turn;
      mine.users += 1;
      await mine.ready;
      return seatIn(mine);
    },
    get isOn() {
      return turn !== undefined;
    },
    check: () => {
      if (failure) throw failure;
    },
    end: async () => {
      turn?.ending.abort();
      await turn?.over;
    },
  };
}

function seatIn(turn: Turn): Seat {
  let isLeft = false;
  return {
    get isOver() {
      return turn.isOver;
    },
    leave: async () => {
      if (!isLeft) turn.users -= 1;
      isLeft = true;
      if (turn.users > 0) return;
      turn.ending.abort();
      await turn.over;
    },
  };
}

function endedEarly(): FleetError {
  return new FleetError('unlawful', 'the controller was ended before it began', { hint: 'openFleet opens it again.' });
}
