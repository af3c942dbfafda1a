import { describe, expect, it } from 'vitest';
import type { SshAddress } from '../../controller/node/node.ts';
import { parseKnownHosts } from '../../controller/transport/known-hosts.ts';
import { chooseAlgorithms } from '../../controller/transport/ssh-algorithms.ts';
import { inspectKey } from '../../controller/transport/ssh-identity.ts';
import { sshEnvironment } from '../../controller/transport/ssh-node.ts';
import {
  addressWords,
  type IdentityFacts,
  lackOf,
  parseSettings,
  plainSettings,
} from '../../controller/transport/ssh-settings.ts';
import { encode } from './keys.ts';

const address: SshAddress = {
  ...{ host: 'mugen', port: null, user: null, identity: null },
  ...{ knownHosts: null, jump: null, config: null, client: 'auto' },
};
const where = { home: '/home/me', env: { SSH_AUTH_SOCK: '/run/agent', USER: 'me', KEYS: '/keys' } };
const USUAL = `
host mugen
user deploy
hostname mugen.example
port 2222
checkhostip no
identitiesonly no
pubkeyauthentication true
stricthostkeychecking ask
identityfile ~/.ssh/id_rsa
identityfile ~/.ssh/id_ed25519
userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2
globalknownhostsfile /etc/ssh/ssh_known_hosts
connecttimeout none
addressfamily any
`;
const settingsOf = (...lines: string[]) => parseSettings(`${USUAL}${lines.join('\n')}\n`, address, where);
const identity = (different: Partial<IdentityFacts> = {}): IdentityFacts => ({
  path: '/home/me/.ssh/id_ed25519',
  is: 'plain',
  hasCertificate: false,
  ...different,
});
const nobody = parseKnownHosts([]);
const lack = (lines: string[], identities: IdentityFacts[] = [identity()], known = nobody) =>
  lackOf(settingsOf(...lines), { identities, known });

describe('the environment of ssh', () => {
  it('has what leads to agents and clouds, and no keys of coding tools', () => {
    const kept = { HOME: '/h', SSH_AUTH_SOCK: '/a', AWS_SESSION_TOKEN: 't', AWS_SECRET_ACCESS_KEY: 'k', LANG: 'C' };
    expect(sshEnvironment({ ...kept, OPENAI_API_KEY: 'x', GH_TOKEN: 'x', anthropic_auth_token: 'x' })).toEqual(kept);
  });
});

describe('what ssh says of a host', () => {
  it('is read with every path made whole', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as ssh writes it
    expect(settingsOf('identityfile ${KEYS}/%r@%h-%p-%n-%%', 'connecttimeout 7', 'addressfamily inet6')).toMatchObject({
      hostName: 'mugen.example',
      port: 2222,
      user: 'deploy',
      identityFiles: ['/home/me/.ssh/id_rsa', '/home/me/.ssh/id_ed25519', '/keys/deploy@mugen.example-2222-mugen-%'],
      agent: '/run/agent',
      knownHostsFiles: ['/home/me/.ssh/known_hosts', '/home/me/.ssh/known_hosts2', '/etc/ssh/ssh_known_hosts'],
      family: 6,
      connectSeconds: 7,
    });
  });

  it('names the agent in every way ssh knows', () => {
    expect(settingsOf('identityagent none').agent).toBeNull();
    expect(settingsOf('identityagent SSH_AUTH_SOCK').agent).toBe('/run/agent');
    expect(settingsOf('identityagent ~/a b.sock').agent).toBe('/home/me/a b.sock');
    expect(settingsOf('identityagent $KEYS').agent).toBe('/keys');
    expect(settingsOf('identityagent $GONE').agent).toBeNull();
  });

  it('keeps spaces in the paths of known hosts, and yields to the file the node names', () => {
    const text = 'userknownhostsfile /home/my self/known /b\nglobalknownhostsfile none';
    expect(parseSettings(text, address, where).knownHostsFiles).toEqual(['/home/my self/known', '/b']);
    expect(parseSettings(text, { ...address, knownHosts: '/c d' }, where).knownHostsFiles).toEqual(['/c d']);
  });

  it('is asked with the words of the address, and ssh may not read them otherwise', () => {
    expect(addressWords(address)).toEqual([]);
    const full = { ...address, config: '/c', port: 7, user: 'u', identity: '/a%b', jump: 'j:1', knownHosts: '/k n' };
    expect(addressWords(full)).toEqual([
      ...['-F', '/c', '-p', '7', '-l', 'u', '-i', '/a%%b', '-o', 'IdentitiesOnly=yes', '-J', 'j:1'],
      ...['-o', 'UserKnownHostsFile="/k n"', '-o', 'GlobalKnownHostsFile=/dev/null'],
    ]);
  });
});

describe('ssh2', () => {
  it('serves a usual host, also with an encrypted key, for which there is the agent', () => {
    expect(lack([])).toBeNull();
    expect(lack([], [identity({ is: 'encrypted' })])).toBeNull();
    expect(lack([], [])).toBeNull();
    expect(lack(['proxyjump none', 'proxycommand none', 'stricthostkeychecking true'])).toBeNull();
    expect(lack(['stricthostkeychecking false'])).toBeNull(); // host keys are checked whatever it says
    expect(lackOf(plainSettings(address, where), { identities: [identity()], known: nobody })).toBeNull();
  });

  it.each([
    ['ProxyJump', ['proxyjump bastion']],
    ['ProxyCommand', ['proxycommand nc %h %p']],
    ['a certificate (CertificateFile)', ['certificatefile ~/c']],
    ['a smart card (PKCS11Provider)', ['pkcs11provider /lib/p.so']],
    ['KnownHostsCommand', ['knownhostscommand /bin/k']],
    ['RevokedHostKeys', ['revokedhostkeys /krl']],
    ['CheckHostIP', ['checkhostip yes']],
    ['HostbasedAuthentication', ['hostbasedauthentication yes']],
    ['BindAddress', ['bindaddress 10.0.0.1']],
  ])('lacks %s', (name, lines) => {
    expect(lack(lines)).toBe(name);
  });

  it('lacks certificates, hardware keys, and the choice of one key of the agent', () => {
    expect(lack([], [identity({ hasCertificate: true })])).toMatch(/^a certificate/);
    expect(lack([], [identity({ is: 'absent' }), identity({ is: 'hardware' })])).toMatch(/^a hardware key/);
    expect(lack(['identitiesonly yes'], [identity({ is: 'encrypted' })])).toMatch(/^IdentitiesOnly/);
    expect(lack(['identitiesonly yes', 'identityagent none'], [identity({ is: 'encrypted' })])).toBeNull();
    expect(lack(['gssapiauthentication yes', 'identityagent none'], [identity({ is: 'absent' })])).toMatch(/^GSSAPI/);
    expect(lack(['gssapiauthentication yes'])).toBeNull();
  });

  it('lacks host certificates, for the hosts they are for', () => {
    const authority = (hosts: string) =>
      parseKnownHosts([{ path: '/k', text: `@cert-authority ${hosts} ${encode(1)}` }]);
    expect(lack([], [identity()], authority('*.example'))).toMatch(/^host certificates/);
    expect(lack([], [identity()], authority('[mugen.example]:2222'))).toMatch(/^host certificates/);
    expect(lack([], [identity()], authority('other'))).toBeNull();
    expect(lack(['hostkeyalias other'], [identity()], authority('other'))).toMatch(/^host certificates/);
  });

  it('offers nothing the configuration forbids, and asks for known host keys first', () => {
    const chosen = chooseAlgorithms(settingsOf('kexalgorithms sntrup761x25519-sha512,curve25519-sha256'), ['ssh-rsa']);
    expect(chosen).toMatchObject({ kex: ['curve25519-sha256'] });
    expect('hostKey' in chosen && chosen.hostKey.slice(0, 3)).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519']);
    expect('cipher' in chosen && chosen.cipher[0]).toBe('aes128-gcm@openssh.com');
    const none = chooseAlgorithms(settingsOf('kexalgorithms sntrup761x25519-sha512'), []);
    expect(none).toEqual({ lack: 'KexAlgorithms sntrup761x25519-sha512' });
  });
});

describe('a file of an identity', () => {
  const pem = (sort: string, body = 'AAAA') =>
    `-----BEGIN ${sort}PRIVATE KEY-----\n${body}\n-----END ${sort}PRIVATE KEY-----\n`;

  it('shows whether it is a key, and an encrypted one', () => {
    expect(inspectKey(pem('RSA ')).is).toBe('plain');
    expect(inspectKey(pem('RSA ', 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES,0\n\nAAAA')).is).toBe('encrypted');
    expect(inspectKey(pem('ENCRYPTED ')).is).toBe('encrypted');
    expect(inspectKey(pem('OPENSSH ')).is).toBe('foreign');
    expect(inspectKey('').is).toBe('foreign');
    expect(inspectKey(`${encode(3)} me`)).toMatchObject({ is: 'foreign', publicKey: expect.anything() });
  });
});
