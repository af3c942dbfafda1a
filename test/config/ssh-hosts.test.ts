import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSshHosts } from '../../controller/config/ssh-config.ts';
import { gitReason, isAbout, machineKey, readSshLines } from '../../controller/config/ssh-hosts.ts';
import { scratch } from './scratch.ts';

/** Names of a configuration by why they are no machines; those that may be one under `machines`. */
async function hostsOf(files: Readonly<Record<string, string>>) {
  const home = await scratch();
  await mkdir(join(home, '.ssh/conf.d'), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, '.ssh', name), text);
  return { home, found: await readSshHosts(join(home, '.ssh/config'), home) };
}
const machines = ({ hosts }: Awaited<ReturnType<typeof readSshHosts>>) =>
  hosts.filter(({ flaw }) => flaw === null).map(({ name }) => name);

describe('the hosts of an ssh configuration', () => {
  test('are the names after Host, however it is written; patterns, negations and Match are none', async () => {
    const { found } = await hostsOf({
      config: [
        '# Host commented',
        'Host mugen majin # Host not-this',
        '  HostName 10.0.0.7',
        '  User "some body"',
        'host=kage',
        'HOST\t"rei"',
        'Host *.internal gate-? !secret mugen',
        'Match host other user me',
        '  User x',
        'Host $(reboot) -oProxyCommand=x 語',
      ].join('\r\n'),
    });
    expect(machines(found)).toEqual(['mugen', 'majin', 'kage', 'rei', '語']);
    const flawed = Object.fromEntries(found.hosts.flatMap(({ name, flaw }) => (flaw === null ? [] : [[name, flaw]])));
    expect(Object.keys(flawed)).toEqual(['*.internal', 'gate-?', '!secret', '$(reboot)', '-oProxyCommand=x']);
    expect(flawed['*.internal']).toBe('a pattern, no machine');
    expect(flawed['$(reboot)']).toContain('nothing a shell would read');
  });

  test('include those of other files: below ~/.ssh, by patterns in the order of their names, and deep', async () => {
    const { found } = await hostsOf({
      config: 'Include conf.d/* ~/.ssh/more absent\nHost last',
      'conf.d/b': 'Host b1 b2',
      'conf.d/a': 'Host a',
      'conf.d/.hidden': 'Host hidden',
      more: 'Host more\nInclude %d/.ssh/deeper',
      deeper: 'Host deeper',
    });
    expect(machines(found)).toEqual(['a', 'b1', 'b2', 'more', 'last']);
    expect(found.hosts.find(({ name }) => name === 'deeper')?.flaw).toContain('below another Host');
    expect(found.unread).toEqual([]);
  });

  test('end, also where files include each other, and what cannot be read is named', async () => {
    const { home, found } = await hostsOf({ config: 'Include config\nInclude conf.d\nHost one' });
    expect(machines(found)).toEqual(['one']);
    expect(found.unread.map(({ why }) => why)).toContain('included too deep');
    expect(found.unread).toContainEqual({ path: join(home, '.ssh/conf.d'), why: 'it is a folder' });
    await symlink('loop', join(home, '.ssh/loop'));
    expect((await readSshHosts(join(home, '.ssh/loop'), home)).unread[0]?.why).toMatch(/circle/);
    expect(await readSshHosts(join(home, 'nothing'), home)).toMatchObject({ isThere: false, hosts: [] });
  });

  test('below another Host count only for it, and below Match all for everybody', async () => {
    const { found } = await hostsOf({
      config: 'Host mu*\n  Include x\nMatch all\n  Include y\nMatch exec "true"\n  Include z',
      x: 'Host mugen\nHost majin',
      y: 'Host kage',
      z: 'Host rei',
    });
    expect(machines(found)).toEqual(['mugen', 'kage']);
  });

  test('are bounded', async () => {
    const many = Array.from({ length: 500 }, (_, index) => `h${index}`).join(' ');
    const { found } = await hostsOf({ config: `Host ${many}` });
    expect(machines(found)).toHaveLength(200);
    expect(found.isCut).toBe(true);
  });
});

test.each([
  [['*'], 'a', true],
  [['a', '!a'], 'a', false],
  [['*.b', '!x.b'], 'y.b', true],
  [['*.b', '!x.b'], 'x.b', false],
  [['a?c'], 'abc', true],
  [['a.c'], 'abc', false],
  [['!a'], 'b', false],
  [[], 'b', false],
] as const)('Host %j about %s: %s', (patterns, name, about) => {
  expect(isAbout(patterns, name)).toBe(about);
});

test('a line that is no Host, Match or Include says nothing, whatever is in it', () => {
  expect(readSshLines('HostName a\nHostbased yes\n=\n""\nInclude "a b" c\n')).toEqual([
    { is: 'include', paths: ['a b', 'c'] },
  ]);
});

describe('where a host leads', () => {
  const to = (hostName: string, user = 'me') => ({ hostName, user, port: 22, through: '' });

  test.each([
    'github.com',
    'ssh.github.com',
    'GitLab.com',
    'altssh.bitbucket.org',
    'ssh.dev.azure.com',
    'vs-ssh.visualstudio.com',
    'git-codecommit.us-east-1.amazonaws.com',
    'git.sr.ht',
  ])('%s is a git host', (hostName) => {
    expect(gitReason(to(hostName))).toContain(hostName);
  });

  test('a git host of one’s own is known by its user; a machine is none', () => {
    expect(gitReason(to('git.example', 'git'))).toContain('User git');
    expect(gitReason(to('mygithub.com'))).toBeNull();
    expect(gitReason(to('github.com.example'))).toBeNull();
  });

  test('two names of one machine are told, not two machines of one private address', () => {
    expect(machineKey(to('A.example', 'x'))).toBe(machineKey(to('a.EXAMPLE', 'y')));
    expect(machineKey({ ...to('10.0.0.5'), through: 'gate1' })).not.toBe(
      machineKey({ ...to('10.0.0.5'), through: 'gate2' }),
    );
    expect(machineKey({ ...to('a'), port: 2222 })).not.toBe(machineKey(to('a')));
  });
});
