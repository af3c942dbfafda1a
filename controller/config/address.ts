import { z } from 'zod';

/** Where and as whom a node is reached over SSH, as a person writes it. What is not said is as the ssh configuration says. */
export interface WrittenAddress {
  host: string;
  port?: number | undefined;
  user?: string | undefined;
  identity?: string | undefined;
  knownHosts?: string | undefined;
  jump?: string | undefined;
  config?: string | undefined;
  client?: SshClient | undefined;
}

const SSH_CLIENTS = ['auto', 'ssh2', 'openssh'] as const;
type SshClient = (typeof SSH_CLIENTS)[number];

const HOST_CHARACTERS_MAX = 255;
const USER_CHARACTERS_MAX = 64;
const JUMPS_MAX = 8;

// Hosts and users become words of ssh and of its ProxyCommand, which a shell reads: so only what neither obeys.
const HOST_NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}._-]*$/u;
const IP_V6 = /^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7}(:?\d{1,3}(\.\d{1,3}){3})?(%[A-Za-z0-9._-]{1,32})?$/;
const USER_NAME = /^[\p{L}\p{N}_.][\p{L}\p{M}\p{N}._@+-]*$/u;

const ADDRESS = 'expected user@host:port, host, user@host or [IPv6 address]:port';
const PORT = 'expected a port from 1 to 65535';

type Part = { is: 'good'; address: WrittenAddress } | { is: 'bad'; message: string };

/** `user@host:port`, `host`, `user@host`, `[v6]:port`: taken apart, or what is wrong with it. */
export function parseAddress(written: string): Part {
  if (/^[a-z]+:\/\//i.test(written)) return bad(`${ADDRESS}, without ${written.slice(0, written.indexOf('/') + 2)}`);
  const at = written.lastIndexOf('@');
  const user = at < 0 ? undefined : written.slice(0, at);
  const place = written.slice(at + 1);
  const parts = /^\[([^\]]*)\](?::(.*))?$/s.exec(place) ?? /^([^:]*)(?::([^:]*))?$/s.exec(place);
  if (!parts) return bad(`${ADDRESS}; an IPv6 address stands in [brackets]`);
  const [, host = '', port] = parts;
  const isBracketed = place.startsWith('[');
  const hostProblem = isBracketed && !IP_V6.test(host) ? 'expected an IPv6 address in the brackets' : hostFlaw(host);
  if (hostProblem !== undefined) return bad(hostProblem);
  const userProblem = user === undefined ? undefined : userFlaw(user);
  if (userProblem !== undefined) return bad(userProblem);
  if (port !== undefined && !isPort(port)) return bad(`${PORT} after the colon`);
  return {
    is: 'good',
    address: { host, ...(port === undefined ? {} : { port: Number(port) }), ...(user === undefined ? {} : { user }) },
  };
}

function bad(message: string): Part {
  return { is: 'bad', message };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

/** What is wrong with a host: a Host of the ssh configuration, a name or an address; undefined when nothing is. */
export function hostFlaw(host: string): string | undefined {
  if (host === '') return 'expected a host';
  if (host.startsWith('-')) return 'expected a host, not an option of ssh: it begins with -';
  const isSafe = host.length <= HOST_CHARACTERS_MAX && (HOST_NAME.test(host) || IP_V6.test(host));
  return isSafe
    ? undefined
    : 'expected a host of letters, digits, . _ - or an IPv6 address: nothing a shell would read';
}

function userFlaw(user: string): string | undefined {
  if (user === '') return 'expected a user before the @';
  if (user.startsWith('-')) return 'expected a user, not an option of ssh: it begins with -';
  const isSafe = user.length <= USER_CHARACTERS_MAX && USER_NAME.test(user);
  return isSafe ? undefined : 'expected a user of letters, digits, . _ - + @: nothing a shell would read';
}

function jumpFlaw(jump: string): string | undefined {
  const hops = jump.split(',');
  if (hops.length > JUMPS_MAX) return `expected at most ${JUMPS_MAX} hosts to go through`;
  const flaws = hops.map((hop) => parseAddress(hop)).flatMap((part) => (part.is === 'bad' ? [part.message] : []));
  return flaws[0] === undefined ? undefined : `${flaws[0]} (of each host to go through, with commas between)`;
}

function checked(flawOf: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const message = flawOf(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

function path() {
  const isPath = (value: string) => value.trim() !== '' && value.length <= 4096 && !/[\u0000-\u001f\u007f]/.test(value);
  return z.string().refine(isPath, 'expected a path').optional();
}

const BEGINS = '`~/` is the home folder; a relative path begins at the fleet file.';

/** All but the host. */
export const AddressDefaults = z.strictObject({
  port: z.int({ error: PORT }).min(1, { error: PORT }).max(65_535, { error: PORT }).optional().describe('Its port.'),
  user: checked(userFlaw).optional().describe('Who to be there.'),
  identity: path().describe(`The key to use and no other. ${BEGINS}`),
  knownHosts: path().describe(`The file of known hosts to trust instead of the usual ones. ${BEGINS}`),
  jump: checked(jumpFlaw)
    .optional()
    .describe('Hosts to go through, `user@host:port`, several with commas, the nearest first.'),
  config: path().describe(`The ssh configuration to read instead of ~/.ssh/config and the system’s. ${BEGINS}`),
  client: z
    .enum(SSH_CLIENTS)
    .default('auto')
    .describe(
      '`ssh2`: our own; `openssh`: the system’s `ssh`; `auto`: ssh2, and ssh where the configuration needs it.',
    ),
});

const AddressMap = AddressDefaults.extend({
  host: checked(hostFlaw).describe('A Host of the ssh configuration, a name or an address.'),
});

const AddressText = z.string().transform((written, context): WrittenAddress => {
  const part = parseAddress(written);
  if (part.is === 'good') return part.address;
  context.addIssue({ code: 'custom', message: part.message });
  return z.NEVER;
});

/** How a node is reached over SSH: text for most, a map for the rest. */
export const SshEntry = z.union([AddressText, AddressMap], {
  error: 'expected user@host:port, or {host, port, user, identity, knownHosts, jump, config, client}',
});
