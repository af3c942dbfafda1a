import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { machineClock } from '../../controller/machine.ts';
import { loadProgram } from '../../controller/node/program.ts';
import { removeFleet } from '../../controller/node/shell.ts';
import { openLocal } from '../../controller/transport/local.ts';
import { type Bench, describeNode, FLEET } from './node.ts';

const program = await loadProgram();

/** Processes whose environment names the bench's own home. */
function processesOf(home: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => readText(`/proc/${name}/environ`).split('\0').includes(`HOME=${home}`))
    .map(Number);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // gone, or not written yet
  }
}

async function openBench(): Promise<Bench> {
  const home = mkdtempSync(join(homedir(), 'mf-'));
  const transport = openLocal({ ...process.env, HOME: home });
  return {
    transport,
    clock: machineClock,
    program,
    until: async (is, seconds) => {
      const limit = performance.now() + seconds * 1000;
      while (!is()) {
        if (performance.now() > limit) throw new Error(`not so after ${seconds} s: ${String(is)}`);
        await sleep(20);
      }
    },
    runs: (attempt) =>
      readText(join(home, 'runs'))
        .split('\n')
        .filter((line) => line === attempt).length,
    wipe: (attempt) => rm(join(home, '.miyabi', FLEET, 'attempts', attempt), { recursive: true }),
    close: async () => {
      await transport.run(removeFleet(FLEET, program.hash, program.text));
      for (const pid of processesOf(home)) process.kill(pid, 'SIGKILL');
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

describeNode('the real node program', openBench);
