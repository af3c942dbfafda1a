import { z } from 'zod';

/** Setting a machine up for agents: how the program of bootstrap/setup/ is begun there, and what it says. Pure. */

export interface SetupChoice {
  isDryRun: boolean;
  /** Whom agents work as; null: whoever logs in. */
  user: string | null;
}

// The program comes first on standard input, by its length: nothing waits for an end of it that may never come.
const RUN = `
file=$(mktemp) || exit 1
trap 'rm -f "$file"' EXIT
head -c "$1" >"$file"
shift
as_root=
[ "$(id -u)" -eq 0 ] || as_root='sudo -n'
if [ -n "$as_root" ] && ! $as_root true 2>/dev/null; then echo '{"refused":"sudo"}'; exit 1; fi
$as_root bash "$file" --json --user "$(id -un)" "$@" </dev/null 2>&1
`;

/** Words that take the program from standard input and run it as root. */
export function setupWords(program: string, { isDryRun, user }: SetupChoice): readonly string[] {
  const flags = [...(isDryRun ? ['--dry-run'] : []), ...(user === null ? [] : ['--user', user])];
  return ['sh', '-c', RUN, 'sh', String(Buffer.byteLength(program)), ...flags];
}

const STEP_STATES = ['same', 'changed', 'would', 'left-out', 'failed'] as const;

export const SetupStep = z.object({
  step: z.string(),
  /** `same`: it was so; `would`: a dry run would change it; `left-out`: it makes no sense on this machine. */
  is: z.enum(STEP_STATES),
  /** What was seen, in a few words. */
  why: z.string(),
});
export type SetupStep = z.infer<typeof SetupStep>;

const Refusal = z.object({ refused: z.literal('sudo') });
const Sum = z.object({ changed: z.int(), failed: z.int() });

export type SetupLine =
  | { is: 'step'; step: SetupStep }
  | { is: 'refused' }
  | { is: 'sum'; changed: number; failed: number }
  | { is: 'other'; text: string };

/** One line of what it says; `other` is what a program it called had to say. */
export function parseSetupLine(text: string): SetupLine {
  const value = parseJson(text);
  const step = SetupStep.safeParse(value);
  if (step.success) return { is: 'step', step: step.data };
  const sum = Sum.safeParse(value);
  if (sum.success) return { is: 'sum', ...sum.data };
  return Refusal.safeParse(value).success ? { is: 'refused' } : { is: 'other', text };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
