import { Buffer } from 'node:buffer';
import { createHash, createHmac } from 'node:crypto';

/** One file of known hosts, as read. */
export interface KnownHostsFile {
  path: string;
  text: string;
}

export interface KnownHosts {
  entries: readonly KnownHost[];
  /** Lines that say nothing we understand; ssh passes over them, too. */
  badLines: number;
}

interface KnownHost {
  /** `file:line`, to tell people. */
  at: string;
  marker: 'revoked' | 'cert-authority' | null;
  hosts: string;
  type: string;
  key: Buffer;
}

/** What known hosts say of a key that a host shows. */
export type HostVerdict =
  | { is: 'trusted' }
  /** No key of this type is known; `otherTypes` are known of it. */
  | { is: 'unknown'; fingerprint: string; otherTypes: readonly string[] }
  | { is: 'changed'; at: string; known: string; fingerprint: string }
  | { is: 'revoked'; at: string; fingerprint: string };

const SSH_PORT = 22;

/** Reads files of known hosts, in the order in which ssh looks into them. */
export function parseKnownHosts(files: readonly KnownHostsFile[]): KnownHosts {
  const lines = files.flatMap(({ path, text }) =>
    text.split('\n').map((line, index) => ({ at: `${path}:${index + 1}`, line: line.trim() })),
  );
  const telling = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
  const entries = telling.flatMap(({ at, line }) => parseLine(at, line) ?? []);
  return { entries, badLines: telling.length - entries.length };
}

function parseLine(at: string, line: string): KnownHost | undefined {
  const parts = line.split(/[ \t]+/);
  const mark = parts[0]?.startsWith('@') ? parts.shift() : undefined;
  const [hosts, type, encoded] = parts;
  if (mark !== undefined && mark !== '@revoked' && mark !== '@cert-authority') return undefined;
  if (hosts === undefined || type === undefined || encoded === undefined) return undefined;
  const key = Buffer.from(encoded, 'base64');
  if (keyType(key) !== type) return undefined;
  const marker = mark === undefined ? null : mark === '@revoked' ? 'revoked' : 'cert-authority';
  return { at, marker, hosts, type, key };
}

/** The name of its type that every public key begins with. */
export function keyType(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0;
  return key.toString('latin1', 4, 4 + length);
}

/** As ssh-keygen shows it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** Entries whose names mean this host. `host` is a name, an address or a HostKeyAlias; an alias has no port. */
export function entriesFor(known: KnownHosts, host: string, port: number | null): readonly KnownHost[] {
  const name = hostName(host, port);
  return known.entries.filter((entry) => meansHost(entry.hosts, name));
}

function hostName(host: string, port: number | null): string {
  const name = host.toLowerCase();
  return port === null || port === SSH_PORT ? name : `[${name}]:${port}`;
}

function meansHost(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return meansHashed(hosts, name);
  const patterns = hosts.split(',').map((pattern) => pattern.toLowerCase());
  const matches = (pattern: string) => pattern !== '' && globMatches(pattern, name);
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern));
}

function meansHashed(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest().equals(Buffer.from(hash, 'base64'));
}

/** `*` is any text, `?` any character, everything else itself, `[` too. Takes time in proportion to the lengths' product. */
function globMatches(pattern: string, name: string): boolean {
  let at = 0;
  let index = 0;
  let star = -1;
  let retry = 0;
  while (index < name.length) {
    if (pattern[at] === '*') {
      star = at;
      at += 1;
      retry = index;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[index])) {
      at += 1;
      index += 1;
    } else if (star >= 0) {
      at = star + 1;
      retry += 1;
      index = retry;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

/**
 * Judges the key a host shows as ssh does: a revoked key never; a known one is trusted; another key of the same type
 * means that it changed. A key known for the host without its port counts when nothing is known with it.
 */
export function judgeHostKey(known: KnownHosts, host: string, port: number | null, key: Buffer): HostVerdict {
  const verdict = judgeAmong(entriesFor(known, host, port), key);
  if (verdict.is !== 'unknown' || port === null || port === SSH_PORT) return verdict;
  const portless = judgeAmong(entriesFor(known, host, null), key);
  return portless.is === 'trusted' || portless.is === 'revoked' ? portless : verdict;
}

function judgeAmong(entries: readonly KnownHost[], key: Buffer): HostVerdict {
  const shown = fingerprint(key);
  const revoked = entries.find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (revoked) return { is: 'revoked', at: revoked.at, fingerprint: shown };
  const plain = entries.filter((entry) => entry.marker === null);
  const type = keyType(key);
  const alike = plain.filter((entry) => entry.type === type);
  if (alike.some((entry) => entry.key.equals(key))) return { is: 'trusted' };
  const [other] = alike;
  if (other) return { is: 'changed', at: other.at, known: fingerprint(other.key), fingerprint: shown };
  return { is: 'unknown', fingerprint: shown, otherTypes: [...new Set(plain.map((entry) => entry.type))] };
}

/**
 * Types of key known of a host. They are asked for first, else a host that has several could show one that is new to us
 * although we know another.
 */
export function knownTypes(known: KnownHosts, host: string, port: number | null): readonly string[] {
  const own = entriesFor(known, host, port);
  const entries = own.length > 0 ? own : entriesFor(known, host, null);
  return [...new Set(entries.filter((entry) => entry.marker === null).map((entry) => entry.type))];
}

/** Whether keys of this host are to be certified: then the plain key proves nothing. */
export function hasAuthority(known: KnownHosts, host: string, port: number | null): boolean {
  const entries = [...entriesFor(known, host, port), ...entriesFor(known, host, null)];
  return entries.some((entry) => entry.marker === 'cert-authority');
}
