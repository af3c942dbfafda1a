import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeGroup } from './cgroup.ts';
import { type Ended, run } from './command.ts';
import { writeDisk } from './disk.ts';
import { type ExecLimits, execInside } from './inside.ts';
import { addressOf, layCable, namespaceOf, setCable, setSshQuiet } from './network.ts';
import { Power } from './power.ts';
import type { Run } from './run.ts';
import { until } from './until.ts';

/** A piece of this machine that a machine of the rig may read. */
export interface Bind {
  from: string;
  to: string;
}

export interface MachineOrder {
  /** Its hostname: lower-case letters, digits and dashes. */
  name: string;
  /** Who logs in besides root, and may become root without a password; `ubuntu` where absent. */
  user?: string;
  /** Login shell; `/bin/bash` where absent, `/usr/bin/fish` is there, too. */
  shell?: string;
  /** `/home/USER` where absent. */
  home?: string;
  /** Off until somebody puts it on. */
  isOff?: boolean;
  /** Size of a disk of its own for the home, from 8 on; `fillHome` needs it. */
  diskMiB?: number;
}

/** A machine that really boots. Disk, address and host key outlive its boots; its boot id does not. */
export interface Machine {
  readonly name: string;
  /** IPv4; only this machine and those of the same run reach it. */
  readonly address: string;
  readonly port: 22;
  readonly user: string;
  readonly home: string;
  /** `TYPE KEY`, as in a known_hosts file. */
  readonly hostKey: string;
  /** Its lines for a file of ssh. */
  readonly sshConfig: string;
  readonly isOn: boolean;
  /** Runs words from outside, past SSH, as root where no user is named: the person at the console. */
  exec(words: readonly string[], limits?: ExecLimits): Promise<Ended>;
  /** Runs a line through the system's ssh in the user's login shell, or root's. */
  ssh(line: string, limits?: ExecLimits): Promise<Ended>;
  /** Differs from boot to boot. */
  bootId(): Promise<string>;
  /** From inside, as by hand; done when its SSH answers after the new boot. */
  reboot(): Promise<void>;
  /** From inside; done when it is off. */
  powerOff(): Promise<void>;
  /** Everything in it ends at once, nothing is said. What was written and not synced is kept, unlike with a real one. */
  powerCut(): Promise<void>;
  /** Done when its SSH answers. */
  powerOn(): Promise<void>;
  /** Done when it is off, whoever did it; throws after a minute. */
  whenOff(): Promise<void>;
  /** Takes its network cable out; open connections hear nothing any more. */
  cutLink(): Promise<void>;
  mendLink(): Promise<void>;
  /** Loses every packet of its SSH and no other. */
  dropSsh(): Promise<void>;
  passSsh(): Promise<void>;
  /** Kill -9 of everyone's connections, or of the one that listens; systemd starts that one again by itself. */
  killSshd(which: 'sessions' | 'server'): Promise<void>;
  /** Leaves no byte on the disk of the home. Throws where the machine has no `diskMiB`. */
  fillHome(): Promise<void>;
  freeHome(): Promise<void>;
}

/** What all machines of a run share. */
export interface Ground {
  run: Run;
  image: string;
  binds: readonly Bind[];
  /** Texts of files that every machine begins with, by path. */
  files: Readonly<Record<string, string>>;
  authorizedKey: string;
  identity: string;
  knownHosts: string;
  /** File with the `sshConfig` of every machine. */
  sshConfig: string;
  /** Group of cgroup v2 for what the run has outside its machines. */
  supervisors: string;
}

const BOOT_MS_MAX = 90_000;
const SSH_MS_MAX = 60_000;
const LOGIN_SECONDS = 5;

const KILL_SESSIONS =
  'server=$(systemctl show -P MainPID ssh); for pid in $(pidof sshd); do [ "$pid" = "$server" ] || kill -9 "$pid"; done';
const KILL_SERVER =
  'pid=$(systemctl show -P MainPID ssh); kill -9 "$pid"; while [ -e "/proc/$pid/exe" ]; do sleep 0.01; done';
/** In ever smaller pieces, until not one byte goes in. Fails where one still goes in. */
const FILL =
  'for size in 1M 4k 1; do dd if=/dev/zero of="$1" bs=$size oflag=append conv=notrunc; sync; done 2>/dev/null; ! echo x >>"$1"';

/** Lays a new machine's cable and disk; it is off. */
export async function makeMachine(ground: Ground, slot: number, order: MachineOrder): Promise<Machine> {
  const { run: ofRun, image, authorizedKey } = ground;
  const { name, user = 'ubuntu', shell = '/bin/bash', diskMiB } = order;
  const home = order.home ?? `/home/${user}`;
  const folder = join(ofRun.folder, 'machines', name);
  await mkdir(folder, { recursive: true });
  const disk = { folder, image, hostname: name, user, shell, home, authorizedKey, files: ground.files };
  const hostKey = await writeDisk(diskMiB === undefined ? disk : { ...disk, diskMiB });
  const groups = await makeGroup(ofRun.groups, `machine-${name}`);
  await writeFile(join(folder, 'groups'), `${groups.join('\n')}\n`);
  await layCable(ofRun.id, ofRun.number, slot);
  const binds = [
    ...ground.binds.map(({ from, to }) => `--bind-ro=${escapeColons(from)}:${escapeColons(to)}`),
    ...(diskMiB === undefined ? [] : [`--bind=${escapeColons(join(folder, 'home'))}:${escapeColons(home)}`]),
  ];
  const words = [...nspawnWords(ofRun.id, slot, name), ...binds];
  const power = new Power({ folder, image, words, supervisors: ground.supervisors });
  const address = addressOf(ofRun.number, slot);
  return handle(ground, slot, power, { name, address, user, home, hostKey, small: diskMiB !== undefined });
}

function nspawnWords(id: string, slot: number, name: string): readonly string[] {
  return [
    `--machine=${id}-${name}`,
    `--hostname=${name}`,
    '--register=no',
    '--keep-unit',
    `--network-namespace-path=/run/netns/${namespaceOf(id, slot)}`,
    '--resolv-conf=off',
    '--timezone=off',
    '--link-journal=no',
    '--console=pipe',
    '--kill-signal=SIGRTMIN+4',
  ];
}

function escapeColons(path: string): string {
  return path.replaceAll('\\', '\\\\').replaceAll(':', '\\:');
}

interface Facts {
  name: string;
  address: string;
  user: string;
  home: string;
  hostKey: string;
  /** Whether the home has a disk of its own. */
  small: boolean;
}

function handle(ground: Ground, slot: number, power: Power, facts: Facts): Machine {
  const { id } = ground.run;
  const { name, user, home } = facts;
  const filler = join(home, '.rig-full');
  const exec = async (words: readonly string[], limits?: ExecLimits): Promise<Ended> => {
    const leader = await power.leader();
    if (leader === undefined) throw new Error(`${name} is off`);
    return execInside({ leader, group: ground.supervisors }, words, limits);
  };
  const inside = async (script: string, ...rest: string[]): Promise<string> => {
    const { code, stdout, stderr } = await exec(['bash', '-c', script, 'rig', ...rest]);
    if (code !== 0) throw new Error(`${name}: ${script} ended with ${code}: ${stderr.slice(-500)}`);
    return stdout.trim();
  };
  const ssh = (line: string, { user: who = user, input = '', msMax = SSH_MS_MAX }: ExecLimits = {}): Promise<Ended> =>
    run(['ssh', '-F', ground.sshConfig, '-l', who, name, line], { input, msMax });
  const bootId = (): Promise<string> => inside('cat /proc/sys/kernel/random/boot_id');
  const answers = async (): Promise<boolean> => {
    if (!power.isOn) throw new Error(`${name} went off while it booted; its console says: ${power.console()}`);
    // Until the boot is over, a login is refused to everyone but root.
    return (await ssh('', { msMax: 2 * LOGIN_SECONDS * 1000 })).code === 0;
  };
  const whenUp = (): Promise<boolean> => until(`${name} answers: ${power.console()}`, answers, BOOT_MS_MAX);
  return {
    name,
    address: facts.address,
    port: 22,
    user,
    home,
    hostKey: facts.hostKey,
    sshConfig: describeForSsh(ground, facts),
    get isOn() {
      return power.isOn;
    },
    exec,
    ssh,
    bootId,
    whenOff: () => power.whenOff(),
    powerCut: () => power.cut(),
    async reboot() {
      const before = await power.leader();
      await inside('systemctl reboot');
      await until(`${name} boots anew`, async () => ![before, undefined].includes(await power.leader()), BOOT_MS_MAX);
      await whenUp();
    },
    async powerOff() {
      await power.off();
    },
    async powerOn() {
      await power.on();
      await whenUp();
    },
    cutLink: () => setCable(id, slot, 'down'),
    mendLink: () => setCable(id, slot, 'up'),
    dropSsh: () => setSshQuiet(id, slot, true),
    passSsh: () => setSshQuiet(id, slot, false),
    async killSshd(which) {
      await inside(which === 'sessions' ? KILL_SESSIONS : KILL_SERVER);
    },
    async fillHome() {
      if (!facts.small) throw new Error(`the home of ${name} has no disk of its own; give it diskMiB`);
      await inside(FILL, filler);
    },
    async freeHome() {
      await inside('rm -f "$1"; sync', filler);
    },
  };
}

function describeForSsh({ identity, knownHosts }: Ground, { name, address, user }: Facts): string {
  const words = [
    `HostName ${address}`,
    `User ${user}`,
    `IdentityFile ${identity}`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
    `UserKnownHostsFile ${knownHosts}`,
    'GlobalKnownHostsFile none',
    'StrictHostKeyChecking yes',
    'BatchMode yes',
    `ConnectTimeout ${LOGIN_SECONDS}`,
  ];
  return [`Host ${name}`, ...words.map((line) => `  ${line}`), ''].join('\n');
}
