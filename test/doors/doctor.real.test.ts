import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { parse } from 'yaml';
import type { Status } from '../../controller/operations/status.ts';
import { until } from '../bootstrap/ground.ts';
import { run } from '../rig/command.ts';
import { type Machine, openRig, RIG_MS_MAX, type Rig } from '../rig/rig.ts';
import { canJail, makeKey } from '../rig/sshd.ts';
import { describeWith } from '../support/capability.ts';
import { aPerson, type Person, untilStatus } from './person.ts';

/** Troubles are planted, doctor must name each and tell what mends it; exactly that is done, and doctor is content. */

interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  fix: string | null;
}

interface Trouble {
  check: string;
  /** What doctor says of it. */
  seen: RegExp;
  /** Does what its fix tells; a command or an edit of the fleet file is done as it stands where this is absent. */
  mend?: (fix: string) => unknown;
  /** Nothing is broken by it. */
  isWish?: boolean;
}

async function findingsOf(person: Person, ...words: string[]): Promise<Finding[]> {
  // A turn of the CLI takes its time, and what stands in for one here takes none.
  const said = await person.fleet('doctor', '--json', '--quick', ...words);
  const { findings } = JSON.parse(said.out) as { findings: Finding[] };
  expect(said.exit).toBe(findings.every(({ ok }) => ok) ? 0 : 1);
  return findings;
}

/** What stands in backticks, in its order. */
function quotedIn(fix: string): string[] {
  return [...fix.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? '');
}

/** All are named, and nothing else is; then each is mended as it was told to be; then there is nothing to say. */
async function expectMended(person: Person, troubles: readonly Trouble[], machines: readonly Machine[] = []) {
  const wishes = troubles.filter(({ isWish }) => isWish).map(({ check }) => check);
  const needsMending = ({ check, ok, fix }: Finding) => !ok || (fix !== null && wishes.includes(check));
  const told = (await findingsOf(person)).filter(needsMending);
  const left = [...told];
  const matched = troubles.map((trouble) => {
    const at = left.findIndex(({ check, detail }) => check === trouble.check && trouble.seen.test(detail));
    return { trouble, finding: at < 0 ? undefined : left.splice(at, 1)[0] };
  });
  const unnamed = matched.flatMap(({ trouble, finding }) => (finding ? [] : [`${trouble.check}: ${trouble.seen}`]));
  expect({ unnamed, left }).toEqual({ unnamed: [], left: [] });
  for (const { trouble, finding } of matched) {
    expect(finding).toMatchObject({ ok: trouble.isWish === true, fix: expect.stringMatching(/\S/) });
    await (trouble.mend ?? ((fix: string) => obey(person, fix, machines)))(finding?.fix ?? '');
  }
  expect((await findingsOf(person)).filter(needsMending)).toEqual([]);
}

/** Does the first thing of a fix that can be done: a command here or there, or a line in the fleet file. */
async function obey(person: Person, fix: string, machines: readonly Machine[]): Promise<string> {
  const [first = ''] = quotedIn(fix);
  if (fix.startsWith('In ')) return edit(person, first);
  const name = /^On (\S+): /.exec(fix)?.[1];
  const machine = machines.find((each) => each.name === name);
  expect(fix, 'where it is done').toMatch(/^(Here|On \S+): /);
  const { code, stdout, stderr } = machine ? await machine.ssh(first) : await here(person, first);
  expect({ first, code, stderr }).toMatchObject({ code: 0 });
  return stdout;
}

/** A person at their own desk types it. Whatever asks for a secret is answered by the desk's own program. */
function here({ desk, env }: Person, line: string, more: NodeJS.ProcessEnv = {}) {
  const asking = { SSH_ASKPASS: join(desk, 'askpass'), SSH_ASKPASS_REQUIRE: 'force' };
  return run(['bash', '-c', `cd "$0" && ${line}`, desk], { env: { ...env, ...asking, ...more } });
}

/** `kinds.codex.program: /x` in the fleet file, which is JSON. */
function edit(person: Person, line: string): string {
  const colon = line.indexOf(': ');
  const steps = line.slice(0, colon).split(/\.|\[|\]\.?/);
  changeFile(person, (file) => withAt(file, steps, parse(line.slice(colon + 2))));
  return line;
}

function changeFile({ desk, write }: Person, change: (file: { nodes?: unknown[] }) => unknown): void {
  const file = JSON.parse(readFileSync(join(desk, 'fleet.yaml'), 'utf8')) as { nodes?: unknown[] };
  write('fleet.yaml', JSON.stringify(change(file), null, 2));
}

function withAt(value: unknown, [step, ...rest]: readonly string[], leaf: unknown): unknown {
  if (step === undefined) return leaf;
  if (Array.isArray(value))
    return (value as unknown[]).map((each, index) => (String(index) === step ? withAt(each, rest, leaf) : each));
  const fields = (value ?? {}) as Record<string, unknown>;
  return { ...fields, [step]: withAt(fields[step], rest, leaf) };
}

/** As root past its SSH. */
async function plant(machine: Machine, script: string): Promise<void> {
  const { code, stderr } = await machine.exec(['bash', '-euc', script]);
  expect({ script, code, stderr }).toMatchObject({ code: 0 });
}

/** Somebody at the desk: a key of their own, what they know of hosts, their ssh configuration. */
async function aPersonAfar(context: TestContext, rig: Rig): Promise<Person> {
  const env = { FLEET_AGENTS: undefined, FLEET_KIND: undefined, FLEET_PER_VCPU: undefined };
  const person = await aPerson(context, { env: { ...env, FLEET_MEMORY_GIB_EACH: undefined } });
  mkdirSync(join(person.home, '.ssh'), { mode: 0o700 });
  for (const [from, to] of [
    [rig.identity, 'id'],
    [`${rig.identity}.pub`, 'id.pub'],
    [rig.knownHosts, 'known'],
  ] as const)
    copyFileSync(from, join(person.desk, to));
  chmodSync(join(person.desk, 'id'), 0o600);
  const hosts = rig.machines.map(({ name, address }) => `Host ${name}\n  HostName ${address}\n  User ubuntu\n`);
  const all = `Host *\n  ConnectTimeout 10\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile ${person.desk}/known\n`;
  person.write('ssh_config', `${hosts.join('')}${all}  IdentityFile ${person.desk}/id\n`);
  return person;
}

/** This machine has no internet to offer, so in machines small stand-ins bring what apt-get and npm would bring. */
const STAND_INS = `
mkdir -p /opt/kept
cat >/usr/local/bin/apt-get <<'END'
#!/bin/sh
[ "$(id -u)" = 0 ] || { echo 'are you root?' >&2; exit 100; }
for each do [ ! -e "/opt/kept/$each" ] || mv "/opt/kept/$each" /usr/bin/; done
END
cat >/opt/kept/npm <<'END'
#!/bin/sh
[ "$*" = 'install -g @openai/codex@latest' ] || exit 1
printf '#!/bin/sh\\necho codex-cli 0.169.0\\n' >/usr/local/bin/codex && chmod +x /usr/local/bin/codex
END
chmod +x /usr/local/bin/apt-get /opt/kept/npm
`;
/** The clock itself is never touched: only `date` tells another time, until somebody turns NTP on. */
const OTHER_TIME = `
printf '#!/bin/sh\\nexec faketime -f +1h /usr/bin/date "$@"\\n' >/usr/local/bin/date
printf '#!/bin/sh\\n[ "$*" = "set-ntp true" ] && exec rm /usr/local/bin/date\\n' >/usr/local/bin/timedatectl
chmod +x /usr/local/bin/date /usr/local/bin/timedatectl
`;

describeWith(['rig'], 'fleet doctor, of machines over SSH', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ machines: [{ name: 'mugen', diskMiB: 1400 }, { name: 'majin' }] });
  }, RIG_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it('names eighteen things that a machine and its fleet file lack, and each is mended by what it tells', async (context) => {
    const mugen = rig.machine('mugen');
    const person = await aPersonAfar(context, rig);
    const { port, listen } = await aClosedPort(context);
    const endpoint = { endpoint: `http://127.0.0.1:${port}`, tunnel: true };
    const ssh = { host: 'mugen', config: `${person.desk}/ssh_config`, identity: `${person.desk}/id` };
    const categories = {
      coding: 1,
      business: { share: 1, kind: 'claude' },
      research: { share: 1, kind: 'inert' },
      support: { share: 1, kind: 'older' },
    };
    const file = {
      name: person.name,
      nodes: [{ name: 'mugen', ssh, vcpu: 4, memoryGiB: 10, cwd: '/srv/work' }],
      agents: { count: 6, kind: 'codex', categories },
      kinds: {
        codex: endpoint,
        claude: endpoint,
        inert: { ...endpoint, tool: 'codex', program: '/opt/inert/codex' },
        older: { ...endpoint, tool: 'codex', program: '/opt/older/codex' },
      },
    };
    person.write('fleet.yaml', JSON.stringify(file));
    chmodSync(ssh.identity, 0o644);
    await plant(mugen, STAND_INS);
    await plant(mugen, 'mv /usr/bin/tmux /usr/bin/jq /opt/kept');
    await plant(mugen, OTHER_TIME);
    await plant(
      mugen,
      `install -D /dev/stdin /home/ubuntu/.local/bin/claude <<<$'#!/bin/sh\\necho 2.1.329'
       install -D /dev/stdin /opt/older/codex <<<$'#!/bin/sh\\necho codex-cli 0.21.0'
       install -D -m 644 /dev/stdin /opt/inert/codex <<<$'#!/bin/sh\\necho codex-cli 0.169.0'
       echo 'ubuntu - nofile 64' >/etc/security/limits.d/50-small.conf
       echo AllowTcpForwarding no >/etc/ssh/sshd_config.d/10-closed.conf && systemctl reload ssh
       mkdir -p /etc/systemd/logind.conf.d
       printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf.d/kill.conf
       systemctl restart systemd-logind
       mkdir -p /home/ubuntu/.miyabi/${person.name} && cd /home/ubuntu
       echo 'another machine' >.miyabi/${person.name}/owner
       chown -R ubuntu: .miyabi .local
       fallocate -l 500M large
       mkdir many && cd many && seq $(($(stat -f -c %d .) - 5000)) | xargs touch
       chown root: /home/ubuntu`,
    );
    const showing = async (fix: string, place: string) => {
      expect((await mugen.ssh(quotedIn(fix)[0] ?? '')).stdout).toContain(place);
      await plant(mugen, `rm -rf ${place}`);
    };
    const all = (fix: string) => obeyAll(person, fix, rig.machines);
    const node = (what: string) => `node mugen: ${what}`;
    const troubles: Trouble[] = [
      { check: 'endpoint of codex, claude, inert, older', seen: /nobody listens at 127\.0\.0\.1/, mend: listen },
      { check: node('key'), seen: /desk\/id may be read by others \(mode 644\)/ },
      { check: node('tunnel'), seen: /does not forward a port/ },
      { check: node('tmux'), seen: /^missing$/ },
      { check: node('jq'), seen: /^missing/, isWish: true },
      { check: node('codex'), seen: /^missing/ },
      { check: node('claude'), seen: /^is at \/home\/ubuntu\/\.local\/bin\/claude/ },
      { check: node('/opt/inert/codex'), seen: /may not be run/ },
      { check: node('/opt/older/codex'), seen: /codex-cli 0\.21\.0, 0\.44 or newer/, mend: all },
      { check: node('home'), seen: /may not be written by ubuntu: it belongs to root/ },
      { check: node('cwd'), seen: /^\/srv\/work, where tasks are to work, is not there/ },
      { check: node('disk'), seen: /^0\.\d GiB free/, mend: (fix) => showing(fix, '/home/ubuntu/large') },
      { check: node('inodes'), seen: /^only \d+ more files/, mend: (fix) => showing(fix, '/home/ubuntu/many') },
      { check: node('clock'), seen: /^3[56]\d\d s ahead/ },
      { check: node('limits'), seen: /^64 open files/ },
      { check: node('logout'), seen: /KillUserProcesses=yes, and the user does not linger/ },
      { check: 'placement', seen: /^2 agents of 6 fit nowhere: mugen holds 4/ },
      { check: node('owner'), seen: /another ledger \(another\)/, mend: (fix) => takeOver(person, fix) },
    ];
    await expectMended(person, troubles, rig.machines);
  });

  it('tells seven ways apart that do not lead to a machine, and each leads there by what it tells', async (context) => {
    const majin = rig.machine('majin');
    const person = await aPersonAfar(context, rig);
    const { desk } = person;
    const known = readFileSync(join(desk, 'known'), 'utf8');
    const other = makeKey(desk, 'other', 'ed25519').trim();
    person.write('known-changed', `${majin.address} ${other}\n`);
    person.write('known-unknown', '');
    person.write('askpass', '#!/bin/sh\ncase $1 in *assword*) echo open-sesame ;; *) echo "$FINGERPRINT" ;; esac\n');
    chmodSync(join(desk, 'askpass'), 0o700);
    const users = ['refused', 'changed', 'unknown', 'nameless', 'closed', 'mute'];
    const again = `Host again\n  HostName ${majin.address}\n  User ubuntu\n`;
    const config = readFileSync(join(desk, 'ssh_config'), 'utf8');
    const hostOf = (name: string) =>
      `Host ${name}\n  HostName ${name === 'nameless' ? 'nowhere.invalid' : majin.address}\n  User ${name}\n`;
    person.write('ssh_config', `${users.map(hostOf).join('')}${again}${config}`);
    for (const user of users)
      await plant(
        majin,
        `useradd -m -s ${user === 'mute' ? '/usr/sbin/nologin' : '/bin/bash'} ${user} && cd /home/${user}
         install -d -m 700 -o ${user} .ssh && install -m 600 -o ${user} /root/.ssh/authorized_keys .ssh/`,
      );
    await plant(majin, "rm /home/refused/.ssh/authorized_keys; echo 'refused:open-sesame' | chpasswd");
    const way = (name: string, more = {}) => ({ name, ssh: { host: name, config: `${desk}/ssh_config`, ...more } });
    const nodes = [
      way('refused', { identity: `${desk}/id` }),
      way('changed', { knownHosts: `${desk}/known-changed` }),
      way('unknown', { knownHosts: `${desk}/known-unknown` }),
      way('nameless'),
      way('closed', { port: 2222 }),
      way('mute'),
      { ...way('majin'), vcpu: 8, memoryGiB: 20 },
    ];
    const twin = way('again');
    person.write(
      'fleet.yaml',
      JSON.stringify({ name: person.name, nodes: [...nodes, twin], agents: { count: 2, kind: 'command' } }),
    );
    const typing = (pick: RegExp) => async (fix: string) => {
      const shown = await majin.exec(['bash', '-c', 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub']);
      for (const line of quotedIn(fix).filter((each) => pick.test(each))) {
        const more = { FINGERPRINT: shown.stdout.split(' ')[1] ?? '' };
        const { code, stderr } = await here(person, line, more);
        expect({ line, code, stderr }).toMatchObject({ code: 0 });
      }
    };
    const node = (what: string) => `node ${what}: reach`;
    const rename = () =>
      person.write(
        'ssh_config',
        readFileSync(join(desk, 'ssh_config'), 'utf8').replace('nowhere.invalid', majin.address),
      );
    const withoutTwin = () => changeFile(person, (file) => ({ ...file, nodes: file.nodes?.slice(0, -1) }));
    const troubles: Trouble[] = [
      { check: node('refused'), seen: /accepts none of the keys/, mend: typing(/^ssh-copy-id /) },
      {
        check: node('changed'),
        seen: /shows another host key than the one in .*known-changed:1/,
        mend: typing(/^ssh(-keygen -R)? /),
      },
      { check: node('unknown'), seen: /^the host key of .* is not known: SHA256:/, mend: typing(/^ssh /) },
      { check: node('nameless'), seen: /has a name that nobody knows/, mend: rename },
      {
        check: node('closed'),
        seen: /refuses connections/,
        mend: (fix) => {
          expect(fix).toContain('set `port` of the node');
          edit(person, 'nodes[4].ssh.port: 22');
        },
      },
      {
        check: node('mute'),
        seen: /login shell of .* ended .*not available/,
        mend: async (fix) => expect(await majin.ssh(quotedIn(fix)[0] ?? '')).toMatchObject({ code: 0 }),
      },
      { check: 'node again: twin', seen: /^majin and again are one and the same machine/, mend: withoutTwin },
    ];
    await expectMended(person, troubles);
    expect(readFileSync(join(desk, 'known'), 'utf8')).toBe(known); // what was not asked about is as it was
  });

  it('says that a machine is off, and is content when it is on', async (context) => {
    const majin = rig.machine('majin');
    const person = await aPersonAfar(context, rig);
    const nodes = [{ name: 'majin', ssh: { host: 'majin', config: `${person.desk}/ssh_config` } }];
    person.write('fleet.yaml', JSON.stringify({ name: person.name, nodes, agents: { count: 1, kind: 'command' } }));
    await majin.powerOff();
    await majin.cutLink(); // else this machine would answer for it that nobody listens
    const mend = async (fix: string) => {
      expect(fix).toMatch(/^Switch the machine on/);
      await majin.mendLink();
      await majin.powerOn();
    };
    await expectMended(person, [
      { check: 'node majin: reach', seen: /cannot be reached over the network|did not answer in time/, mend },
    ]);
  });
});

/** Every command and every edit of a fix, in their order. */
async function obeyAll(person: Person, fix: string, machines: readonly Machine[]): Promise<void> {
  const parts = fix.split('; ').map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}`);
  for (const part of parts) await obey(person, part, machines);
}

/** The fix is a call of `fleet` that goes on until it is stopped. */
async function takeOver(person: Person, fix: string): Promise<void> {
  const words = quotedIn(fix)[0]?.split(' ') ?? [];
  expect(words).toEqual(['fleet', 'start', '--take-over']);
  await person.start(...words.slice(2));
  await untilStatus(person, 'the node is ours', ({ nodes }) => nodes.every(({ state }) => state === 'up'));
  expect(await person.fleet('stop')).toMatchObject({ exit: 0 });
}

/** A port that nobody listens at until `listen` is called. */
async function aClosedPort(context: TestContext) {
  const server = createServer((socket) => socket.destroy());
  const open = (port: number) => new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  await open(0);
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  context.onTestFinished(() => void server.close());
  return { port, listen: () => open(port) };
}

/** A person whose fleet is this machine, with a Codex CLI that is a stand-in and a key. */
async function aPersonHere(context: TestContext, more: Record<string, unknown> = {}): Promise<Person> {
  const person = await aPerson(context, { agents: 2, env: { OPENAI_API_KEY: 'sk-test', FLEET_KIND: 'codex' } });
  const program = person.write('codex', '#!/bin/sh\necho a warning >&2\necho codex-cli 0.169.0\n');
  chmodSync(program, 0o755);
  person.write('fleet.yaml', JSON.stringify({ kinds: { codex: { program, ...more } } }));
  return person;
}

describeWith(['tmux'], 'fleet doctor, of this machine', () => {
  it('names a broken fleet file with the line and what was meant, and nothing that rests on it', async (context) => {
    const person = await aPersonHere(context);
    const text = readFileSync(join(person.desk, 'fleet.yaml'), 'utf8');
    person.write('fleet.yaml', text.replace('kinds', 'knids'));
    await expectMended(person, [
      {
        check: 'fleet file',
        seen: /^fleet\.yaml:1:2 knids: .*kinds/,
        mend: (fix) => {
          expect(fix).toContain('`fleet config check`');
          person.write('fleet.yaml', text);
        },
      },
    ]);
  });

  it('names a key that is not set, and one that others may read', async (context) => {
    const person = await aPersonHere(context, { env: { OTHER_KEY: { from: 'file', path: 'key' } } });
    chmodSync(person.write('key', 'sk-other\n'), 0o644);
    await expectMended(person, [{ check: 'key of codex', seen: /desk\/key to be its owner’s alone/ }]);
    const keyless = await aPersonHere(context);
    const without = (...words: string[]) => keyless.begin(words, { env: { OPENAI_API_KEY: undefined } }).ended;
    const [none] = (await findingsOf({ ...keyless, fleet: without })).filter(({ ok }) => !ok);
    expect(none).toMatchObject({ check: 'key of codex', detail: expect.stringContaining('OPENAI_API_KEY is not set') });
    expect(quotedIn(none?.fix ?? '')[0]).toBe('export OPENAI_API_KEY=…');
    const found = await findingsOf(keyless); // to whom it is exported
    expect(found.filter(({ ok }) => !ok)).toEqual([]);
    expect(found.map(({ detail }) => detail)).toContain(`codex-cli 0.169.0 at ${keyless.desk}/codex`);
  });

  it.skipIf(!canJail)(
    'names a state folder that cannot hold the ledger: read-only, full, another’s (needs root)',
    async (context) => {
      const person = await aPersonHere(context);
      const state = join(person.desk, '.fleet');
      mkdirSync(state);
      const mount = (options: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', state]).status;
      expect(mount('size=2g,ro')).toBe(0);
      context.onTestFinished(() => void spawnSync('umount', ['-l', state]));
      await expectMended(person, [{ check: 'state folder', seen: /read-only/ }]);
      expect(mount('remount,size=8m')).toBe(0);
      const [full] = (await findingsOf(person)).filter(({ ok }) => !ok);
      expect(full).toMatchObject({ check: 'disk', detail: expect.stringMatching(/^0\.0 GiB free/) });
      expect(quotedIn(full?.fix ?? '')).toContain('--home FOLDER');
      expect((await findingsOf(person, '--home', join(person.desk, 'elsewhere'))).filter(({ ok }) => !ok)).toEqual([]);
      expect(mount('remount,size=2g')).toBe(0);
      chownSync(state, 12_345, 12_345);
      await expectMended(person, [
        { check: 'state folder', seen: new RegExp(`belongs to user 12345, and you are ${userInfo().username}`) },
      ]);
    },
  );

  it('names a controller that was stopped, and it goes on', async (context) => {
    const person = await aPersonHere(context);
    const controller = await person.start();
    await untilStatus(person, 'its agents are there', isAtRest);
    controller.signal('SIGSTOP');
    const stopped = await until('it is missed', async () => (await findingsOf(person)).find(({ ok }) => !ok), 30_000);
    expect(stopped).toMatchObject({
      check: 'controller',
      detail: expect.stringMatching(/heartbeat \d+ s ago: it was stopped$/),
    });
    await obey(person, stopped.fix ?? '', []);
    await until('it goes on', async () => (await findingsOf(person)).every(({ ok }) => ok), 30_000);
  });
});

const isAtRest = ({ agents }: Status) => agents.length > 0 && agents.every(({ state }) => state === 'idle');
