import { begin } from '../process.ts';
import { byHost, type Peer, put } from './peer.ts';

/** Logins at once that an SSH server takes without dropping any by default: 10. */
const AT_ONCE = 8;

export const parallel: Peer = {
  name: 'GNU parallel',
  what: `\`parallel -S ${AT_ONCE}/HOST,…\``,
  program: 'parallel',
  begin: async (ground, jobs) => {
    const lines = await put(ground, 'parallel.lines', `${jobs.map(({ line }) => line).join('\n')}\n`);
    const hosts = [...byHost(jobs).keys()].map(({ name }) => `${AT_ONCE}/${name}`).join(',');
    const words = ['parallel', '--will-cite', '--ssh', `ssh -F ${ground.sshConfig}`, '-S', hosts, '-a', lines];
    return begin(words, { env: ground.env, cwd: ground.folder });
  },
};
