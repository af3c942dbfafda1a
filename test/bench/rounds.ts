import type { Measured, Options, Sample, Variant } from './bench.ts';
import { median } from './stats.ts';

const SECONDS_APART = 1;
/** One mishap may be chance; after so many it is left. */
const FAILURES_MAX = 2;

/** Measures variants in turn, A B C A B C …: what disturbs the machine for a while disturbs all of them. */
export async function interleave(
  variants: readonly Variant[],
  { runs, say }: Pick<Options, 'runs' | 'say'>,
): Promise<readonly Measured[]> {
  const taken = variants.map((variant) => ({ variant, samples: [] as Sample[], trouble: variant.lack, failures: 0 }));
  for (let round = 0; round < runs; round += 1) {
    for (const each of taken) {
      const isOut = each.variant.lack !== undefined || each.failures >= FAILURES_MAX;
      if (isOut || round >= (each.variant.roundsMax ?? runs)) continue;
      try {
        const sample = await each.variant.measure(round);
        each.samples.push(sample);
        say(`  ${round + 1}/${runs} ${each.variant.name}: ${show(sample)}`);
      } catch (error) {
        each.failures += 1;
        each.trouble = error instanceof Error ? error.message : String(error);
        say(`  ${round + 1}/${runs} ${each.variant.name}: ${each.trouble}`);
      }
      await rest(SECONDS_APART);
    }
  }
  return taken.map(({ variant: { name, what }, samples, trouble }) => ({
    ...{ name, what, samples },
    ...(trouble === undefined ? {} : { trouble }),
  }));
}

/** What one variant did must not be counted to the next: it gets a moment to end wholly. */
function rest(seconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, seconds * 1000));
}

function show({ value, detail = {} }: Sample): string {
  const rest = Object.entries(detail).map(([name, each]) => `${name} ${Number(each.toPrecision(4))}`);
  return [Number(value.toPrecision(4)), ...rest].join(', ');
}

/** The median of a variant; undefined where it was not measured. */
export function middle(measured: readonly Measured[], name: string): number | undefined {
  const values = measured.find((each) => each.name === name)?.samples.map(({ value }) => value) ?? [];
  return values.length === 0 ? undefined : median(values);
}

/** The median of a detail of a variant; undefined where it was not measured. */
export function middleOf(measured: readonly Measured[], name: string, detail: string): number | undefined {
  const samples = measured.find((each) => each.name === name)?.samples ?? [];
  const values = samples.flatMap((sample) => sample.detail?.[detail] ?? []);
  return values.length === 0 ? undefined : median(values);
}
