import { FleetError } from '../errors.ts';
import type { FleetInput, OpenFleet, OpenOptions } from './fleet.ts';

const RUNTIME_MIN = [24, 15] as const;

/**
 * Opens a fleet: of a fleet file (`{ file }`), of a value, or, with nothing, the one that the `fleet` command would take
 * here: `FLEET_FILE`, else ./fleet.yaml, else this machine. `FLEET_*` variables win over a file; what a value says wins
 * over them. Nothing is connected or written yet. Throws `config-invalid`, listing every problem.
 */
export async function openFleet(from?: FleetInput | { file: string }, options: OpenOptions = {}): Promise<OpenFleet> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < RUNTIME_MIN[0] || (major === RUNTIME_MIN[0] && minor < RUNTIME_MIN[1]))
    throw new FleetError(
      'prerequisite-missing',
      `needs Node ${RUNTIME_MIN.join('.')}, this is ${process.versions.node}`,
      {
        hint: 'npx node PROGRAM runs it with the Node that came with this package.',
      },
    );
  const { openHere } = await import('./composition.ts'); // an older Node could not even read it
  return openHere(from, options);
}
