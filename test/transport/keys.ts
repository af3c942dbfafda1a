import { createHmac } from 'node:crypto';

/** A public key that no one has the private half of. */
export function keyOf(seed: number, type = 'ssh-ed25519'): Buffer {
  const part = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return Buffer.concat([part(Buffer.from(type)), part(Buffer.alloc(32, seed))]);
}
export const encode = (seed: number, type?: string) =>
  `${type ?? 'ssh-ed25519'} ${keyOf(seed, type).toString('base64')}`;
export const RSA = 'ssh-rsa';
export const hashed = (name: string) => {
  const salt = Buffer.alloc(20, 7);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
};
