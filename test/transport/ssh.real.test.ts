import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stdoutOf } from '../../controller/transport/outcome.ts';
import { canJail } from '../rig/sshd.ts';
import { describeWith, have } from '../support/capability.ts';
import { aFolder, anSshd, aRelay, expectHello, hello, reach, refusalOf, runTool } from './scene.ts';

/** Whether somebody listens on a port of 127.0.0.1. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

const CLIENTS = ['ssh2', 'openssh'] as const;
const WAIT = { timeout: 60_000, interval: 50 };

describeWith(['sshd'], 'the ssh configuration', () => {
  test('leads an alias through Include and Match, and each connection reads it anew', async (context) => {
    const sshd = await anSshd(context);
    const folder = aFolder(context);
    const config = join(folder, 'config');
    writeFileSync(config, `Include "${folder}/more"\nHost mugen\n  HostName ${sshd.host}\n  Port 1\n`);
    writeFileSync(
      join(folder, 'more'),
      `Match originalhost mugen\n  Port ${sshd.port}\n  User ${sshd.address.user}\n  IdentityFile "${sshd.identity}"\n` +
        `  UserKnownHostsFile "${sshd.knownHosts}"\n`,
    );
    const bare = { host: 'mugen', port: null, user: null, identity: null, knownHosts: null, config };
    for (const client of ['auto', 'openssh'] as const) {
      const transport = reach(context, sshd, { ...bare, client });
      expectHello(await transport.run(hello));
      const words = transport.terminal(['printf', '[%s]', 'a b', ''], true);
      expect(await runTool(words)).toBe('[a b][]');
    }
    expect(new Set(sshd.clients().map((name) => name.slice(0, 4)))).toEqual(new Set(['ssh2', 'Open']));
    const transport = reach(context, sshd, bare);
    writeFileSync(join(folder, 'more'), 'NoSuchOption yes\n');
    const { code, text } = await refusalOf(transport);
    expect([code, text]).toEqual(['unreachable', expect.stringContaining('Bad configuration option')]);
    writeFileSync(join(folder, 'more'), '');
    expect((await refusalOf(transport)).text).toContain('refuses connections');
  });

  test('leads through a ProxyJump host by the system ssh, with conversation, commands and port', async (context) => {
    const [sshd, bastion] = [await anSshd(context), await anSshd(context)];
    const config = join(aFolder(context), 'config');
    const entry = (name: string, { host, port, identity, knownHosts, address }: typeof sshd) =>
      `Host ${name}\n  HostName ${host}\n  Port ${port}\n  User ${address.user}\n  IdentityFile "${identity}"\n` +
      `  UserKnownHostsFile "${knownHosts}"\n`;
    writeFileSync(config, `${entry('target', sshd)}  ProxyJump bastion\n${entry('bastion', bastion)}`);
    const bare = { host: 'target', port: null, user: null, identity: null, knownHosts: null, config };
    const transport = reach(context, sshd, bare);
    const lines: string[] = [];
    const stream = await transport.open(['cat'], (line) => void lines.push(line));
    stream.write('through\n');
    await expect.poll(() => lines, WAIT).toEqual(['through']);
    expectHello(await transport.run(hello));
    expect(bastion.clients()).toHaveLength(1); // the second goes over the first's connection
    expect(await stream.forward(0, { host: '127.0.0.1', port: 9 })).toBeGreaterThan(1023);
    stream.close();
    await stream.ended;
  });

  test('of a user who forwards ports and runs a command there does not come between', async (context) => {
    const sshd = await anSshd(context);
    const config = join(aFolder(context), 'config');
    writeFileSync(
      config,
      `LocalForward 127.0.0.1:${sshd.port} 127.0.0.1:9\nRemoteForward 22 127.0.0.1:9\nRemoteCommand echo mine\nRequestTTY yes\n` +
        'ControlMaster auto\nControlPath /no/such/%C\nLocalCommand echo local\nPermitLocalCommand yes\nLogLevel QUIET\n' +
        'ExitOnForwardFailure yes\n',
    );
    for (const client of CLIENTS) {
      const transport = reach(context, sshd, { config, client });
      expectHello(await transport.run(hello));
      const stream = await transport.open(['cat'], () => {});
      expectHello(await transport.run(hello));
      expect(await isListening(sshd.port)).toBe(false); // sshd has the port on another address
      expect(await stream.forward(0, { host: '127.0.0.1', port: 9 })).toBeGreaterThan(1023);
      stream.close();
      await stream.ended;
    }
  });

  test('where only newer key exchanges are allowed goes over to the system ssh and stays there', async (context) => {
    const sshd = await anSshd(context, { config: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] });
    const transport = reach(context, sshd);
    expectHello(await transport.run(hello));
    expectHello(await transport.run(hello));
    expect(sshd.clients().map((name) => name.slice(0, 4))).toEqual(['ssh2', 'Open', 'Open']);
    const forced = await refusalOf(reach(context, sshd, { client: 'ssh2' }));
    expect(forced).toMatchObject({ code: 'prerequisite-missing', text: expect.stringContaining('key exchange') });
  });

  test('is not needed: without the system ssh ssh2 works, and the rest names the missing program', async (context) => {
    const sshd = await anSshd(context);
    const env = { PATH: '/no/such/folder', USER: sshd.address.user ?? '' };
    expectHello(await reach(context, sshd, {}, env).run(hello));
    const missing = await refusalOf(reach(context, sshd, { client: 'openssh' }, env));
    expect(missing).toMatchObject({ code: 'prerequisite-missing', text: expect.stringContaining('openssh-client') });
    const jump = await refusalOf(reach(context, sshd, { jump: 'bastion' }, env));
    expect(jump.code).toBe('prerequisite-missing');
    expect(() => reach(context, sshd, {}, env).terminal(['true'])).toThrow(/program ssh/);
  });
});

const JAILED = '(needs root, for a login shell of its own)';

describe.skipIf(!canJail || !have('sshd'))(`the login shell of a node ${JAILED}`, () => {
  test.for(CLIENTS)('may print noise before our command: %s', async (client, context) => {
    const noise = 'echo welcome; printf "no newline"; echo careful >&2\n';
    const sshd = await anSshd(context, { startFiles: { '.bashrc': noise } });
    const transport = reach(context, sshd, { client });
    expectHello(await transport.run(hello));
    const lines: string[] = [];
    const stream = await transport.open(['sh', '-c', 'echo first; cat'], (line) => void lines.push(line));
    await expect.poll(() => lines, WAIT).toEqual(['first']);
    stream.close();
    await stream.ended;
  });

  test.skipIf(!have('fish')).for(CLIENTS)('may be fish, with noise: %s (needs fish)', async (client, context) => {
    const startFiles = { '.config/fish/config.fish': 'echo "fish says hi"\n' };
    const sshd = await anSshd(context, { shell: '/usr/bin/fish', startFiles });
    const transport = reach(context, sshd, { client });
    expectHello(await transport.run(hello));
    const words = ["it's", '$HOME', '\\', 'a\nb', ''];
    const outcome = await transport.run({ ...hello, words: ['printf', '[%s]', ...words] });
    expect(stdoutOf(outcome)).toBe(words.map((word) => `[${word}]`).join(''));
  });

  test.for(CLIENTS)('that ends before our command is told with what it said: %s', async (client, context) => {
    const sshd = await anSshd(context, { startFiles: { '.bashrc': 'echo this account is closed; exit 4\n' } });
    const { code, text } = await refusalOf(reach(context, sshd, { client }));
    expect(code).toBe('unreachable');
    expect(text).toMatch(
      /the login shell of .* ended with code 4 before our command: it printed: this account is closed/,
    );
  });
});

describeWith(['sshd'], 'an sshd', () => {
  test.for(CLIENTS)('with a command of its own is told from a login that failed: %s', async (client, context) => {
    const sshd = await anSshd(context, { config: ['ForceCommand echo only this'] });
    const { code, text } = await refusalOf(reach(context, sshd, { client }));
    expect([code, text]).toEqual(['unreachable', expect.stringContaining('it printed: only this')]);
    const passing = await anSshd(context, { config: ['ForceCommand sh -c "$SSH_ORIGINAL_COMMAND"'] });
    expectHello(await reach(context, passing, { client }).run(hello));
  });

  test.for(CLIENTS)(
    'with its usual limits takes 14 commands at once beside a conversation: %s',
    async (client, context) => {
      const sshd = await anSshd(context);
      const transport = reach(context, sshd, { client });
      const stream = await transport.open(['cat'], () => {});
      const outcomes = await Promise.all(Array.from({ length: 14 }, () => transport.run(hello)));
      outcomes.forEach(expectHello);
      if (client === 'ssh2') expect(sshd.clients()).toHaveLength(1);
      stream.close();
      await stream.ended;
    },
  );

  test.for(CLIENTS)('that forwards no ports is told: %s', async (client, context) => {
    const sshd = await anSshd(context, { config: ['AllowTcpForwarding no'] });
    const stream = await reach(context, sshd, { client }).open(['cat'], () => {});
    const failed = stream.forward(0, { host: '127.0.0.1', port: 9 });
    await expect(failed).rejects.toMatchObject({ code: 'unreachable', hint: expect.stringContaining('AllowTcp') });
    stream.close();
    await stream.ended;
  });

  test.for(CLIENTS)('whose port is taken is told: %s', async (client, context) => {
    const sshd = await anSshd(context);
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    context.onTestFinished(() => void server.close());
    const taken = server.address();
    if (taken === null || typeof taken === 'string') throw new Error('no port');
    const stream = await reach(context, sshd, { client }).open(['cat'], () => {});
    const failed = stream.forward(taken.port, { host: '127.0.0.1', port: 9 });
    await expect(failed).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(`${taken.port}`),
    });
    stream.close();
    await stream.ended;
  });
});

describeWith(['sshd'], 'a link', () => {
  test.for(CLIENTS)(
    'whose sshd is killed is told at once, and made anew when it is back: %s',
    async (client, context) => {
      const sshd = await anSshd(context);
      const transport = reach(context, sshd, { client });
      const stream = await transport.open(['cat'], () => {});
      const running = transport.run({ ...hello, words: ['sleep', '600'], secondsMax: 100 });
      await expect.poll(() => sshd.processes().length, WAIT).toBeGreaterThan(2);
      const began = performance.now();
      await sshd.kill();
      expect(await stream.ended).toBeTypeOf('string');
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(await running).toMatchObject({ is: 'unreachable', failure: { code: 'unreachable' } });
      expect((await refusalOf(transport)).text).toContain('refuses connections');
      await sshd.start();
      expectHello(await transport.run(hello));
      const again = await transport.open(['cat'], () => {});
      again.close();
      await again.ended;
    },
  );

  test('that brings a whole run at once loses neither its output nor its end', async (context) => {
    const sshd = await anSshd(context);
    const relay = await aRelay(context, sshd);
    const transport = reach(context, sshd, { ...relay.address, client: 'ssh2' });
    expectHello(await transport.run(hello));
    relay.batch(300);
    expectHello(await transport.run(hello));
    const failed = await transport.run({ ...hello, words: ['sh', '-c', 'echo no >&2; exit 7'] });
    expect(failed).toMatchObject({ is: 'exited', code: 7, stderr: 'no\n' });
    const lines: string[] = [];
    const stream = await transport.open(['echo', 'short'], (line) => void lines.push(line));
    expect([await stream.ended, lines]).toEqual(['ended with code 0', ['short']]);
  });

  // These wait for times of a connection: they do so together.
  test.concurrent.for(CLIENTS)(
    'that falls silent is given up within 25 s, with all that waits on it: %s',
    async (client, context) => {
      const sshd = await anSshd(context);
      const relay = await aRelay(context, sshd);
      const transport = reach(context, sshd, { ...relay.address, client });
      const stream = await transport.open(['cat'], () => {});
      const sign = join(aFolder(context), 'begun');
      const words = ['sh', '-c', 'touch "$1"; exec sleep 600', 'sh', sign];
      const running = transport.run({ ...hello, words, secondsMax: 100 });
      await expect.poll(() => existsSync(sign), WAIT).toBe(true);
      relay.fallSilent();
      const began = performance.now();
      const why = await stream.ended;
      expect(why).toMatch(/did not answer in time|Timeout/i);
      expect(await running).toMatchObject({ is: 'unreachable', failure: { code: 'unreachable' } });
      expect(performance.now() - began).toBeLessThan(25_000);
    },
  );

  test.concurrent('lets go of its connection some time after the last command', async (context) => {
    const sshd = await anSshd(context);
    const transport = reach(context, sshd, { client: 'ssh2' });
    expectHello(await transport.run(hello));
    expectHello(await transport.run(hello));
    expect(sshd.clients()).toHaveLength(1);
    await expect.poll(() => sshd.processes().length, WAIT).toBeLessThanOrEqual(canJail ? 2 : 1);
  });

  test.concurrent('that is silent from the first is given up at its time', async (context) => {
    const sshd = await anSshd(context);
    const relay = await aRelay(context, sshd);
    relay.fallSilent();
    const config = join(aFolder(context), 'config');
    writeFileSync(config, 'ConnectTimeout 2\n');
    const { code, text } = await refusalOf(reach(context, sshd, { ...relay.address, config, client: 'ssh2' }));
    expect([code, text]).toEqual(['unreachable', expect.stringContaining('did not answer in time')]);
  });
});
