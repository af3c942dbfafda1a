import type { z } from 'zod';
import type { Fleet } from '../config/fleet.ts';
import type { World } from '../fleet/world.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** What every operation may look at. */
export interface Context {
  fleet: Fleet;
  /** Wall time in ms. */
  now: number;
  /** The ledger; null while there is none yet (nothing was ever started or submitted here). */
  ledger: Ledger | null;
}

/** What a change works with: it runs in the process that holds the lock, nowhere else. */
export interface Holding {
  world: World;
  now: number;
  /** Reads the fleet file again; the new fleet is in force from the next tick. */
  reload(): Promise<Fleet>;
}

/** One thing a person or a program may ask, the same behind every door. */
export interface Look<Input, Output> {
  is: 'look';
  name: string;
  summary: string;
  input: z.ZodType<Input>;
  output: z.ZodType<Output>;
  run(context: Context, input: Input): Promise<Output>;
}

/** Changes something: handed in as an intent, obeyed once. */
export interface Change<Input, Output> {
  is: 'change';
  name: string;
  summary: string;
  input: z.ZodType<Input>;
  output: z.ZodType<Output>;
  run(holding: Holding, input: Input): Promise<Output>;
}

export type Operation = Look<never, unknown> | Change<never, unknown>;

/** Version of every output's form. Grows when a field changes its meaning or goes. */
export const OUTPUT_VERSION = 1 as const;
