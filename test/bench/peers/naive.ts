import { quote } from '../../../controller/transport/command.ts';
import { begin } from '../process.ts';
import { type Peer, put } from './peer.ts';

/** What one writes first: a loop with one `ssh` for each line. */
export const naive: Peer = {
  name: 'naive ssh',
  what: 'a loop with one `ssh HOST LINE` after the other',
  program: 'ssh',
  begin: async (ground, jobs) => {
    const lines = jobs.map(({ host, line }) => `ssh -n -F ${ground.sshConfig} ${host.name} ${quote(line)} || exit`);
    const script = await put(ground, 'naive.sh', lines.join('\n'));
    return begin(['sh', script], { env: ground.env, cwd: ground.folder });
  },
};
