import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { have } from '../support/capability.ts';
import { must } from './command.ts';
import { narrowed } from './inside.ts';
import { type Ended, type Machine, openRig, RIG_MS_MAX, type Rig, rigLack } from './rig.ts';
import { until } from './until.ts';

const lack = rigLack() ?? (have('rig') ? undefined : 'the disk of its machines could not be made');
const title = (text: string) => (lack === undefined ? text : `${text} (needs the rig: ${lack.replace(/[()]/g, '')})`);

/** The first rig on a machine builds the disk that all begin with. */
const LOST_MS_MAX = 30_000;

const said = ({ code, stdout, stderr }: Ended) => ({ code, said: stdout.trim(), complained: stderr.trim() });
const fine = (text: string) => ({ code: 0, said: text, complained: '' });

/** Everything on this machine that bears a run's name: processes, wires, groups, mounts, disks, folders. */
async function tracesOf({ id, folder }: { id: string; folder: string }): Promise<readonly string[]> {
  const mine = (text: string) => new RegExp(`(${folder}|[=/]${id})([-/\\s\\0]|$)`).test(text);
  const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && mine(readOr(`/proc/${pid}/cmdline`)));
  // It ends with 1 where a folder goes while it looks, which is what is waited for.
  const find = 'find /sys/fs/cgroup -maxdepth 6 -type d -name "$0" 2>/dev/null; [ $? -le 1 ]';
  const groups = await must(['sh', '-c', find, id]);
  const places = [folder, `/sys/class/net/${id}`].filter(existsSync);
  const names = ['/run/netns', '/run/systemd/nspawn/propagate', '/run/systemd/nspawn/unix-export'].flatMap((place) =>
    existsSync(place) ? readdirSync(place).map((name) => join(place, name)) : [],
  );
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const disks = (await must(['losetup', '--list', '--noheadings', '--output', 'BACK-FILE'])).split('\n');
  return [...processes, ...lines(groups), ...places, ...[...names, ...mounts, ...disks].filter(mine)];
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process ended meanwhile
  }
}

describe.skipIf(lack !== undefined)(title('a machine of the rig'), () => {
  let rig: Rig;
  let mugen: Machine;
  let majin: Machine;
  beforeAll(async () => {
    const binds = [{ from: import.meta.dirname, to: '/opt/rig' }];
    const odd = { name: 'majin', user: 'deploy', shell: '/usr/bin/fish', home: '/home/de ploy' };
    rig = await openRig({ machines: [{ name: 'mugen', diskMiB: 24 }, odd], binds });
    [mugen, majin] = [rig.machine('mugen'), rig.machine('majin')];
  }, RIG_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it('boots, and takes its user and root over SSH by its host key, with sshd as Debian sets it up', async () => {
    const look = 'echo $(id -un) $(hostname) $HOME $(systemctl is-system-running --wait)';
    expect(said(await mugen.ssh(look))).toEqual(fine('ubuntu mugen /home/ubuntu running'));
    expect(said(await mugen.ssh(look, { user: 'root' }))).toEqual(fine('root mugen /root running'));
    expect(said(await mugen.ssh('sudo -n id -u; cat', { input: 'heard' }))).toEqual(fine('0\nheard'));
    const limits = await mugen.ssh('sudo sshd -T | grep -E "^(maxsessions|maxstartups)" | sort');
    expect(said(limits)).toEqual(fine('maxsessions 10\nmaxstartups 10:30:100'));
    expect(statSync(rig.identity).mode & 0o777).toBe(0o600);
  });

  it('has the user, the login shell and the home that were asked for', async () => {
    expect(said(await majin.ssh('echo $FISH_VERSION; pwd; touch here'))).toMatchObject({ code: 0, complained: '' });
    const look = 'stat -c "%U %n" "$HOME"/here; getent passwd deploy | cut -d: -f7';
    const looked = await majin.exec(['bash', '-c', look], { user: 'deploy' });
    expect(said(looked)).toEqual(fine('deploy /home/de ploy/here\n/usr/bin/fish'));
  });

  it('reads what is bound from this machine, and cannot write there', async () => {
    expect(said(await mugen.ssh('head -c 18 /opt/rig/machine.sh'))).toMatchObject({
      code: 0,
      said: '#!/usr/bin/env bas',
    });
    expect(said(await mugen.exec(['touch', '/opt/rig/x']))).toMatchObject({ code: 1 });
  });

  it('reaches the other machines of its rig, so that one can lead to another, and nothing outside', async () => {
    const words = ['ssh', '-F', rig.sshConfig, '-J', 'mugen', 'majin', 'hostname'];
    expect((await must(words)).trim()).toBe('majin');
    expect(said(await mugen.exec(['ip', 'route', 'get', '192.0.2.1']))).toMatchObject({ code: 2 });
    expect(said(await mugen.exec(['ip', 'route', 'show', 'default']))).toEqual(fine(''));
  });

  it('is entered from outside with no more rights than its own, and never with that to set the clock', async () => {
    const rights = 'grep -h CapBnd /proc/self/status /proc/1/status | sort -u';
    const { stdout } = await mugen.exec(['bash', '-c', rights]);
    expect(stdout).toMatch(/^CapBnd:\t[0-9a-f]{16}\n$/);
    expect((BigInt(`0x${stdout.trim().slice(-16)}`) >> 25n) & 1n).toBe(0n);
    expect(() => narrowed('CapBnd:\t000001ffffffffff\n')).toThrow('could set the clock');
    const asUser = await mugen.exec(['bash', '-c', 'id -un; echo $HOME; cat; exit 7'], { user: 'ubuntu', input: 'in' });
    expect(said(asUser)).toEqual({ code: 7, said: 'ubuntu\n/home/ubuntu\nin', complained: '' });
    expect(said(await mugen.exec(['sleep', '60'], { msMax: 500 }))).toMatchObject({ code: null });
  });

  it('counts its uptime from its own boot', async () => {
    const { stdout } = await mugen.exec(['cat', '/proc/uptime']);
    expect(Number(stdout.split(' ')[0])).toBeLessThan(rigSeconds());
  });

  it('keeps its disk over a power cut, and has another boot id then', async () => {
    const before = await mugen.bootId();
    await mugen.ssh('echo kept >kept; sudo touch /etc/kept; sync; setsid sleep 1000 >/dev/null 2>&1 &');
    await mugen.powerCut();
    expect(mugen.isOn).toBe(false);
    await expect(mugen.exec(['true'])).rejects.toThrow('mugen is off');
    await mugen.powerOn();
    expect(said(await mugen.ssh('cat kept /etc/kept; pidof sleep || echo none'))).toEqual(fine('kept\nnone'));
    expect(await mugen.bootId()).not.toBe(before);
  });

  it('boots anew when it is told to from inside, and stays off when it is told so', async () => {
    const before = await majin.bootId();
    await majin.reboot();
    const after = await majin.bootId();
    expect(after).not.toBe(before);
    await majin.ssh('sudo systemctl poweroff');
    await majin.whenOff();
    await majin.powerOn();
    await majin.powerOff();
    await majin.powerOn();
    expect(await majin.bootId()).not.toBe(after);
  });

  /** Whatever failed, the next test finds whole wires and an empty disk. */
  afterEach(async () => {
    await mugen.mendLink();
    await mugen.passSsh();
    if (mugen.isOn) await mugen.freeHome();
  });

  it('hears nothing while its cable is out; what runs there runs on', async () => {
    await mugen.ssh('setsid sh -c "sleep 2; echo done >done" >/dev/null 2>&1 &');
    await mugen.cutLink();
    expect(said(await mugen.ssh('true'))).toMatchObject({ code: 255 });
    expect((await mugen.exec(['ip', 'link', 'show', 'eth0'])).stdout).toContain('NO-CARRIER');
    expect(said(await majin.ssh('true'))).toMatchObject({ code: 0 });
    await mugen.mendLink();
    await until('the work ended', async () => (await mugen.ssh('cat done')).stdout === 'done\n', LOST_MS_MAX);
  });

  it('can lose its SSH alone', async () => {
    await mugen.dropSsh();
    expect(said(await mugen.ssh('true'))).toMatchObject({ code: 255 });
    const knock = await majin.exec(['bash', '-c', `: <>/dev/tcp/${mugen.address}/9`]);
    expect(knock.stderr).toContain('Connection refused'); // somebody answered
    await mugen.passSsh();
    await mugen.passSsh();
    expect(said(await mugen.ssh('true'))).toMatchObject({ code: 0 });
  });

  it('can have its connections killed, and the server of them, which systemd starts again', async () => {
    const open = mugen.ssh('echo; sleep 100');
    await until('a connection', async () => (await mugen.exec(['pidof', 'sleep'])).code === 0, LOST_MS_MAX);
    await mugen.killSshd('sessions');
    expect((await open).code).toBe(255);
    const server = async () => Number((await mugen.ssh('systemctl show -P MainPID ssh')).stdout);
    const before = await server();
    await mugen.killSshd('server');
    const after = await until('the next server', async () => (await server()) || undefined, LOST_MS_MAX);
    expect(after).not.toBe(before);
  });

  it('has a home that can be full to the last byte', async () => {
    await mugen.fillHome();
    const write = 'echo x >new 2>/dev/null && sync && cat new';
    expect(said(await mugen.ssh(write))).toMatchObject({ code: 1, said: '' });
    expect(said(await mugen.ssh('sudo bash -c "echo x >/home/ubuntu/new"')).complained).toContain('No space left');
    expect(said(await mugen.ssh('sudo touch /var/tmp/elsewhere'))).toEqual(fine(''));
    await mugen.freeHome();
    expect(said(await mugen.ssh(write))).toEqual(fine('x'));
    await expect(majin.fillHome()).rejects.toThrow('diskMiB');
  });

  it('runs scopes of systemd for root, and for a user who may linger', async () => {
    expect(said(await mugen.ssh('loginctl enable-linger && loginctl show-user ubuntu -P Linger'))).toEqual(fine('yes'));
    const look = ['sed', '-n', 's/^0:://p', '/proc/self/cgroup'];
    const user = await mugen.ssh(`systemd-run --user --scope --unit=mine --quiet ${look.join(' ')}`);
    expect(said(user)).toEqual(fine('/user.slice/user-1000.slice/user@1000.service/app.slice/mine.scope'));
    const root = await mugen.ssh(`sudo systemd-run --scope --unit=ours --quiet ${look.join(' ')}`);
    expect(said(root)).toEqual(fine('/system.slice/ours.scope'));
  });

  it('holds a scope of root to its memory and its tasks', async () => {
    const eat = 'head -c 200M /dev/zero | tail -c 190M | wc -c';
    const free = await mugen.ssh(`sudo systemd-run --scope --quiet bash -c '${eat}'`);
    expect(said(free)).toEqual(fine(String(190 * 1024 * 1024)));
    const held = await mugen.ssh(`sudo systemd-run --scope --quiet -p MemoryMax=60M bash -c '${eat}'`);
    expect(held.stdout).not.toBe(free.stdout);
    const many = 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait';
    const few = await mugen.ssh(`sudo systemd-run --scope --quiet -p TasksMax=5 bash -c '${many}'`);
    expect(few.stderr).toContain('fork');
  });
});

const began = performance.now();
/** Seconds since this file began, generously: a machine it booted cannot have been up for longer. */
const rigSeconds = () => (performance.now() - began) / 1000 + 1;

/** A process that opens a rig and waits to be killed; its rig's name and folder. */
async function openElsewhere(order: string) {
  const script = `
    import { openRig } from ${JSON.stringify(join(import.meta.dirname, 'rig.ts'))};
    const { id, folder } = await openRig(${order});
    console.log(JSON.stringify({ id, folder }));
    setInterval(() => {}, 1000);
  `;
  const words = ['--input-type=module', '--eval', script];
  const owner = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
  const { id, folder } = JSON.parse(line) as { id: string; folder: string };
  const kill = async (): Promise<void> => {
    owner.kill('SIGKILL');
    if (owner.exitCode === null && owner.signalCode === null) await once(owner, 'exit');
  };
  return { id, folder, kill, pid: owner.pid ?? 0 };
}

describe.skipIf(lack !== undefined)(title('a rig'), () => {
  it('stands beside another without meeting it, and leaves nothing when it is closed', {
    timeout: RIG_MS_MAX,
  }, async () => {
    await using one = await openRig({ machines: [] });
    const two = await openRig({ machines: [{ name: 'mugen', diskMiB: 16 }] });
    try {
      expect(two.id).not.toBe(one.id);
      const mugen = two.machine('mugen');
      expect(said(await mugen.ssh('echo here'))).toEqual(fine('here'));
      const other = (await must(['ip', '-4', '-o', 'address', 'show', 'dev', one.id])).split(/\s+/)[3]?.split('/')[0];
      expect(said(await mugen.exec(['ip', 'route', 'get', other ?? '']))).toMatchObject({ code: 2 });
      expect((await tracesOf(two)).length).toBeGreaterThan(8);
    } finally {
      await two[Symbol.asyncDispose]();
    }
    expect(await tracesOf(two)).toEqual([]);
    expect((await tracesOf(one)).length).toBeGreaterThan(3);
  });

  it('goes when whoever opened it is killed, machines and all', { timeout: RIG_MS_MAX }, async () => {
    const lost = await openElsewhere(`{ machines: [{ name: 'mugen', diskMiB: 16 }] }`);
    await lost.kill();
    await until('its guard has removed it', async () => (await tracesOf(lost)).length === 0, 2 * LOST_MS_MAX);
  });

  it('is removed by the next when its guard was killed too', { timeout: RIG_MS_MAX }, async () => {
    const lost = await openElsewhere('{ machines: [] }');
    const guards = lines(await must(['ps', '-o', 'pid=,args=', '--ppid', String(lost.pid)]));
    const guard = Number(
      guards
        .find((line) => line.includes('rig-guard'))
        ?.trim()
        .split(' ')[0],
    );
    process.kill(guard, 'SIGKILL');
    await lost.kill();
    expect((await tracesOf(lost)).length).toBeGreaterThan(3);
    await using next = await openRig({ machines: [] });
    if (next.id !== lost.id)
      await until('nothing of it is left', async () => (await tracesOf(lost)).length === 0, LOST_MS_MAX);
    expect(next.machines).toEqual([]);
  });
});
