import { gzipSync } from 'node:zlib';
import { stringify } from 'yaml';

/** User data of a node: cloud-config that puts the set-up program in place and runs it. Pure. */

/** EC2's limit, before its own encoding. */
export const USER_DATA_BYTES_MAX = 16_384;

const PROGRAM = '/usr/local/lib/miyabi/node-init.sh';

export interface NodeSetup {
  /** Text of the set-up program, as bootstrap/ gives it. */
  program: string;
  /** Public keys of those who may log in. */
  sshKeys: readonly string[];
  /** Whom agents work as. */
  user: string;
}

/** Text beginning with `#cloud-config`. Throws `RangeError` where it would be longer than EC2 takes. */
export function cloudConfig({ program, sshKeys, user }: NodeSetup): string {
  const keys = sshKeys.map((key) => `${key}\n`).join('');
  const config = {
    // Its own packages are a step of the set-up, which also runs where there is no cloud-init.
    package_update: false,
    write_files: [
      ...(keys === '' ? [] : [{ path: '/etc/miyabi/authorized_keys', permissions: '0644', content: keys }]),
      {
        path: PROGRAM,
        permissions: '0755',
        encoding: 'gz+b64',
        content: gzipSync(program, { level: 9 }).toString('base64'),
      },
    ],
    runcmd: [['bash', PROGRAM, '--user', user]],
  };
  const text = `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
  const bytes = Buffer.byteLength(text);
  if (bytes <= USER_DATA_BYTES_MAX) return text;
  throw new RangeError(
    `user data of ${bytes} bytes; EC2 takes ${USER_DATA_BYTES_MAX}: fewer keys, or a shorter program`,
  );
}
