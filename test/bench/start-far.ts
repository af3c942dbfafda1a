import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../rig/until.ts';
import { openRoll } from './alive.ts';
import type { Bench } from './bench.ts';
import { aFleet } from './fleet.ts';
import type { Ground } from './ground.ts';
import { batch } from './peers/batch.ts';
import { controlMaster } from './peers/control-master.ts';
import { naive } from './peers/naive.ts';
import { put } from './peers/peer.ts';
import { begin } from './process.ts';
import { interleave, middle } from './rounds.ts';
import { startedBy, startedByUs, warmUp } from './start.ts';
import { judge, ratio } from './verdicts.ts';

/** The same as `start`, to one host that is far away. */

const FAR_AGENTS = 28;
const ONE_WAY_MS = 20;

export const startFar: Bench = {
  name: 'start-far',
  title: `${FAR_AGENTS} agents alive on one host, ${2 * ONE_WAY_MS} ms away and back`,
  run: async (options) => {
    await using far = await moveAway(await options.ground());
    await using roll = await openRoll(far.ground);
    const fleet = await aFleet(far.ground, { name: 'far', agents: FAR_AGENTS });
    const peers = [batch, controlMaster, naive].map((peer) => startedBy(peer, far.ground, roll, FAR_AGENTS));
    const variants = [startedByUs(fleet, roll), ...peers];
    await warmUp(variants, options);
    const measured = await interleave(variants, options);
    const times = ratio(middle(measured, naive.name), middle(measured, 'fleet'));
    return {
      parts: [{ title: `Until ${FAR_AGENTS} agents are alive`, unit: 'ms', measured }],
      verdicts: [judge('naive ssh ÷ time', times, { atLeast: 15 })],
    };
  },
};

/** The first host alone, behind a wire that takes time. */
async function moveAway(ground: Ground): Promise<{ ground: Ground } & AsyncDisposable> {
  const [near] = ground.hosts;
  if (!near) throw new Error('there is no machine');
  const words = [
    process.execPath,
    join(import.meta.dirname, 'proxy.ts'),
    near.machine.address,
    '22',
    String(ONE_WAY_MS),
  ];
  const proxy = begin(words, { env: ground.env, cwd: ground.folder, msMax: 2 ** 31 - 1 });
  const port = await until('the far end', () => proxy.said().out.trim() || undefined, 10_000);
  const knownHosts = await put(ground, 'far.known_hosts', `[127.0.0.1]:${port} ${near.machine.hostKey}\n`);
  const config = (await readFile(ground.sshConfig, 'utf8'))
    .split(/^(?=Host )/m)
    .filter((block) => block.startsWith(`Host ${near.name}\n`))
    .join('')
    .replace(/^ *HostName .*$/m, `  HostName 127.0.0.1\n  Port ${port}`)
    .replace(/^ *UserKnownHostsFile .*$/m, `  UserKnownHostsFile ${knownHosts}`);
  const sshConfig = await put(ground, 'far.config', config);
  const host = { ...near, slots: FAR_AGENTS };
  return {
    ground: { ...ground, sshConfig, hosts: [host], cpuUsed: () => ground.cpuUsed() },
    [Symbol.asyncDispose]: async () => {
      proxy.signal('SIGTERM');
      await proxy.ended;
    },
  };
}
