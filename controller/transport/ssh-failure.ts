import { type ErrorCode, FleetError } from '../errors.ts';
import type { SshAddress } from '../node/node.ts';
import { quote, shellLine } from './command.ts';
import type { HostVerdict } from './known-hosts.ts';
import { copyIdLine, sshLine } from './ssh-settings.ts';

/** Whom a failure is about, in the words people use for it. */
export interface Place {
  /** As in the fleet file: a Host of the ssh configuration, a name or an address. */
  host: string;
  /** Where it leads. */
  hostName: string;
  port: number;
  user: string;
  /** The name its host key is known by, where the configuration gives one. */
  alias: string | null;
  address: SshAddress;
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
    return new FleetError('host-untrusted', message, detail(REVOKED_HINT));
  }
  if (verdict.is === 'changed') {
    const message = `${at} shows another host key than the one in ${verdict.at}: known ${verdict.known}, shown ${verdict.fingerprint}`;
    return new FleetError('host-untrusted', message, detail(changedHint(place, verdict.at.replace(/:\d+$/, ''))));
  }
  const others =
    verdict.otherTypes.length > 0 ? ` (keys of other types are known: ${verdict.otherTypes.join(', ')})` : '';
  const message = `the host key of ${at} is not known${others}: ${verdict.fingerprint}`;
  return new FleetError('host-untrusted', message, detail(unknownHint(place)));
}

const REVOKED_HINT = 'Do not use this machine until it has new host keys: somebody had a reason to revoke this one.';

function unknownHint({ address }: Place): string {
  return (
    'Compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` (or ecdsa, rsa) prints on the machine; ' +
    `then connect once by hand and answer yes: \`${sshLine(address)}\`.`
  );
}

/** `file` is the one with the key that was known; null: the usual one. */
function changedHint({ hostName, port, alias, address }: Place, file: string | null): string {
  const name = alias ?? (port === 22 ? hostName : `[${hostName}]:${port}`);
  const forget = shellLine(['ssh-keygen', '-R', name, ...(file === null ? [] : ['-f', file])]);
  return (
    `Only if the machine was installed anew: \`${forget}\`, then connect once by hand and answer yes: ` +
    `\`${sshLine(address)}\`. If it was not, somebody may stand between you and it.`
  );
}

/** A file of known hosts that is there and cannot be read: nobody is trusted then. */
export function unreadableFailure(place: Place, path: string, why: string): FleetError {
  const hint = `Make it a file that this user may read (\`chmod u+r ${quote(path)}\`), or name another with \`knownHosts\` of the node.`;
  const message = `the file of known hosts for ${spellPlace(place)} cannot be read: ${path}: ${why}`;
  return new FleetError('host-untrusted', message, { hint, target: place.host });
}

/** The file that ssh-copy-id brings for a key; null: whichever it finds. */
export function publicHalf(identity: string | null): string | null {
  return identity === null ? null : `${identity}.pub`;
}

interface Saying {
  pattern: RegExp;
  code: ErrorCode;
  says: string;
  hint: (place: Place) => string;
}

const wayHint = ({ port }: Place): string =>
  `Switch the machine on if it is off. If it is on, look at its console: sshd must run there (\`systemctl status ssh\`), and no firewall may stop port ${port}.`;

/** What goes wrong between machines, by the code of the system's call or by what ssh prints: it gives nothing else. */
const SAYINGS: readonly Saying[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: 'host-untrusted',
    says: 'shows another host key than the known one',
    hint: (place) => changedHint(place, place.address.knownHosts),
  },
  {
    pattern: /REVOKED HOST KEY|is marked as revoked/i,
    code: 'host-untrusted',
    says: 'shows a host key that is revoked',
    hint: () => REVOKED_HINT,
  },
  {
    pattern: /Certificate invalid|host certificate/i,
    code: 'host-untrusted',
    says: 'shows a host certificate that does not hold',
    hint: ({ address }) => `Whether its names, its time or its signer is wrong: \`${sshLine(address)} -v true\` tells.`,
  },
  {
    pattern: /Host key verification failed|host key is known for|No matching host key fingerprint/i,
    code: 'host-untrusted',
    says: 'has a host key that is not known',
    hint: unknownHint,
  },
  {
    pattern: /Too many authentication failures/,
    code: 'login-refused',
    says: 'was offered too many keys before the right one',
    hint: () =>
      'Name the right key: `identity` of the node in the fleet file, or IdentityFile with IdentitiesOnly in the ssh configuration.',
  },
  {
    pattern: /Permission denied|No supported authentication methods|Authentication failed/i,
    code: 'login-refused',
    says: 'accepts none of the keys that may be used',
    hint: ({ user, address }) =>
      `If ${user} is the right user, put your key there: \`${copyIdLine(address, publicHalf(address.identity))}\`. A key with a passphrase has to be in the agent: \`ssh-add\`.`,
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN|Could not resolve hostname|Name or service not known/,
    code: 'unreachable',
    says: 'has a name that nobody knows',
    hint: ({ hostName }) =>
      `Correct \`ssh\` of the node in the fleet file, or HostName in the ssh configuration: \`getent hosts ${quote(hostName)}\` must print an address here.`,
  },
  {
    pattern: /ECONNREFUSED|Connection refused/,
    code: 'unreachable',
    says: 'refuses connections',
    hint: ({ port }) =>
      `On its console: \`sudo systemctl enable --now ssh\` (sshd on some systems). If its sshd listens on another port than ${port}, set \`port\` of the node.`,
  },
  {
    pattern: /ETIMEDOUT|timed out|Timeout, server|Keepalive timeout/i,
    code: 'unreachable',
    says: 'did not answer in time',
    hint: wayHint,
  },
  {
    pattern: /EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|No route to host|Network is unreachable/,
    code: 'unreachable',
    says: 'cannot be reached over the network',
    hint: wayHint,
  },
  {
    pattern: /kex_exchange_identification|Connection lost before handshake|ssh_exchange_identification/,
    code: 'unreachable',
    says: 'ended the connection before it began',
    hint: ({ port }) =>
      `It is tried again. If that does not help, too many log in at once (raise MaxStartups in its sshd_config), or what listens on port ${port} is no sshd.`,
  },
  {
    pattern: /ECONNRESET|EPIPE|reset by peer|Connection closed|closed by remote host|Broken pipe/i,
    code: 'unreachable',
    says: 'ended the connection',
    hint: () =>
      'It is tried again. If that does not help, too many log in at once (raise MaxStartups in its sshd_config), or its sshd restarts all the time.',
  },
  {
    pattern: /Unable to exec|(exec|shell) request failed|Channel open failure: open failed/i,
    code: 'unreachable',
    says: 'lets us log in and then runs nothing',
    hint: ({ user }) =>
      `On its console: \`ps -u ${user} | wc -l\` may be at the limit of processes of ${user} (nproc in /etc/security/limits.conf); MaxSessions in its sshd_config may be too low.`,
  },
  {
    pattern: /Unable to negotiate|no matching/i,
    code: 'unreachable',
    says: 'has no algorithm in common with this machine',
    hint: ({ address }) =>
      `Update the older side, or allow the newer one more: \`${sshLine(address)} -v true\` tells which algorithms each has.`,
  },
  {
    pattern: /Bad configuration option|terminating, \d+ bad configuration|Can't open user config/i,
    code: 'unreachable',
    says: 'is described in an ssh configuration that ssh does not take',
    hint: ({ address }) => `Correct the line that this names: \`${sshLine(address)} -G\`.`,
  },
];

/** The failure that an error of the system's or ssh's own words mean. `text` is shown, cut. */
export function saidFailure(place: Place, text: string, cause?: unknown): FleetError {
  const saying = SAYINGS.find(({ pattern }) => pattern.test(text));
  const words = lastLines(text);
  const at = spellPlace(place);
  const hint = saying?.hint(place) ?? `Look what happens by hand: \`${sshLine(place.address)} -v true\`.`;
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

/** What nologin and its like print. */
const NO_SHELL = /account is (currently )?not available|nologin/i;

/** The login shell ended, or said nothing of ours, before the command began. */
export function noiseFailure(place: Place, ending: string, noise: string): FleetError {
  const said = noise === '' ? 'it printed nothing' : `it printed: ${lastLines(noise)}`;
  const line = `\`${sshLine(place.address)} true\``;
  const hint = NO_SHELL.test(noise)
    ? `Give the user a shell, as root on ${place.host}: \`sudo usermod -s /bin/bash ${place.user}\`.`
    : `${line} must end with 0: look into the start files of its shell (.profile, .bashrc), ForceCommand in sshd_config and authorized_keys.`;
  const message = `the login shell of ${spellPlace(place)} ${ending} before our command: ${said}`;
  return new FleetError('unreachable', message, { hint, target: place.host });
}

/** A command's channel was closed, and nobody said how the command ended. */
export function noEndFailure(place: Place): FleetError {
  const hint = 'It may have run, or not: look there before you call it again.';
  return new FleetError('unreachable', `${spellPlace(place)} did not say how the command ended`, {
    hint,
    target: place.host,
  });
}

/** What ssh2 lacks for this host; only met where ssh2 is asked for by name, or the system's ssh is missing. */
export function lackFailure(place: Place, lack: string, hint: string): FleetError {
  return new FleetError(
    'prerequisite-missing',
    `${spellPlace(place)} needs ${lack}, which the built-in client (ssh2) has not`,
    {
      hint,
      target: place.host,
    },
  );
}

export function noSshFailure(what: string): FleetError {
  const hint = 'On Debian or Ubuntu: `sudo apt-get install -y openssh-client`.';
  return new FleetError('prerequisite-missing', `${what} needs the program ssh, which is not in PATH`, { hint });
}

export function forwardFailure(place: Place, port: number, why: string): FleetError {
  const what = port === 0 ? 'a port' : `port ${port}`;
  const allow = "echo 'AllowTcpForwarding yes' | sudo tee /etc/ssh/sshd_config.d/00-miyabi-fleet.conf";
  const hint =
    `On ${place.host}: \`${allow} && sudo systemctl reload ssh\`; authorized_keys there may forbid it, too ` +
    `(restrict, no-port-forwarding)${port === 0 ? '' : ', or another program has the port'}.`;
  return new FleetError('unreachable', `${spellPlace(place)} does not forward ${what}: ${why}`, {
    hint,
    target: place.host,
  });
}
