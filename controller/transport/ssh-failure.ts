import { type ErrorCode, FleetError } from '../errors.ts';
import type { HostVerdict } from './known-hosts.ts';

/** Whom a failure is about, in the words people use for it. */
export interface Place {
  /** As in the fleet file: a Host of the ssh configuration, a name or an address. */
  host: string;
  /** Where it leads. */
  hostName: string;
  port: number;
  user: string;
}

export function spellPlace({ host, hostName, port, user }: Place): string {
  const address = `${user === '' ? '' : `${user}@`}${hostName}${port === 22 ? '' : `:${port}`}`;
  return host === hostName || user === '' ? address : `${host} (${address})`;
}

/** A host key that must not be trusted, with what to do. Nothing was sent to the host. */
export function hostKeyFailure(place: Place, verdict: Exclude<HostVerdict, { is: 'trusted' }>): FleetError {
  const at = spellPlace(place);
  const detail = (hint: string) => ({ hint, target: place.host });
  if (verdict.is === 'revoked') {
    const message = `${at} shows a host key that is revoked in ${verdict.at}: ${verdict.fingerprint}`;
    return new FleetError('host-untrusted', message, detail('Do not use this machine until its keys are replaced.'));
  }
  const name = place.port === 22 ? place.hostName : `[${place.hostName}]:${place.port}`;
  if (verdict.is === 'changed') {
    const message = `${at} shows another host key than the one in ${verdict.at}: known ${verdict.known}, shown ${verdict.fingerprint}`;
    const hint = `If the machine was installed anew: ssh-keygen -R '${name}', then connect once by ssh. If not, somebody may stand between you and it.`;
    return new FleetError('host-untrusted', message, detail(hint));
  }
  const others =
    verdict.otherTypes.length > 0 ? ` (keys of other types are known: ${verdict.otherTypes.join(', ')})` : '';
  const message = `the host key of ${at} is not known${others}: ${verdict.fingerprint}`;
  return new FleetError('host-untrusted', message, detail(unknownHint(place.host)));
}

function unknownHint(host: string): string {
  return (
    'Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` (or ecdsa, rsa) on the machine, ' +
    `then connect once by \`ssh ${host}\` to make it known.`
  );
}

/** A file of known hosts that is there and cannot be read: nobody is trusted then. */
export function unreadableFailure(place: Place, path: string, why: string): FleetError {
  const hint = `Make ${path} readable for this user, or name another with knownHosts.`;
  return new FleetError('host-untrusted', `known hosts cannot be read: ${path}: ${why}`, { hint, target: place.host });
}

interface Saying {
  pattern: RegExp;
  code: ErrorCode;
  says: string;
  hint: (place: Place) => string;
}

const WAIT_OR_LOOK = 'Is it running, and is sshd? Is a firewall between?';

/** What goes wrong between machines, by the code of the system's call or by what ssh prints: it gives nothing else. */
const SAYINGS: readonly Saying[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: 'host-untrusted',
    says: 'shows another host key than the known one',
    hint: ({ host, hostName }) =>
      `\`ssh ${host}\` shows both. If the machine was installed anew: ssh-keygen -R '${hostName}'. If not, somebody may stand between you and it.`,
  },
  {
    pattern: /REVOKED HOST KEY|is marked as revoked/i,
    code: 'host-untrusted',
    says: 'shows a host key that is revoked',
    hint: () => 'Do not use this machine until its keys are replaced.',
  },
  {
    pattern: /Certificate invalid|host certificate/i,
    code: 'host-untrusted',
    says: 'shows a host certificate that does not hold',
    hint: ({ host }) => `\`ssh -v ${host} true\` tells why: its names, its time or who signed it.`,
  },
  {
    pattern: /Host key verification failed|host key is known for|No matching host key fingerprint/i,
    code: 'host-untrusted',
    says: 'has a host key that is not known',
    hint: ({ host }) => unknownHint(host),
  },
  {
    pattern: /Too many authentication failures/,
    code: 'login-refused',
    says: 'was offered too many keys before the right one',
    hint: () =>
      'Name the right key: `identity:` in the fleet file or IdentityFile with IdentitiesOnly in the ssh configuration.',
  },
  {
    pattern: /Permission denied|No supported authentication methods|Authentication failed/i,
    code: 'login-refused',
    says: 'accepts none of the keys that may be used',
    hint: ({ host, user }) =>
      `Is ${user} the right user? \`ssh-copy-id ${host}\` puts your key there; an encrypted key has to be in the agent (ssh-add).`,
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN|Could not resolve hostname|Name or service not known/,
    code: 'unreachable',
    says: 'has a name that nobody knows',
    hint: ({ hostName }) => `Is ${hostName} spelled right, and does name service work here?`,
  },
  {
    pattern: /ECONNREFUSED|Connection refused/,
    code: 'unreachable',
    says: 'refuses connections',
    hint: ({ port }) => `Does sshd run there, and on port ${port}?`,
  },
  {
    pattern: /ETIMEDOUT|timed out|Timeout, server|Keepalive timeout/i,
    code: 'unreachable',
    says: 'did not answer in time',
    hint: () => WAIT_OR_LOOK,
  },
  {
    pattern: /EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|No route to host|Network is unreachable/,
    code: 'unreachable',
    says: 'cannot be reached over the network',
    hint: () => WAIT_OR_LOOK,
  },
  {
    pattern: /kex_exchange_identification|Connection lost before handshake|ssh_exchange_identification/,
    code: 'unreachable',
    says: 'ended the connection before it began',
    hint: () => 'Too many logins at once (MaxStartups of sshd), or something that is not sshd; it is tried again.',
  },
  {
    pattern: /ECONNRESET|EPIPE|reset by peer|Connection closed|closed by remote host|Broken pipe/i,
    code: 'unreachable',
    says: 'ended the connection',
    hint: () => 'Too many logins at once (MaxStartups of sshd), or sshd was restarted; it is tried again.',
  },
  {
    pattern: /Unable to negotiate|no matching/i,
    code: 'unreachable',
    says: 'has no algorithm in common with this machine',
    hint: ({ host }) =>
      `\`ssh -v ${host} true\` tells which; the newer side may be allowed more, or the older one updated.`,
  },
  {
    pattern: /Bad configuration option|terminating, \d+ bad configuration|Can't open user config/i,
    code: 'unreachable',
    says: 'is described in an ssh configuration that ssh does not take',
    hint: ({ host }) => `\`ssh -G ${host}\` tells the line.`,
  },
];

/** The failure that an error of the system's or ssh's own words mean. `text` is shown, cut. */
export function saidFailure(place: Place, text: string, cause?: unknown): FleetError {
  const saying = SAYINGS.find(({ pattern }) => pattern.test(text));
  const words = lastLines(text);
  const at = spellPlace(place);
  const hint = saying?.hint(place) ?? `\`ssh -v ${place.host} true\` may tell more.`;
  const detail = { hint, target: place.host, ...(cause === undefined ? {} : { cause }) };
  return new FleetError(
    saying?.code ?? 'unreachable',
    `${at} ${saying?.says ?? 'could not be reached'}: ${words}`,
    detail,
  );
}

/** What ssh says after its login when it ends by itself, not the command. */
const LOST =
  /^(Connection (to .* closed|closed|reset)|Timeout, server|client_loop|mux_client|packet_write|ssh_dispatch|Read from remote host|Shared connection)/m;

/** Whether the last words of ssh say that the link was lost: its code alone could be the command's. */
export function isLinkLost(text: string): boolean {
  return LOST.test(text);
}

/** The last lines, as long as they tell people something. */
function lastLines(text: string): string {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^@+$/.test(line));
  return lines.slice(-3).join(' / ').slice(-400) || 'no reason given';
}

/** The login shell ended, or said nothing of ours, before the command began. */
export function noiseFailure(place: Place, ending: string, noise: string): FleetError {
  const said = noise === '' ? 'it printed nothing' : `it printed: ${lastLines(noise)}`;
  const hint = `\`ssh ${place.host} true\` must work and end with 0: look into its shell's start files, ForceCommand and authorized_keys.`;
  const message = `the login shell of ${spellPlace(place)} ${ending} before our command: ${said}`;
  return new FleetError('unreachable', message, { hint, target: place.host });
}

/** What ssh2 lacks for this host; only met where ssh2 is asked for by name, or the system's ssh is missing. */
export function lackFailure(place: Place, lack: string, hint: string): FleetError {
  return new FleetError('prerequisite-missing', `${spellPlace(place)} needs ${lack}, which ssh2 has not`, {
    hint,
    target: place.host,
  });
}

export function noSshFailure(what: string): FleetError {
  const hint = 'On Debian or Ubuntu: sudo apt-get install -y openssh-client';
  return new FleetError('prerequisite-missing', `${what} needs the program ssh, which is not in PATH`, { hint });
}

export function forwardFailure(place: Place, port: number, why: string): FleetError {
  const what = port === 0 ? 'a port' : `port ${port}`;
  const hint = 'AllowTcpForwarding may be off in its sshd_config, or something else has the port.';
  return new FleetError('unreachable', `${spellPlace(place)} does not forward ${what}: ${why}`, {
    hint,
    target: place.host,
  });
}
