import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addressOf, makeKey } from '../rig/sshd.ts';
import { describeWith } from '../support/capability.ts';
import { aFolder, anAgent, anSshd, expectHello, hello, knownHosts, reach, refusalOf, runTool } from './scene.ts';

const CLIENTS = ['ssh2', 'openssh'] as const;

describeWith(['sshd'], 'a login over SSH', () => {
  test('with an encrypted key and no agent is refused with the file and what to do', async (context) => {
    const sshd = await anSshd(context);
    const folder = aFolder(context);
    makeKey(folder, 'locked', 'ed25519', 'passphrase');
    const identity = join(folder, 'locked');
    const { code, text } = await refusalOf(reach(context, sshd, { identity }));
    expect(code).toBe('login-refused');
    expect(text).toContain(`${identity} is encrypted and no agent has it`);
    expect(text).toContain(`ssh-add ${identity}`);
    expect(sshd.clients().filter((client) => client.startsWith('OpenSSH'))).toEqual([]);
  });

  test.for(CLIENTS)('with the encrypted key in the agent works by %s', async (client, context) => {
    const sshd = await anSshd(context);
    const agent = await anAgent(context);
    await runTool(['ssh-add', '-q', sshd.identity], { SSH_AUTH_SOCK: agent });
    const address = { ...addressOf(sshd.host, { port: sshd.port, knownHosts: sshd.knownHosts }), client };
    expectHello(await reach(context, sshd, address, { SSH_AUTH_SOCK: agent }).run(hello));
    expect(sshd.clients().some((name) => name.startsWith(client === 'ssh2' ? 'ssh2js' : 'OpenSSH'))).toBe(true);
  });

  test('with an agent that is not there says so, and so with one that has no key', async (context) => {
    const sshd = await anSshd(context);
    const config = join(aFolder(context), 'config');
    writeFileSync(config, 'IdentityFile /no/key\n');
    const different = { identity: null, config };
    const gone = await refusalOf(reach(context, sshd, different, { SSH_AUTH_SOCK: '/no/agent' }));
    expect(gone.code).toBe('login-refused');
    expect(gone.text).toMatch(/the agent at \/no\/agent does not answer: ENOENT/);
    const agent = await anAgent(context);
    const empty = await refusalOf(reach(context, sshd, different, { SSH_AUTH_SOCK: agent }));
    expect(empty.text).toContain(`the agent at ${agent} has no key`);
    const none = await refusalOf(reach(context, sshd, different));
    expect(none.text).toMatch(/no key to try among \/no\/key; no agent is named/);
    expect(none.text).toContain('ssh-keygen -t ed25519');
  });

  test.for(CLIENTS)('with a key the node does not know is refused by %s', async (client, context) => {
    const sshd = await anSshd(context);
    const folder = aFolder(context);
    makeKey(folder, 'wrong', 'rsa');
    const identity = join(folder, 'wrong');
    const { code, text } = await refusalOf(reach(context, sshd, { identity, client }));
    expect(code).toBe('login-refused');
    expect(text).toContain('ssh-copy-id');
    if (client === 'ssh2') expect(text).toMatch(new RegExp(`tried ${identity} \\(SHA256:`));
  });

  test('by RSA and ECDSA keys works, too', async (context) => {
    const sshd = await anSshd(context);
    const folder = aFolder(context);
    for (const type of ['rsa', 'ecdsa'] as const) {
      writeFileSync(join(sshd.folder, 'authorized_keys'), makeKey(folder, type, type), { flag: 'a' });
      expectHello(await reach(context, sshd, { identity: join(folder, type), client: 'ssh2' }).run(hello));
    }
  });

  test('finds the right key in the agent before the node has had enough of wrong ones', async (context) => {
    const sshd = await anSshd(context, { config: ['MaxAuthTries 3'] });
    const agent = await anAgent(context);
    const folder = aFolder(context);
    for (let index = 0; index < 5; index += 1) {
      makeKey(folder, `other${index}`, 'ed25519');
      await runTool(['ssh-add', '-q', join(folder, `other${index}`)], { SSH_AUTH_SOCK: agent });
    }
    const config = join(folder, 'config');
    writeFileSync(config, `IdentityFile "${sshd.identity}"\n`);
    const env = { SSH_AUTH_SOCK: agent };
    const late = await refusalOf(reach(context, sshd, { identity: null, config, client: 'ssh2' }, env));
    expect(late).toMatchObject({ code: 'login-refused' });
    expect(late.text).toContain('too many keys');
    await runTool(['ssh-add', '-q', sshd.identity], env);
    expectHello(await reach(context, sshd, { identity: null, config, client: 'ssh2' }, env).run(hello));
  });

  test('by a certificate goes through the system ssh by itself', async (context) => {
    const folder = aFolder(context);
    const authority = makeKey(folder, 'ca', 'ed25519');
    writeFileSync(join(folder, 'ca.keys'), authority);
    const sshd = await anSshd(context, { config: [`TrustedUserCAKeys ${join(folder, 'ca.keys')}`] });
    makeKey(folder, 'me', 'ed25519');
    const words = ['ssh-keygen', '-q', '-s', join(folder, 'ca'), '-I', 'me', '-n', sshd.address.user ?? ''];
    await runTool([...words, '-V', '-1h:+1h', join(folder, 'me.pub')]);
    const transport = reach(context, sshd, { identity: join(folder, 'me') });
    expectHello(await transport.run(hello));
    const stream = await transport.open(['cat'], () => {});
    stream.close();
    await stream.ended;
    expect(sshd.clients().some((name) => name.startsWith('ssh2js'))).toBe(false);
    const forced = await reach(context, sshd, { identity: join(folder, 'me'), client: 'ssh2' }).run(hello);
    expect(forced).toMatchObject({ is: 'unreachable', failure: { code: 'prerequisite-missing' } });
  });

  test('by a certificate in the agent does so, too', async (context) => {
    const folder = aFolder(context);
    writeFileSync(join(folder, 'ca.keys'), makeKey(folder, 'ca', 'ed25519'));
    const sshd = await anSshd(context, { config: [`TrustedUserCAKeys ${join(folder, 'ca.keys')}`] });
    makeKey(folder, 'me', 'ed25519');
    const words = ['ssh-keygen', '-q', '-s', join(folder, 'ca'), '-I', 'me', '-n', sshd.address.user ?? ''];
    await runTool([...words, join(folder, 'me.pub')]);
    const agent = await anAgent(context);
    await runTool(['ssh-add', '-q', join(folder, 'me')], { SSH_AUTH_SOCK: agent });
    expectHello(await reach(context, sshd, { identity: null }, { SSH_AUTH_SOCK: agent }).run(hello));
  });
});

describeWith(['sshd'], 'the host key of a node', () => {
  test.for(CLIENTS)('that is not known is refused by %s before anything is sent', async (client, context) => {
    const sshd = await anSshd(context);
    const known = knownHosts(context, sshd);
    const { code, text } = await refusalOf(reach(context, sshd, { knownHosts: known, client }));
    expect(code).toBe('host-untrusted');
    expect(text).toContain('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
    if (client === 'ssh2') {
      const shown = await runTool(['ssh-keygen', '-lf', join(sshd.folder, 'host_ed25519.pub')]);
      expect(text).toContain(shown.split(' ')[1]);
    }
  });

  test.for(CLIENTS)('that changed is refused by %s with what it may mean', async (client, context) => {
    const sshd = await anSshd(context);
    const other = makeKey(aFolder(context), 'other', 'ed25519');
    const known = knownHosts(context, sshd, '# a comment', `HOST ${other}`);
    const { code, text } = await refusalOf(reach(context, sshd, { knownHosts: known, client }));
    expect(code).toBe('host-untrusted');
    expect(text).toContain('ssh-keygen -R');
    if (client === 'ssh2') expect(text).toContain(`${known}:2`);
  });

  test.for(CLIENTS)('that is revoked is refused by %s, also when it is known', async (client, context) => {
    const sshd = await anSshd(context);
    const { ed25519 } = sshd.hostKeys;
    const known = knownHosts(context, sshd, `HOST ${ed25519}`, `@revoked HOST ${ed25519}`);
    const { code, text } = await refusalOf(reach(context, sshd, { knownHosts: known, client }));
    expect(code).toBe('host-untrusted');
    expect(text).toContain('revoked');
  });

  test.for(CLIENTS)('is found by %s where its name is hashed', async (client, context) => {
    const sshd = await anSshd(context);
    const known = knownHosts(context, sshd, `HOST ${sshd.hostKeys.ed25519}`);
    await runTool(['ssh-keygen', '-q', '-H', '-f', known]);
    expect(readFileSync(known, 'utf8')).toMatch(/^\|1\|/);
    expectHello(await reach(context, sshd, { knownHosts: known, client }).run(hello));
  });

  test.for(CLIENTS)('of a type that is known is the one %s asks for', async (client, context) => {
    const sshd = await anSshd(context);
    const known = knownHosts(context, sshd, `HOST ${sshd.hostKeys.ecdsa}`);
    expectHello(await reach(context, sshd, { knownHosts: known, client }).run(hello));
  });

  test('that an authority certified is checked by the system ssh, and refused without its certificate', async (context) => {
    const folder = aFolder(context);
    const authority = makeKey(folder, 'ca', 'ed25519');
    const certified = join(folder, 'host-cert.pub');
    const plain = await anSshd(context);
    const trusting = (sshd: { host: string; port: number }) => {
      const path = join(folder, 'known');
      writeFileSync(path, `@cert-authority ${sshd.host},[${sshd.host}]:${sshd.port} ${authority}`);
      return path;
    };
    expect(await refusalOf(reach(context, plain, { knownHosts: trusting(plain) }))).toMatchObject({
      code: 'host-untrusted',
    });
    makeKey(folder, 'host', 'ed25519');
    const sshd = await anSshd(context, {
      config: [`HostKey ${join(folder, 'host')}`, `HostCertificate ${certified}`],
      before: async (host) => {
        const words = ['ssh-keygen', '-q', '-s', join(folder, 'ca'), '-h', '-I', 'node', '-n', host];
        await runTool([...words, join(folder, 'host.pub')]);
      },
    });
    expectHello(await reach(context, sshd, { knownHosts: trusting(sshd) }).run(hello));
    expect(sshd.clients().every((name) => name.startsWith('OpenSSH'))).toBe(true);
  });

  test('is trusted by nobody while a file of known hosts cannot be read', async (context) => {
    const sshd = await anSshd(context);
    const folder = aFolder(context); // a folder in the place of a file
    copyFileSync(sshd.knownHosts, join(folder, 'known'));
    const { code, text } = await refusalOf(reach(context, sshd, { knownHosts: folder, client: 'ssh2' }));
    expect(code).toBe('host-untrusted');
    expect(text).toContain(`cannot be read: ${folder}`);
  });
});
