import type { Door } from '../../controller/cli/door.ts';
import { buildProgram } from '../../controller/cli/program.ts';
import type { Subcommand } from '../../controller/cli/subcommand.ts';

/** The declarations without a world: nothing can be done with them. */
export function aProgram(): Subcommand {
  const silent = { out: () => {}, say: () => {} } as unknown as Door;
  return buildProgram(silent, '0.0.0', () => {});
}
