import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { begin } from '../process.ts';
import { type Peer, put } from './peer.ts';

/** Four a host, of the ten that an SSH server grants a connection. */
const FORKS = 28;

const socketsOf = ({ folder }: { folder: string }) => join(folder, 'cp');

/** Each line an inventory host of its own, so that all can be run by one call; its connections are kept per machine. */
export const ansible: Peer = {
  name: 'Ansible',
  what: `\`ansible all -m raw -f ${FORKS}\`, a line for each agent`,
  program: 'ansible',
  begin: async (ground, jobs) => {
    await mkdir(socketsOf(ground), { recursive: true });
    const hosts = Object.fromEntries(
      jobs.map(({ name, host, line }) => [name, { ansible_host: host.name, wanted_line: line }]),
    );
    const inventory = await put(ground, 'inventory.yaml', JSON.stringify({ all: { hosts } }));
    const env = {
      ...ground.env,
      ANSIBLE_SSH_COMMON_ARGS: `-F ${ground.sshConfig}`,
      ANSIBLE_SSH_CONTROL_PATH_DIR: socketsOf(ground),
      ANSIBLE_NOCOLOR: '1',
    };
    const words = ['ansible', 'all', '-i', inventory, '-m', 'raw', '-a', '{{ wanted_line }}', '-f', String(FORKS)];
    return begin(words, { env, cwd: ground.folder });
  },
  tidy: async (ground) => {
    const sockets = await readdir(socketsOf(ground)).catch(() => []);
    const exit = (name: string) =>
      begin(['ssh', '-S', join(socketsOf(ground), name), '-O', 'exit', 'any'], {
        ...{ env: ground.env, cwd: ground.folder },
      }).ended;
    await Promise.all(sockets.map(exit));
  },
};
