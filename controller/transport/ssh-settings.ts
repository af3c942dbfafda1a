import type { SshAddress } from '../node/node.ts';
import { shellLine } from './command.ts';
import { hasAuthority, type KnownHosts } from './known-hosts.ts';

/** What the ssh configuration says of one host, as `ssh -G` tells it, paths made whole. */
export interface SshSettings {
  hostName: string;
  port: number;
  user: string;
  identityFiles: readonly string[];
  isIdentitiesOnly: boolean;
  /** Socket of the agent; null: none is to be asked. */
  agent: string | null;
  /** In the order in which they are looked into. */
  knownHostsFiles: readonly string[];
  hostKeyAlias: string | null;
  /** 4, 6 or 0 for either. */
  family: 0 | 4 | 6;
  connectSeconds: number | null;
  /** What ssh would agree to, best first; null: as the client likes. */
  algorithms: Readonly<Record<'kex' | 'hostKey' | 'cipher' | 'mac', readonly string[] | null>>;
  /** Everything else, by its name in small letters; the last value of each. */
  other: Readonly<Record<string, string>>;
}

/** What a private key file turned out to be. `foreign`: none that can be read as one. */
export interface IdentityFacts {
  path: string;
  is: 'absent' | 'unreadable' | 'plain' | 'encrypted' | 'hardware' | 'foreign';
  hasCertificate: boolean;
}

/** Where names in the configuration lead. */
export interface Whereabouts {
  home: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** Options of every call of ssh for this address; the host comes after a `--`. */
export function addressWords(address: SshAddress): readonly string[] {
  const { config, port, user, identity, jump, knownHosts } = address;
  return [
    ...(config === null ? [] : ['-F', config]),
    ...(port === null ? [] : ['-p', String(port)]),
    ...(user === null ? [] : ['-l', user]),
    ...(identity === null ? [] : ['-i', identity.replaceAll('%', '%%'), '-o', 'IdentitiesOnly=yes']),
    ...(jump === null ? [] : ['-J', jump]),
    ...(knownHosts === null
      ? []
      : ['-o', `UserKnownHostsFile="${knownHosts.replaceAll('%', '%%')}"`, '-o', 'GlobalKnownHostsFile=/dev/null']),
  ];
}

/** How a person reaches the host as we do. */
export function sshLine(address: SshAddress): string {
  return shellLine(['ssh', ...addressWords(address), address.host]);
}

/** How a person puts a key there; ssh-copy-id has words of its own for user and jump. */
export function copyIdLine({ host, user, jump, ...address }: SshAddress, key: string | null): string {
  const words = addressWords({ ...address, host, user: null, jump: null, identity: null });
  const via = jump === null ? [] : ['-o', `ProxyJump=${jump}`];
  const target = user === null ? host : `${user}@${host}`;
  return shellLine(['ssh-copy-id', ...(key === null ? [] : ['-i', key]), ...words, ...via, target]);
}

/** Reads what `ssh -G` printed. */
export function parseSettings(text: string, address: SshAddress, where: Whereabouts): SshSettings {
  const lines = text.split('\n').flatMap((line) => {
    const space = line.indexOf(' ');
    return space < 0 ? [] : [{ name: line.slice(0, space).toLowerCase(), value: line.slice(space + 1).trim() }];
  });
  const other = Object.fromEntries(lines.map(({ name, value }) => [name, value]));
  const set = (name: string) => (isSet(other[name]) ? other[name] : undefined);
  const names = (name: string) => set(name)?.split(',') ?? null;
  const base = {
    hostName: set('hostname') ?? address.host,
    port: Number(set('port') ?? 22),
    user: set('user') ?? address.user ?? where.env.USER ?? '',
  };
  const whole = (path: string) =>
    wholePath(path, { ...where, ...base, host: address.host, alias: set('hostkeyalias') });
  const files = (name: string) => splitPaths(other[name] ?? '').map(whole);
  return {
    ...base,
    identityFiles: lines
      .filter(({ name, value }) => name === 'identityfile' && isSet(value))
      .map(({ value }) => whole(value)),
    isIdentitiesOnly: other.identitiesonly === 'yes',
    agent: agentOf(other.identityagent, where, whole),
    knownHostsFiles:
      address.knownHosts === null
        ? [...files('userknownhostsfile'), ...files('globalknownhostsfile')]
        : [address.knownHosts],
    hostKeyAlias: set('hostkeyalias') ?? null,
    family: other.addressfamily === 'inet' ? 4 : other.addressfamily === 'inet6' ? 6 : 0,
    connectSeconds: Number(set('connecttimeout') ?? Number.NaN) || null,
    algorithms: {
      kex: names('kexalgorithms'),
      hostKey: names('hostkeyalgorithms'),
      cipher: names('ciphers'),
      mac: names('macs'),
    },
    other,
  };
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '' && value !== 'none';
}

/** `ssh -G` parts paths by a space and marks no other: a path begins with `/` or `~`. */
function splitPaths(value: string): readonly string[] {
  return value.split(/ (?=[/~])/).filter((path) => isSet(path.trim()));
}

function agentOf(value: string | undefined, { env }: Whereabouts, whole: (path: string) => string): string | null {
  if (value === 'none') return null;
  if (value === undefined || value === '' || value === 'SSH_AUTH_SOCK') return env.SSH_AUTH_SOCK || null;
  if (value.startsWith('$')) return env[value.replace(/^\$\{?|\}$/g, '')] || null;
  return whole(value);
}

interface Tokens extends Whereabouts {
  hostName: string;
  port: number;
  user: string;
  host: string;
  alias: string | undefined;
}

/** A path with `~`, `${NAME}` and the tokens of ssh_config replaced; a token it does not know stays. */
function wholePath(path: string, { home, env, hostName, port, user, host, alias }: Tokens): string {
  const tokens: Readonly<Record<string, string | undefined>> = {
    '%': '%',
    d: home,
    h: hostName,
    k: alias ?? host,
    n: host,
    p: String(port),
    r: user,
    u: env.USER,
  };
  return path
    .replace(/^~(?=\/|$)/, () => home)
    .replace(/\$\{(\w+)\}/g, (all, name: string) => env[name] ?? all)
    .replace(/%(.)/g, (all, token: string) => tokens[token] ?? all);
}

/** Without the system's ssh: what ssh does where no configuration says anything. */
export function plainSettings(address: SshAddress, { home, env }: Whereabouts): SshSettings {
  const usual = ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => `${home}/.ssh/${name}`);
  return {
    hostName: address.host,
    port: address.port ?? 22,
    user: address.user ?? env.USER ?? env.LOGNAME ?? '',
    identityFiles: address.identity === null ? usual : [address.identity],
    isIdentitiesOnly: address.identity !== null,
    agent: env.SSH_AUTH_SOCK || null,
    knownHostsFiles:
      address.knownHosts === null ? [`${home}/.ssh/known_hosts`, '/etc/ssh/ssh_known_hosts'] : [address.knownHosts],
    hostKeyAlias: null,
    family: 0,
    connectSeconds: null,
    algorithms: { kex: null, hostKey: null, cipher: null, mac: null },
    other: address.jump === null ? {} : { proxyjump: address.jump },
  };
}

/** Settings that send a host to the system's ssh whenever they are set at all. */
const SET_LACKS: Readonly<Record<string, string>> = {
  proxyjump: 'ProxyJump',
  proxycommand: 'ProxyCommand',
  certificatefile: 'a certificate (CertificateFile)',
  pkcs11provider: 'a smart card (PKCS11Provider)',
  knownhostscommand: 'KnownHostsCommand',
  revokedhostkeys: 'RevokedHostKeys',
  bindaddress: 'BindAddress',
  bindinterface: 'BindInterface',
};
/** Settings that do so by one value. */
const VALUE_LACKS: readonly { name: string; value: RegExp; lack: string }[] = [
  { name: 'checkhostip', value: /^(yes|true)$/, lack: 'CheckHostIP' },
  { name: 'verifyhostkeydns', value: /^(yes|true|ask)$/, lack: 'VerifyHostKeyDNS' },
  { name: 'pubkeyauthentication', value: /^(no|false)$/, lack: 'a login without keys (PubkeyAuthentication no)' },
  { name: 'hostbasedauthentication', value: /^(yes|true)$/, lack: 'HostbasedAuthentication' },
  { name: 'nohostauthenticationforlocalhost', value: /^(yes|true)$/, lack: 'NoHostAuthenticationForLocalhost' },
];

/** Why ssh2 cannot serve this host as its settings ask; null when it can. */
export function lackOf(
  settings: SshSettings,
  facts: { identities: readonly IdentityFacts[]; known: KnownHosts },
): string | null {
  const { other } = settings;
  const set = Object.keys(SET_LACKS).find((name) => isSet(other[name]));
  if (set !== undefined) return SET_LACKS[set] ?? set;
  const valued = VALUE_LACKS.find(({ name, value }) => value.test(other[name] ?? ''));
  if (valued) return valued.lack;
  const alias = settings.hostKeyAlias;
  if (hasAuthority(facts.known, alias ?? settings.hostName, alias === null ? settings.port : null))
    return 'host certificates (@cert-authority)';
  return identityLack(settings, facts.identities);
}

function identityLack(settings: SshSettings, identities: readonly IdentityFacts[]): string | null {
  const certified = identities.find((identity) => identity.hasCertificate);
  if (certified) return `a certificate (${certified.path}-cert.pub)`;
  const hardware = identities.find((identity) => identity.is === 'hardware');
  if (hardware) return `a hardware key (${hardware.path})`;
  const hasAgent = settings.agent !== null;
  const inAgent = identities.find((identity) => identity.is === 'encrypted' || identity.is === 'foreign');
  if (settings.isIdentitiesOnly && hasAgent && inAgent)
    return `IdentitiesOnly with a key of the agent (${inAgent.path})`;
  const hasKey = hasAgent || identities.some((identity) => identity.is === 'plain' || identity.is === 'encrypted');
  return !hasKey && settings.other.gssapiauthentication === 'yes' ? 'GSSAPIAuthentication' : null;
}
