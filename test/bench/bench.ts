import type { Ground } from './ground.ts';

/** What a benchmark is: variants measured in turn, and lines that say what must be reached. */

/** One try of one variant. */
export interface Sample {
  /** What is compared, in the variant's unit. */
  value: number;
  /** What else was seen, by name with its unit, such as `controllerCpuMs`. */
  detail?: Readonly<Record<string, number>>;
}

export interface Variant {
  name: string;
  /** One line for people. */
  what: string;
  /** Most rounds it takes part in, where one takes long; all where absent. */
  roundsMax?: number;
  /** Why it cannot be measured here, such as a program that is missing. */
  lack?: string | undefined;
  measure(round: number): Promise<Sample>;
}

export interface Measured {
  name: string;
  what: string;
  samples: readonly Sample[];
  /** Why there is no sample, or fewer. */
  trouble?: string;
}

/** A line of the table of promises. */
export interface Verdict {
  what: string;
  measured: string;
  target: string;
  /** Null where it could not be measured. */
  isMet: boolean | null;
}

/** Measurements of one kind with a heading of their own. */
export interface Part {
  title: string;
  /** Of every value, such as `ms`. */
  unit: string;
  measured: readonly Measured[];
}

export interface Outcome {
  parts: readonly Part[];
  verdicts: readonly Verdict[];
  /** What a reader of the numbers must know, a sentence each. */
  notes?: readonly string[];
  /** Single numbers that others may want to look at in other ways. */
  raw?: Readonly<Record<string, readonly number[]>>;
}

export interface Options {
  /** Rounds of interleaved variants. */
  runs: number;
  /** Less of everything: shows that it runs, says little. */
  isQuick: boolean;
  say(line: string): void;
  /** The seven machines, booted at the first call. */
  ground(): Promise<Ground>;
}

export interface Bench {
  name: string;
  title: string;
  run(options: Options): Promise<Outcome>;
}
