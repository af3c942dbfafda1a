import type { SshSettings } from './ssh-settings.ts';

type Kind = keyof SshSettings['algorithms'];

/** What ssh2 has of what is still thought safe, best first. GCM is the system's own AES: the fastest there is here. */
const SSH2: Readonly<Record<Kind, readonly string[]>> = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
  ],
  hostKey: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  mac: [
    'hmac-sha2-256-etm@openssh.com',
    'hmac-sha2-512-etm@openssh.com',
    'hmac-sha2-256',
    'hmac-sha2-512',
    'hmac-sha1-etm@openssh.com',
    'hmac-sha1',
  ],
};
const LABELS: Readonly<Record<Kind, string>> = {
  kex: 'KexAlgorithms',
  hostKey: 'HostKeyAlgorithms',
  cipher: 'Ciphers',
  mac: 'MACs',
};

/** What to offer, or the setting that leaves ssh2 nothing. Host keys of the known types come first. */
export function chooseAlgorithms(
  { algorithms }: SshSettings,
  knownTypes: readonly string[],
): Readonly<Record<Kind, string[]>> | { lack: string } {
  const chosen = { kex: pick('kex'), hostKey: pick('hostKey'), cipher: pick('cipher'), mac: pick('mac') };
  const isKnown = (name: string) => knownTypes.includes(name.startsWith('rsa-sha2-') ? 'ssh-rsa' : name);
  chosen.hostKey = [...chosen.hostKey.filter(isKnown), ...chosen.hostKey.filter((name) => !isKnown(name))];
  const empty = (Object.keys(LABELS) as Kind[]).find((kind) => chosen[kind].length === 0);
  return empty === undefined ? chosen : { lack: `${LABELS[empty]} ${algorithms[empty]?.join(',') ?? ''}` };

  function pick(kind: Kind): string[] {
    const allowed = algorithms[kind];
    return SSH2[kind].filter((name) => allowed === null || allowed.includes(name));
  }
}
