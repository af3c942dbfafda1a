import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from './command.ts';
import type { Metadata } from './metadata-server.ts';
import { subnetOf } from './network.ts';
import type { Run } from './run.ts';

const SERVER = join(import.meta.dirname, 'metadata-server.ts');
/** In the run's own group, which its end ends; in the namespace of its bridge, so that each run has one of its own. */
const BEGIN = 'echo "$BASHPID" >"$1/cgroup.procs"; exec ip netns exec "$2" "$3" "$4" "$5"';

/** What the metadata service of a run tells its machines. */
export interface MetadataService {
  /** From the machine's next request on. */
  tell(address: string, told: Metadata[string]): Promise<void>;
}

export async function openMetadata({ id, number, folder }: Run, supervisors: string): Promise<MetadataService> {
  const file = join(folder, 'metadata.json');
  const all: Record<string, Metadata[string]> = {};
  const write = async () => {
    await writeFile(`${file}.new`, JSON.stringify(all), { mode: 0o600 });
    await rename(`${file}.new`, file);
  };
  let writing = write();
  await writing;
  await must(['ip', '-n', id, 'address', 'add', '169.254.169.254/32', 'dev', 'br0']);
  await must(['ip', '-n', id, 'route', 'add', `${subnetOf(number)}.0/24`, 'dev', 'br0']);
  const words = ['-c', BEGIN, 'metadata', supervisors, id, process.execPath, SERVER, file];
  const server = spawn('bash', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  server.unref();
  await Promise.race([
    once(server.stdout, 'data'),
    once(server, 'exit').then(() => Promise.reject(new Error('the metadata service ended as it began'))),
  ]);
  server.stdout.destroy();
  return {
    tell: async (address, told) => {
      all[address] = told;
      writing = writing.then(write); // one after the other: they share the draft
      await writing;
    },
  };
}
