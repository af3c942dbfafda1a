import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, type TestContext } from 'vitest';
import { z } from 'zod';
import { openSshd, type Sshd, type SshdSetting } from '../rig/sshd.ts';
import { describeWith } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import { aPerson, type Person } from './person.ts';

const Config = z.looseObject({ file: z.string(), nodes: z.array(z.looseObject({ name: z.string() })) });

async function anSshd(context: TestContext, setting: SshdSetting = {}): Promise<Sshd> {
  const sshd = await openSshd(setting);
  context.onTestFinished(() => sshd.close());
  return sshd;
}

/** The lines of an ssh configuration that lead to this machine under a name. */
function linesOf(name: string, { host, port, identity, knownHosts, address }: Sshd, ...more: string[]): string {
  const known = `UserKnownHostsFile ${knownHosts}`;
  const lines = [
    `HostName ${host}`,
    `Port ${port}`,
    `User ${address.user}`,
    `IdentityFile ${identity}`,
    known,
    ...more,
  ];
  return [`Host ${name}`, ...lines].join('\n  ');
}

/** No fleet of the person's own in the environment: what is written decides. */
function aNewcomer(context: TestContext): Promise<Person> {
  const none = ['FLEET_NAME', 'FLEET_AGENTS', 'FLEET_KIND', 'FLEET_PER_VCPU', 'FLEET_MEMORY_GIB_EACH'];
  return aPerson(context, { env: Object.fromEntries(none.map((name) => [name, undefined])) });
}

/** Where an editor looks for the schema that a fleet file names. */
function schemaOf(file: string): string {
  const said = /^# yaml-language-server: \$schema=(\S+)\n/.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
  return said.startsWith('file:') ? fileURLToPath(said) : resolve(dirname(file), said);
}

describeWith(['sshd'], 'fleet init', () => {
  it('writes the hosts that answer with what they have, and those that do not as comments with what to do', async (context) => {
    const [mugen, gone, stranger] = [await anSshd(context), await anSshd(context), await anSshd(context)];
    const person = await aNewcomer(context);
    await gone.kill();
    const nobody = person.write('nobody', '');
    const more = person.write('more', linesOf('mugen', mugen));
    const config = person.write(
      'ssh_config',
      [
        `Include ${more}`,
        linesOf('gone', gone),
        linesOf('stranger', { ...stranger, knownHosts: nobody }),
        'Host work-git\n  HostName github.com\n  User git',
        'Host *.internal\n  User me',
        linesOf('mugen-again', mugen),
      ].join('\n'),
    );
    const said = await person.fleet('init', '--ssh-config', config);
    expect(said).toMatchObject({ exit: 0, out: '' });
    expect(said.err).toContain('left out: work-git (a git host (github.com))');
    expect(said.err).toContain('left out: *.internal (a pattern, no machine)');
    expect(said.err).toContain('left out: mugen-again (the same machine as mugen');
    expect(said.err).toMatch(/✓ mugen: \d+ vCPU, [\d.]+ GiB/);
    expect(said.err).toMatch(/Wrote .*fleet\.yaml: 1 node\.[\s\S]*node mugen: \d+ agents?[\s\S]*fleet doctor/);
    const text = readFileSync(join(person.desk, 'fleet.yaml'), 'utf8');
    expect(text).toMatch(/# .*gone .*refuses connections[\s\S]*# - \{ name: gone, ssh: /);
    expect(text).toMatch(/# .*host key[\s\S]*# - \{ name: stranger, ssh: /);
    const { nodes } = await person.ask(Config, 'config');
    const memoryGiB = Math.floor((totalmem() / 2 ** 30) * 10) / 10;
    expect(nodes).toMatchObject([
      { name: 'mugen', vcpu: availableParallelism(), memoryGiB, via: { host: 'mugen', config } },
    ]);
    expect(await person.fleet('exec', 'all', '--', 'echo', 'hello')).toMatchObject({ exit: 0, out: 'mugen: hello\n' });
  });

  it('takes a host that lacks a program as a node, with what it lacks and how to get it beside it', async (context) => {
    const person = await aNewcomer(context);
    const bin = join(person.home, 'bin');
    mkdirSync(bin);
    for (const name of readdirSync('/usr/bin'))
      if (name !== 'tmux') symlinkSync(join('/usr/bin', name), join(bin, name));
    const lean = await anSshd(context, { config: [`SetEnv PATH=${bin}`] });
    const config = person.write('ssh_config', linesOf('lean', lean));
    expect(await person.fleet('init', '--ssh-config', config)).toMatchObject({ exit: 0 });
    const text = readFileSync(join(person.desk, 'fleet.yaml'), 'utf8');
    expect(text).toMatch(/\n {2}- \{ name: lean, .*\n {4}# tmux: missing\. .*tmux/);
    expect((await person.ask(Config, 'config')).nodes).toMatchObject([{ name: 'lean' }]);
  });

  it('never writes over a file unless it is told to, and asks nobody then', async (context) => {
    const person = await aNewcomer(context);
    const file = person.write('fleet.yaml', 'name: mine\n');
    const before = await person.fleet('init', '--host', 'nowhere.invalid');
    expect(before).toMatchObject({ exit: 4, out: '', err: expect.stringMatching(/is there already[\s\S]*--force/) });
    expect(before.err).not.toContain('Asking');
    const dry = await person.fleet('init', '--dry-run', '--no-ask', '--host', 'mugen', 'me@10.0.0.7');
    expect(dry).toMatchObject({ exit: 0, out: expect.stringContaining('- { name: mugen, ssh: mugen }') });
    expect(readFileSync(file, 'utf8')).toBe('name: mine\n');
    expect(await person.fleet('init', '--force', '--no-ask', '--host', 'mugen')).toMatchObject({ exit: 0 });
    expect((await person.ask(Config, 'config')).nodes).toMatchObject([{ name: 'mugen', vcpu: null }]);
    expect(await person.fleet('init', '--force', '--file', '/dev/null')).toMatchObject({ exit: 2 });
    expect(await person.fleet('init', '--dry-run', '--host', '-oProxyCommand=x')).toMatchObject({ exit: 2 });
    expect(await person.fleet('init', '--dry-run', '--ssh-config', 'nowhere')).toMatchObject({ exit: 2 });
    expect(await person.fleet('init', '--file', 'no/such/fleet.yaml', '--no-ask')).toMatchObject({ exit: 2 });
  });

  it('makes this machine the fleet where no host can be used, and says why', async (context) => {
    const gone = await anSshd(context);
    await gone.kill();
    const person = await aNewcomer(context);
    const config = person.write('ssh_config', linesOf('gone', gone));
    const said = await person.fleet('init', '--ssh-config', config, '--file', 'other.yaml', '--name', 'miyabi');
    expect(said.err).toContain('no host can be used, so this machine is the fleet');
    expect(said.err).toContain('fleet doctor --file other.yaml');
    const { nodes } = await person.ask(Config, 'config', '--file', 'other.yaml');
    expect(nodes).toMatchObject([{ name: 'here', via: { kind: 'local' } }]);
    expect(readFileSync(join(person.desk, 'other.yaml'), 'utf8')).toMatch(/^name: miyabi /m);
  });

  it('leads editors to the schema: by a path inside this project, to where the program is from elsewhere', async (context) => {
    const person = await aNewcomer(context);
    const inside = mkdtempSync(join(ROOT, 'node_modules/.init-'));
    context.onTestFinished(() => rmSync(inside, { recursive: true }));
    for (const folder of [inside, person.desk]) {
      const file = join(folder, 'fleet.yaml');
      expect(await person.begin(['init', '--no-ask', '--host', 'a'], { cwd: folder }).ended).toMatchObject({ exit: 0 });
      expect(schemaOf(file)).toBe(join(ROOT, 'docs/fleet.schema.json'));
      expect(existsSync(schemaOf(file))).toBe(true);
    }
    const way = relative(inside, ROOT);
    expect(readFileSync(join(inside, 'fleet.yaml'), 'utf8')).toContain(`$schema=${way}/docs/`);
  });
});
