import { z } from 'zod';
import { cancel, pause, reload, restart, resume, retry, stop } from './change.ts';
import { explain } from './explain.ts';
import { list } from './list.ts';
import type { Operation } from './operation.ts';
import { report } from './report.ts';
import { results } from './results.ts';
import { show } from './show.ts';
import { status } from './status.ts';
import { submit } from './submit.ts';
import { tell } from './tell.ts';

/** Everything one may ask, by name. Doors are made from this table; each operation's schemas check both ways. */
export const OPERATIONS = {
  submit,
  cancel,
  retry,
  pause,
  resume,
  restart,
  tell,
  stop,
  reload,
  status,
  list,
  show,
  explain,
  results,
  report,
} as const;
export type OperationName = keyof typeof OPERATIONS;

export function operationOf(name: string): Operation | undefined {
  return Object.hasOwn(OPERATIONS, name) ? (OPERATIONS[name as OperationName] as unknown as Operation) : undefined;
}

/** JSON Schema of every operation's output, by name: what `--json` prints. */
export function outputSchemas(): Record<string, unknown> {
  const outputs = Object.entries(OPERATIONS).map(
    ([name, { output }]) => [name, z.toJSONSchema(output as z.ZodType)] as const,
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Outputs of Miyabi Fleet (--json)',
    $defs: Object.fromEntries(outputs.map(([name, { $schema, ...schema }]) => [name, schema])),
  };
}
