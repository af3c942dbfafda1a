import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, type TestContext, test } from 'vitest';
import { loadProgram } from '../../controller/node/program.ts';
import { removeFleet } from '../../controller/node/shell.ts';
import { openLocal } from '../../controller/transport/local.ts';
import { type Machine, openRig, type Rig } from '../rig/rig.ts';
import { describeWith } from '../support/capability.ts';
import { greet, prefixed, processesWith, until } from './ground.ts';

/**
 * The node program on a machine that really boots and ends what a login began when the login ends
 * (KillUserProcesses=yes), as an ordinary user over SSH.
 */

/** The rig has no polkit, which elsewhere lets users linger; this asks in its place. */
const SET_UP = `
mkdir -p /etc/systemd/logind.conf.d
printf '[Login]\\nKillUserProcesses=yes\\nKillExcludeUsers=\\n' >/etc/systemd/logind.conf.d/kill.conf
systemctl restart systemd-logind
printf '#!/bin/sh\\nexec sudo -n /usr/bin/loginctl "$@"\\n' >/usr/local/bin/loginctl
chmod 755 /usr/local/bin/loginctl
`;

let rig: Rig;
let machine: Machine;

async function inside(script: string, user?: string): Promise<string> {
  const { code, stdout, stderr } = await machine.exec(['bash', '-c', script], user === undefined ? {} : { user });
  if (code !== 0) throw new Error(`${script}: ended with ${code}: ${stderr}`);
  return stdout.trim();
}

/** Words that run what follows them through ssh, as the shell of a login takes it. */
const sshWords = (login: string, ...options: string[]) => [
  ...['bash', '-c', 'file=$0 login=$1; shift; printf -v line "%q " "$@"; exec ssh -F "$file" $login "exec $line"'],
  ...[rig.sshConfig, [...options, login].join(' ')],
];

/** This machine's fleet of one test, which goes with it. */
async function aFleet(context: TestContext, login = 'mugen', path = '/usr/local/bin:/usr/bin:/bin') {
  const program = await loadProgram();
  const fleet = `t${randomBytes(4).toString('hex')}`;
  const home = login.startsWith('root@') ? '/root' : machine.home;
  const plain = openLocal({ PATH: process.env.PATH, HOME: process.env.HOME });
  const side = { fleet, program, root: `${home}/.miyabi/${fleet}`, transport: prefixed(plain, sshWords(login)) };
  const remove = () => side.transport.run(removeFleet(fleet, program.hash, program.text));
  context.onTestFinished(async () => void (await remove()));
  return {
    ...side,
    remove,
    greet: (...options: string[]) => {
      const words = [...sshWords(login, ...options), 'env', `PATH=${path}`];
      return greet(context, { ...side, transport: prefixed(plain, words) });
    },
  };
}

/** Logins of people, by the machine's own account. */
const sessions = () => inside('loginctl list-sessions --no-legend');
const allLoggedOut = () => until('all logins ended', async () => (await sessions()) === '', 30_000);

/** Group of the process whose id stands first on a line of a file. */
const groupOf = (file: string, line = 1) =>
  inside(`read -r pid _ < <(sed -n ${line}p "${file}"); sed -n s/^0:://p "/proc/$pid/cgroup"`);

describeWith(['rig'], 'a machine that ends what a login began', () => {
  beforeAll(async () => {
    rig = await openRig({ machines: [{ name: 'mugen' }] });
    machine = rig.machine('mugen');
    await inside(SET_UP);
  }, 600_000);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  }, 60_000);

  test('ends no work and no window of ours with a login', async (context) => {
    const fleet = await aFleet(context);
    const here = await fleet.greet();
    context.expect(here.link.greeting).toMatchObject({ holds: 'scope', cgroup: true });
    const attempt = await here.start('echo begun; until [ -e go ]; do sleep 0.2; done; echo went on');
    await here.link.openSessions([`${fleet.fleet}-001`]);
    await until('a tool', async () => (await inside(`sed -n 2p ${here.file(attempt)} | tr -d ' '`)) !== '');
    // What is begun by hand in the same way ends: the setting is in force.
    await machine.ssh('nohup setsid sleep 4711 >/dev/null 2>&1 </dev/null &');
    here.link.close();
    await here.link.ended;
    await allLoggedOut();
    await until('the end of the other', async () => (await inside('pgrep -fx "sleep 4711" || :')) === '');
    context
      .expect(await inside(`tmux -S ${fleet.root}/tmux.sock list-sessions -F '#S'`, 'ubuntu'))
      .toBe(`${fleet.fleet}-001`);
    await inside(`: >${fleet.root}/agents/001/work/go`);
    const again = await fleet.greet();
    context.expect(await again.ended(attempt)).toMatchObject({ how: 'exited', exit: 0 });
    context.expect((await again.link.evidence(attempt)).out).toBe('begun\nwent on\n');
  });

  test('keeps windows in a unit of their own, and work when a server’s scope is stopped is told as lost', async (context) => {
    const fleet = await aFleet(context);
    const here = await fleet.greet();
    await here.link.openSessions([`${fleet.fleet}-001`]);
    const attempt = await here.start('exec sleep 1000');
    await until('a tool', async () => (await inside(`sed -n 2p ${here.file(attempt)} | tr -d ' '`)) !== '');
    const scope = /miyabi-[^/]*-server-[^/]*\.scope/.exec(await groupOf(`${fleet.root}/serve.pid`))?.[0];
    context.expect(await groupOf(here.file(attempt), 2)).toContain(`${scope}/miyabi-${fleet.fleet}-`);
    const tmux = () => inside(`tmux -S ${fleet.root}/tmux.sock display-message -p '#{pid}'`, 'ubuntu');
    const windows = await tmux();
    context.expect(await inside(`cat /proc/${windows}/cgroup`)).toMatch(`miyabi-${fleet.fleet}-tmux-`);
    await inside(`XDG_RUNTIME_DIR=/run/user/1000 systemctl --user stop ${scope}`, 'ubuntu');
    await here.link.ended;
    context.expect(await tmux()).toBe(windows);
    const again = await fleet.greet();
    context.expect(await again.ended(attempt)).toMatchObject({ how: 'lost' });
  });

  test('is freed of a former connection that hangs, and of its forwarded port, and of no other', async (context) => {
    const fleet = await aFleet(context);
    const forwarded = '127.0.0.1:40123';
    const here = await fleet.greet('-R', `${forwarded}:127.0.0.1:9`);
    const heard: string[] = [];
    const bystander = await fleet.transport.open(['cat'], (line) => void heard.push(line));
    context.onTestFinished(() => bystander.close());
    bystander.write('before\n');
    await until('another connection', () => heard.length === 1);
    const ports = () => inside('ss -Hltn');
    context.expect(await ports()).toContain(forwarded);
    // The other end falls silent, as with a dead link: sshd does not know.
    const clients = processesWith(`${forwarded}:`);
    for (const pid of clients) process.kill(pid, 'SIGSTOP');
    context.onTestFinished(() => {
      for (const pid of clients) process.kill(pid, 'SIGCONT');
    });
    const again = await fleet.greet();
    context.expect(await ports()).not.toContain(forwarded);
    context.expect(again.link.greeting.epoch).toBe(here.link.greeting.epoch + 1);
    bystander.write('after\n');
    await until('its answer', () => heard.length === 2);
  });

  test.for(['mugen', 'root@mugen'])('is as it was after the fleet was removed, as %s', async (login, context) => {
    await allLoggedOut();
    const look = () =>
      inside(`
        export XDG_RUNTIME_DIR=/run/user/1000
        ls -A /var/lib/systemd/linger
        find /home/ubuntu /root /tmp -not -path '*/.cache*' | sort
        find /sys/fs/cgroup/unified -name '*miyabi*'
        systemctl list-units --all --no-legend 'miyabi*'
        ps -eo user,args --no-headers | grep -vE 'ps -eo|sort|bash -c|\\[|systemd|sd-pam|grep|kworker' | sort`);
    const before = await until('quiet', async () => {
      const [one, two] = [await look(), await look()];
      return one === two && one;
    });
    const fleet = await aFleet(context, login);
    const here = await fleet.greet();
    context.expect(here.link.greeting.holds).toBe('scope');
    await here.link.openSessions([`${fleet.fleet}-001`]);
    const done = await here.start('mkdir -p a/b; chmod 500 a', { agent: 2 });
    const attempt = await here.start('setsid nohup sleep 4712 & sleep 4713');
    await here.ended(done);
    await until('a tool', async () => (await inside(`sed -n 2p ${here.file(attempt)} | tr -d ' '`)) !== '');
    context.expect(await look()).not.toBe(before);
    context.expect(await fleet.remove()).toMatchObject({ is: 'exited', code: 0, stderr: '' });
    await here.link.ended;
    await allLoggedOut();
    await until('all as before', async () => (await look()) === before, 20_000).catch(async () => {
      context.expect(await look()).toBe(before);
    });
  });

  test('is left lingering as long as another fleet needs it, whoever turned it on', async (context) => {
    const lingers = () => inside('ls -A /var/lib/systemd/linger');
    const [first, second] = [await aFleet(context), await aFleet(context)];
    context.expect(await lingers()).toBe('');
    for (const fleet of [first, second]) context.expect((await fleet.greet()).link.greeting.holds).toBe('scope');
    context.expect(await lingers()).toBe('ubuntu');
    await first.remove();
    context.expect(await lingers()).toBe('ubuntu');
    await second.remove();
    context.expect(await lingers()).toBe('');
  });

  test.for([
    ['may not linger', ''],
    ['cannot begin scopes', 'exit 1'],
    ['hangs when it is to begin scopes', 'exec sleep 1000'],
    ['begins none but the first', 'case "$*" in *" true") exec /usr/bin/systemd-run "$@" ;; *) exit 1 ;; esac'],
  ])('works in the login’s own session where it %s, and says so', async ([, systemdRun], context) => {
    await inside(`mkdir -p /opt/odd; rm -f /opt/odd/*
      [ -z '${systemdRun}' ] || ln -s /usr/local/bin/loginctl /opt/odd/loginctl
      printf '#!/bin/sh\n%s\n' '${systemdRun}' >/opt/odd/systemd-run; chmod 755 /opt/odd/systemd-run`);
    const fleet = await aFleet(context, 'mugen', '/opt/odd:/usr/bin:/bin');
    const here = await until('a greeting', () => fleet.greet().catch(() => undefined), 60_000);
    context.expect(here.link.greeting.holds).toBe('session');
    context.expect(await here.ended(await here.start('exit 3'))).toMatchObject({ exit: 3 });
  });

  test('ends what a reboot ended, and works on', async (context) => {
    const fleet = await aFleet(context);
    const here = await fleet.greet();
    const attempt = await here.start('exec sleep 1000');
    await until('a tool', async () => (await inside(`sed -n 2p ${here.file(attempt)} | tr -d ' '`)) !== '');
    await machine.reboot();
    await here.link.ended;
    const again = await fleet.greet();
    context.expect(again.link.greeting).toMatchObject({ holds: 'scope', epoch: 2 });
    context.expect(again.link.greeting.boot).not.toBe(here.link.greeting.boot);
    context.expect(await again.ended(attempt)).toMatchObject({ how: 'lost' });
    context.expect(await again.ended(await again.start('exit 3'))).toMatchObject({ exit: 3 });
  });

  test('works where nobody sees another’s processes', async (context) => {
    await inside('mount -o remount,hidepid=2 /proc');
    context.onTestFinished(async () => void (await inside('mount -o remount,hidepid=0 /proc')));
    const fleet = await aFleet(context);
    const first = await fleet.greet();
    context.expect(await first.ended(await first.start('exit 3'))).toMatchObject({ exit: 3 });
    const again = await fleet.greet();
    await first.link.ended;
    context.expect(again.link.greeting.epoch).toBe(2);
  });
});
