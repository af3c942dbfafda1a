import { quote } from '../../../controller/transport/command.ts';
import { begin } from '../process.ts';
import { byHost, type Peer, put } from './peer.ts';

/** The quickest way by hand to open windows: all of a host's in one `tmux`, fed through one `ssh`. */
export const batch: Peer = {
  name: 'ssh batch',
  what: 'one `ssh` per host, all its windows by one `tmux start-server \\; source-file -`',
  program: 'ssh',
  begin: async (ground, jobs) => {
    const calls: string[] = [];
    for (const [host, own] of byHost(jobs)) {
      const text = own.map(({ name, line }) => `new-session -d -s ${name} ${quote(line)}\n`).join('');
      const windows = await put(ground, `batch-${host.name}.tmux`, text);
      calls.push(`ssh -F ${ground.sshConfig} ${host.name} 'tmux start-server \\; source-file -' <${windows} &`);
    }
    const script = await put(ground, 'batch.sh', `${calls.join('\n')}\nwait\n`);
    return begin(['sh', script], { env: ground.env, cwd: ground.folder });
  },
};
