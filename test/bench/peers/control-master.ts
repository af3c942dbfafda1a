import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ground } from '../ground.ts';
import { begin, well } from '../process.ts';
import { byHost, type Peer, put } from './peer.ts';

/** Below what an SSH server grants one connection by default: 10, and one that ended counts a moment longer. */
const AT_ONCE = 8;

/** One connection to each host, kept open by `ssh` itself, and one `ssh` for each line through it. */
export const controlMaster: Peer = {
  name: 'ControlMaster',
  what: `one kept connection per host, one \`ssh\` for each line, ${AT_ONCE} at once per host`,
  program: 'ssh',
  begin: async (ground, jobs) => {
    const config = await writeConfig(ground);
    const loops: string[] = [];
    for (const [host, own] of byHost(jobs)) {
      const lines = await put(ground, `control-${host.name}.lines`, `${own.map(({ line }) => line).join('\n')}\n`);
      const ssh = `ssh -n -F ${config} ${host.name}`;
      // What keeps the connection must not keep our output.
      loops.push(`(${ssh} true >/dev/null 2>&1 && xargs -d '\\n' -n 1 -P ${AT_ONCE} ${ssh} <${lines}) &`);
    }
    const script = await put(ground, 'control.sh', `${loops.join('\n')}\nwait\n`);
    return begin(['sh', script], { env: ground.env, cwd: ground.folder });
  },
  tidy: closeControl,
};

async function writeConfig(ground: Ground): Promise<string> {
  const kept = ['ControlMaster auto', `ControlPath ${join(ground.folder, 'cm-%n')}`, 'ControlPersist 120'];
  const base = await readFile(ground.sshConfig, 'utf8');
  return put(ground, 'control.config', `${base}\nHost *\n  ${kept.join('\n  ')}\n`);
}

async function closeControl(ground: Ground): Promise<void> {
  const exit = (name: string) =>
    begin(['ssh', '-F', join(ground.folder, 'control.config'), '-O', 'exit', name], {
      ...{ env: ground.env, cwd: ground.folder },
    }).ended;
  await Promise.all(ground.hosts.map(({ name }) => exit(name)));
}

/** A kept connection to each host, opened now; `words` before a host's name and a line run that there. */
export async function openControl(
  ground: Ground,
  options: readonly string[] = [],
): Promise<{ words: readonly string[] } & AsyncDisposable> {
  const words = ['ssh', '-n', '-F', await writeConfig(ground)];
  const open = (name: string) =>
    begin(['sh', '-c', '"$@" >/dev/null 2>&1', 'sh', ...words, ...options, name, 'true'], {
      ...{ env: ground.env, cwd: ground.folder },
    });
  for (const { name } of ground.hosts) await well(open(name), `the connection to ${name}`);
  return { words, [Symbol.asyncDispose]: () => closeControl(ground) };
}
