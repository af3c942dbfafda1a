import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { packaged } from '../../controller/package.ts';
import { cloudConfig, USER_DATA_BYTES_MAX } from '../../infra/cloud-init.ts';
import { nodeInit } from '../../infra/node-init.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 mika@desk';
const program = nodeInit(packaged('bootstrap'));

interface Config {
  write_files: readonly { path: string; content: string; encoding?: string }[];
  runcmd: readonly (readonly string[])[];
}

describe('user data', () => {
  it('puts the set-up program in place whole, with the keys of people, and runs it', () => {
    const { write_files: files, runcmd } = parse(cloudConfig({ program, sshKeys: [KEY], user: 'fleet' })) as Config;
    const [keys, placed] = files;
    expect(keys).toMatchObject({ path: '/etc/miyabi/authorized_keys', content: `${KEY}\n` });
    expect(gunzipSync(Buffer.from(placed?.content ?? '', 'base64')).toString()).toBe(program);
    expect(runcmd).toEqual([['bash', placed?.path, '--user', 'fleet']]);
  });

  it('is what its golden file says, but for the program itself', async () => {
    const text = cloudConfig({ program, sshKeys: [KEY], user: 'fleet' });
    const { write_files: files } = parse(text) as Config;
    const digest = createHash('sha256').update(program).digest('hex');
    const packed = files.at(-1)?.content ?? '';
    await expect(text.replace(packed, `(bootstrap/setup, ${digest})`)).toMatchFileSnapshot('../golden/user-data.yaml');
  });

  it('is the same each time it is made, and has room for many keys', () => {
    const sshKeys = Array.from({ length: 20 }, () => KEY);
    const text = cloudConfig({ program, sshKeys, user: 'fleet' });
    expect(cloudConfig({ program, sshKeys, user: 'fleet' })).toBe(text);
    expect(Buffer.byteLength(text)).toBeLessThan(USER_DATA_BYTES_MAX);
  });

  it('is refused where EC2 would not take it', () => {
    const random = Array.from({ length: 20_000 }, (_, index) => ((index * 7919) % 9973).toString(36)).join('');
    expect(() => cloudConfig({ program: random, sshKeys: [], user: 'fleet' })).toThrow(/EC2 takes 16384/);
  });
});

describe('the set-up program', () => {
  it('is one that bash reads', () => {
    expect(execFileSync('bash', ['-n'], { input: program, encoding: 'utf8' })).toBe('');
  });
});
