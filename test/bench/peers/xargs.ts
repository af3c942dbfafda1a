import { begin } from '../process.ts';
import { byHost, type Peer, put } from './peer.ts';

/** The floor: every host gets its part in advance and does it with `xargs`. Nothing is recorded, nothing comes back. */
export const xargs: Peer = {
  name: 'xargs',
  what: '`xargs -P SLOTS` over one `ssh` per host: no journal, no answers, no limits, parts dealt out in advance',
  program: 'xargs',
  begin: async (ground, jobs) => {
    const calls: string[] = [];
    for (const [host, own] of byHost(jobs)) {
      const lines = await put(ground, `xargs-${host.name}.lines`, `${own.map(({ line }) => line).join('\n')}\n`);
      const slots = Math.min(host.slots, own.length);
      // The line is a word of its own: xargs hands it to one shell, as the fleet does.
      const remote = `xargs -d '\\n' -n 1 -P ${slots} sh -c`;
      calls.push(`ssh -F ${ground.sshConfig} ${host.name} "${remote}" <${lines} &`);
    }
    const script = await put(ground, 'xargs.sh', `${calls.join('\n')}\nwait\n`);
    return begin(['sh', script], { env: ground.env, cwd: ground.folder });
  },
};
