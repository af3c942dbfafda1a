import { Buffer } from 'node:buffer';
import { access, readFile, stat } from 'node:fs/promises';
import { keyType } from './known-hosts.ts';
import type { IdentityFacts } from './ssh-settings.ts';

/** A private key file with what ssh2 needs of it. */
export interface Identity extends IdentityFacts {
  /** Its text; empty unless it is `plain`. */
  text: string;
  /** Its public half, where that can be read without a passphrase. */
  publicKey: Buffer | undefined;
}

const KEY_BYTES_MAX = 100_000;
const MAGIC = 'openssh-key-v1\0';

/** Looks at an identity file. Absence is a finding, never a failure: ssh passes over it, too. */
export async function readIdentity(path: string): Promise<Identity> {
  const hasCertificate = await isThere(`${path}-cert.pub`);
  const without = (is: IdentityFacts['is']): Identity => ({ path, is, hasCertificate, text: '', publicKey: undefined });
  try {
    if ((await stat(path)).size > KEY_BYTES_MAX) return without('foreign');
    const text = await readFile(path, 'utf8');
    const { is, publicKey } = inspectKey(text);
    const beside = publicKey ?? publicLine(await readFile(`${path}.pub`, 'utf8').catch(() => ''));
    return { path, is, hasCertificate, text: is === 'plain' ? text : '', publicKey: beside };
  } catch (error) {
    return without((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'unreadable');
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Of what sort a key file's text is, and its public half. */
export function inspectKey(text: string): { is: IdentityFacts['is']; publicKey: Buffer | undefined } {
  const body = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----([\s\S]*?)-----END/.exec(text);
  if (!body) return { is: 'foreign', publicKey: publicLine(text) };
  const [, sort = '', content = ''] = body;
  if (sort.trim() !== 'OPENSSH') {
    const isEncrypted = sort.startsWith('ENCRYPTED') || /Proc-Type:.*ENCRYPTED/.test(text);
    return { is: isEncrypted ? 'encrypted' : 'plain', publicKey: undefined };
  }
  const fields = openSshFields(Buffer.from(content, 'base64'));
  if (fields === undefined) return { is: 'foreign', publicKey: undefined };
  const { cipher, publicKey } = fields;
  if (keyType(publicKey).startsWith('sk-')) return { is: 'hardware', publicKey };
  return { is: cipher === 'none' ? 'plain' : 'encrypted', publicKey };
}

/** `openssh-key-v1`: cipher, key derivation, its options, number of keys, then the public key, all readable by anyone. */
function openSshFields(bytes: Buffer): { cipher: string; publicKey: Buffer } | undefined {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  let at = MAGIC.length;
  const next = () => {
    const length = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : 0;
    const field = bytes.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return field;
  };
  const cipher = next().toString('latin1');
  next();
  next();
  at += 4;
  return { cipher, publicKey: next() };
}

/** The key of a line as in a .pub file. */
function publicLine(text: string): Buffer | undefined {
  const [type, encoded] = text.trim().split(/\s+/);
  const key = Buffer.from(encoded ?? '', 'base64');
  return key.length > 4 && keyType(key) === type ? key : undefined;
}
