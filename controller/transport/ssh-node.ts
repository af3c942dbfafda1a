import { FleetError } from '../errors.ts';
import type { SshAddress, Via } from '../node/node.ts';
import { nodeEnvironment, openLocal } from './local.ts';
import { openOpenSsh } from './openssh.ts';
import type { Outcome } from './outcome.ts';
import { remoteLine } from './remote.ts';
import { type Admission, createAdmission } from './slots.ts';
import { openSsh2 } from './ssh.ts';
import { noSshFailure } from './ssh-failure.ts';
import { findSsh, type Surroundings } from './ssh-files.ts';
import { addressWords } from './ssh-settings.ts';
import type { Transport } from './transport.ts';

/** Opens the ways to a fleet's nodes; they share one bound on logins at once. Nothing is connected yet. */
export function openNodes({ env }: Surroundings): (via: Via) => Transport {
  const surroundings = { env: sshEnvironment(env) };
  const admit = createAdmission();
  return (via) => openNode(via, surroundings, admit);
}

/** Keys of coding tools and the like: nothing that ssh starts here needs them, and SendEnv could carry them along. */
const KEPT_HERE = /^(?!AWS_).*(_KEY|_TOKEN|_SECRET|_PASSWORD)$/i;

/** The user's own environment, for ssh to find its agent and a ProxyCommand its cloud, without what is secret to others. */
export function sshEnvironment(env: Surroundings['env']): Surroundings['env'] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !KEPT_HERE.test(name)));
}

function openNode(via: Via, surroundings: Surroundings, admit: Admission): Transport {
  if (via.kind === 'local') return openLocal(nodeEnvironment(surroundings.env));
  const setting = { address: via, surroundings, admit, terminal: terminalOf(via, surroundings) };
  if (via.client === 'openssh') return openOpenSsh(setting);
  if (via.client === 'ssh2') return openSsh2(setting);
  return openEither(openSsh2(setting), openOpenSsh(setting));
}

/** The first, until it says that it lacks what the host needs; from then on the other. Nothing was sent until then. */
function openEither(ssh2: Transport, openssh: Transport): Transport {
  let isLacking = false;
  const lacks = (failure: unknown) => {
    isLacking ||= failure instanceof FleetError && failure.code === 'prerequisite-missing';
    return isLacking;
  };
  const hasLacked = (outcome: Outcome) => outcome.is === 'unreachable' && lacks(outcome.failure);
  return {
    run: async (command, signal) => {
      const outcome = isLacking ? undefined : await ssh2.run(command, signal);
      return outcome === undefined || hasLacked(outcome) ? await openssh.run(command, signal) : outcome;
    },
    open: async (words, onLine) => {
      if (isLacking) return await openssh.open(words, onLine);
      return await ssh2.open(words, onLine).catch((error: unknown) => {
        if (!lacks(error)) throw error;
        return openssh.open(words, onLine);
      });
    },
    terminal: openssh.terminal,
    close: async () => {
      await Promise.all([ssh2.close(), openssh.close()]);
    },
  };
}

/** A person sits before it: ssh may ask them, and their own settings hold, but for what would come between. */
const TERMINAL_OPTIONS = [
  'ServerAliveInterval=5',
  'ServerAliveCountMax=3',
  'ClearAllForwardings=yes',
  'PermitLocalCommand=no',
  'RemoteCommand=none',
  'LogLevel=ERROR',
  // A node's agents share its user: nothing of the person's own goes there with the terminal.
  'ForwardAgent=no',
  'ForwardX11=no',
  'ControlMaster=no',
  'ControlPath=none',
  'StrictHostKeyChecking=ask',
];

function terminalOf(address: SshAddress, surroundings: Surroundings): Transport['terminal'] {
  return (words, isPlain = false) => {
    const ssh = findSsh(surroundings);
    if (ssh === undefined) throw noSshFailure(`a terminal on ${address.host}`);
    const options = TERMINAL_OPTIONS.flatMap((option) => ['-o', option]);
    return [ssh, ...options, ...addressWords(address), isPlain ? '-T' : '-t', '--', address.host, remoteLine(words)];
  };
}
