import { z } from 'zod';
import type { Settings } from './settings/schema.ts';

/**
 * Judges `pulumi preview --json --show-sames`, for a pull request. Without `--show-sames` a machine whose guards were
 * taken away has no step at all, so it is not the changes that are looked at but what every adopted machine will be.
 */

const State = z.looseObject({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  protect: z.boolean().optional(),
  retainOnDelete: z.boolean().optional(),
  ignoreChanges: z.array(z.string()).optional(),
  importID: z.string().optional(),
  external: z.boolean().optional(),
});

export const Preview = z.looseObject({
  steps: z
    .array(z.looseObject({ op: z.string(), urn: z.string(), oldState: State.optional(), newState: State.optional() }))
    .default([]),
});
export type Preview = z.infer<typeof Preview>;
type Step = Preview['steps'][number];

const INSTANCE = 'aws:ec2/instance:Instance';
const HARMLESS = new Set(['same', 'import', 'read', 'refresh', 'read-replacement']);
/** What takes a machine away, of our own too: said, and let through only when it was asked for. */
const TAKES_AWAY = /delete|replace|discard/;

const nameOf = (urn: string) => urn.split('::').at(-1) ?? urn;

export interface GateChoice {
  /** Whether deletions and replacements of nodes of our own were agreed on. */
  mayRemove: boolean;
  /** Dollars a month of all stacks after this; null: not known. */
  monthlyUsd: number | null;
}

/** What must keep the change from being merged, in words; none: it may go. */
export function judgePreview(
  preview: Preview,
  settings: Settings,
  { mayRemove, monthlyUsd }: GateChoice,
): readonly string[] {
  const instances = preview.steps.filter(({ newState, oldState }) => (newState ?? oldState)?.type === INSTANCE);
  return [
    ...settings.adopted.flatMap((machine) => judgeAdopted(machine, instances)),
    ...(mayRemove ? [] : preview.steps.flatMap((step) => judgeRemoval(step, settings))),
    ...judgePrice(settings, monthlyUsd),
  ];
}

function judgeAdopted(
  { name, instanceId, mode }: Settings['adopted'][number],
  steps: readonly Step[],
): readonly string[] {
  const own = steps.filter((step) => nameOf(step.urn) === name || step.oldState?.id === instanceId);
  if (own.length === 0) return [`${name}: not in the preview; was it made with --show-sames?`];
  return own.flatMap(({ op, newState, oldState }) => {
    if (!HARMLESS.has(op)) return [`${name}: would be ${op}d; an adopted machine is never changed from here`];
    if (mode === 'read') return newState?.external === true ? [] : [`${name}: is to be read, and would be owned`];
    const missing = [
      ...(newState?.protect === true ? [] : ['protect']),
      ...(newState?.retainOnDelete === true ? [] : ['retainOnDelete']),
      ...(newState?.ignoreChanges?.includes('*') === true ? [] : ["ignoreChanges: ['*']"]),
      ...(newState?.importID === instanceId ? [] : [`import: '${instanceId}'`]),
      ...(oldState?.id === undefined || oldState.id === instanceId
        ? []
        : [`its own id (the state says ${oldState.id})`]),
    ];
    return missing.map((guard) => `${name}: without ${guard}; put it back before this is merged`);
  });
}

function judgeRemoval({ op, urn, oldState }: Step, { adopted }: Settings): readonly string[] {
  if (!TAKES_AWAY.test(op) || adopted.some(({ name }) => name === nameOf(urn))) return [];
  return [`${nameOf(urn)}: ${op} of ${oldState?.type ?? 'a resource'}; agree to it with the label \`may-remove\``];
}

function judgePrice({ monthlyUsdMax }: Settings, monthlyUsd: number | null): readonly string[] {
  if (monthlyUsdMax === undefined) return [];
  if (monthlyUsd === null)
    return [`its price is not known, and monthlyUsdMax says ${monthlyUsdMax}; add the type to the price file`];
  return monthlyUsd <= monthlyUsdMax
    ? []
    : [`$${monthlyUsd.toFixed(2)} a month, above monthlyUsdMax of $${monthlyUsdMax.toFixed(2)}`];
}
