import type { AuthenticationType, AuthHandlerMiddleware } from 'ssh2';
import { FleetError } from '../errors.ts';
import { quote } from './command.ts';
import { fingerprint } from './known-hosts.ts';
import { type AgentKey, askAgent } from './ssh-agent.ts';
import { type Place, publicHalf, spellPlace } from './ssh-failure.ts';
import type { HostFacts } from './ssh-files.ts';
import type { Identity } from './ssh-identity.ts';
import { copyIdLine } from './ssh-settings.ts';

/** What may be tried to log in, and what is known of why it may not do. Keys only: nobody is there to ask. */
export interface Login {
  agent: { path: string; keys: readonly AgentKey[]; why: string | null } | null;
  /** Identity files whose key is not in the agent. */
  files: readonly Identity[];
  /** All identity files that were looked for. */
  identities: readonly Identity[];
  user: string;
  place: Place;
}

/** Types of key ssh2 signs with. */
const SIGNED = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/;
const FEW = 8;

/** Asks the agent and puts keys into ssh's own order: those of the agent that are configured, its others, then files. */
export async function prepareLogin({ settings, place, identities }: HostFacts): Promise<Login> {
  const answer = settings.agent === null ? null : await askAgent(settings.agent);
  const all = answer === null || 'why' in answer ? [] : answer;
  const isConfigured = ({ key }: AgentKey) => identities.some(({ publicKey }) => publicKey?.equals(key));
  const others = settings.isIdentitiesOnly ? [] : all.filter((key) => !isConfigured(key));
  const keys = [...all.filter(isConfigured), ...others];
  const inAgent = (identity: Identity) => keys.some(({ key }) => identity.publicKey?.equals(key));
  return {
    agent:
      answer === null || settings.agent === null
        ? null
        : { path: settings.agent, keys, why: 'why' in answer ? answer.why : null },
    files: identities.filter((identity) => identity.is === 'plain' && !inAgent(identity)),
    identities,
    user: settings.user,
    place,
  };
}

/** Why ssh2 cannot use what the agent holds; null when it can. */
export function agentLack({ agent }: Login): string | null {
  const lacking = agent?.keys.find(({ type }) => !SIGNED.test(type));
  return lacking ? `a key of the agent (${lacking.type})` : null;
}

type Ssh2 = typeof import('ssh2');

/** Offers one way after the other; `offered` hears of each. */
export function offerKeys(
  ssh2: Ssh2,
  login: Login,
  hears: { offered(name: string): void; left(methods: readonly string[], isPartly: boolean): void },
): AuthHandlerMiddleware {
  const { agent, files, user: username } = login;
  const ways: (() => Parameters<Parameters<AuthHandlerMiddleware>[2]>[0])[] = [];
  if (agent && agent.keys.length > 0) {
    ways.push(() => {
      for (const { key, comment } of agent.keys) hears.offered(`${comment} of the agent (${fingerprint(key)})`);
      return { type: 'agent', username, agent: chosenAgent(ssh2, agent.path, agent.keys) };
    });
  }
  for (const { path, text, publicKey } of files) {
    ways.push(() => {
      hears.offered(`${path}${publicKey ? ` (${fingerprint(publicKey)})` : ''}`);
      return { type: 'publickey', username, key: text };
    });
  }
  return (left: AuthenticationType[] | null, isPartly, next) => {
    if (left !== null) hears.left(left, isPartly === true);
    const way = ways.shift();
    // ssh2 ends with its own error on `false`; the types know only ways.
    next(way ? way() : (false as unknown as AuthenticationType));
  };
}

/** The agent with these keys alone, in this order: a server ends after a handful of wrong ones. */
function chosenAgent({ OpenSSHAgent, utils }: Ssh2, path: string, keys: readonly AgentKey[]) {
  const agent = new OpenSSHAgent(path);
  const parsed = keys.flatMap(({ key }) => {
    const one = utils.parseKey(key);
    return one instanceof Error ? [] : [one];
  });
  agent.getIdentities = (callback) => callback(undefined, parsed);
  return agent;
}

/** The login was refused, or there was nothing to log in with: each cause told apart. */
export function loginFailure(
  login: Login,
  tried: readonly string[],
  left: readonly string[],
  isPartly: boolean,
): FleetError {
  const { agent, identities, place } = login;
  const encrypted = identities.filter(({ is }) => is === 'encrypted');
  const unreadable = identities.filter(({ is }) => is === 'unreadable' || is === 'foreign');
  const at = spellPlace(place);
  const causes = [
    tried.length > 0 ? `tried ${list(tried)}` : `no key to try among ${list(identities.map(({ path }) => path))}`,
    ...encrypted.map(({ path }) => `${path} is encrypted and no agent has it`),
    ...unreadable.map(({ path, is }) => `${path} ${is === 'foreign' ? 'is no private key' : 'cannot be read'}`),
    agent === null
      ? 'no agent is named'
      : agent.why !== null
        ? `the agent at ${agent.path} does not answer: ${agent.why}`
        : agent.keys.length === 0
          ? `the agent at ${agent.path} has no key that may be used`
          : null,
  ].filter((cause) => cause !== null);
  const refuses = isPartly
    ? `${at} wants more than a key: ${left.join(', ')}`
    : tried.length > 0 && left.length > 0 && !left.includes('publickey')
      ? `${at} takes no keys, only ${left.join(', ')}`
      : `${at} accepts none of the keys that may be used`;
  const hint = isPartly
    ? 'Allow this user to log in by a key alone (AuthenticationMethods in its sshd_config): nobody is there to be asked.'
    : hintFor(login, encrypted);
  return new FleetError('login-refused', `${refuses}: ${causes.join('; ')}`, { hint, target: place.host });
}

function hintFor({ agent, identities, files, place }: Login, encrypted: readonly Identity[]): string {
  const [locked] = encrypted;
  if (locked)
    return `Give the agent the key: \`${agent === null || agent.why !== null ? 'eval "$(ssh-agent)" && ' : ''}ssh-add ${quote(locked.path)}\`.`;
  if (agent && agent.why !== null)
    return 'Start the agent anew (`eval "$(ssh-agent)" && ssh-add`), or correct SSH_AUTH_SOCK or IdentityAgent.';
  const own = files[0]?.path;
  if (own === undefined && (agent?.keys.length ?? 0) === 0) {
    const path = identities[0]?.path ?? '~/.ssh/id_ed25519';
    return `Make a key, \`ssh-keygen -t ed25519 -f ${quote(path)}\`, and put it there: \`${copyIdLine(place.address, publicHalf(path))}\`.`;
  }
  const copy = copyIdLine(place.address, publicHalf(own ?? null));
  return `If ${place.user} is the right user, put the key there: \`${copy}\`. If it is there, its home and ~/.ssh may be writable by others: sshd passes over it then.`;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, FEW).join(', ');
  return names.length > FEW ? `${shown} and ${names.length - FEW} more` : shown || 'nothing';
}
