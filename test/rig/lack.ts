import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ensureSystemPrograms } from '../../controller/rehearsal/machine.ts';
import { ensureImage } from './image.ts';

/** Whether machines can be booted here. */
export type RigFinding = { is: 'present'; program: string; version: string } | { is: 'absent'; why: string };

/** What the rig runs here, and the package of Debian and Ubuntu that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'systemd-nspawn': 'systemd-container',
  mmdebstrap: 'mmdebstrap',
  nft: 'nftables',
  ip: 'iproute2',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  flock: 'util-linux',
  losetup: 'mount',
  'mkfs.ext4': 'e2fsprogs',
};
/** Namespaces a machine lives in; that of time keeps its uptime its own. */
const NAMESPACES = ['--mount', '--uts', '--ipc', '--net', '--pid', '--fork', '--cgroup', '--time'];
/** Where runs keep the disks of machines. Tried and taken away: inside a container its own disk is often no good. */
const RUNS_PLACE = '/var/tmp';
const TRY_OVERLAY = `
folder=$(mktemp -d ${RUNS_PLACE}/rig-try.XXXXXX) && cd "$folder" && mkdir lower upper work root &&
  mount -t overlay rig -o index=on,lowerdir=lower,upperdir=upper,workdir=work root && umount root
code=$?
rm -rf "$folder"
exit $code
`;
const ASK_MS_MAX = 20_000;

/** Why there can be no rig here, in words; undefined where there can. Looks, and changes nothing. */
export function rigLack(): string | undefined {
  return groundLack() ?? programsLack() ?? filterLack();
}

/** Brings what the rig needs, its image too: minutes, the first time. Never throws: absence is a finding. */
export async function findRig(tell: (text: string) => void = () => {}): Promise<RigFinding> {
  const ground = groundLack();
  if (ground !== undefined) return { is: 'absent', why: ground };
  try {
    const packages = new Set(missingPrograms().map((name) => PROGRAMS[name] ?? name));
    if (packages.size > 0) await ensureSystemPrograms([], { env: process.env, progress: tell, wished: [...packages] });
    const why = programsLack() ?? filterLack();
    if (why !== undefined) return { is: 'absent', why };
    tell('Preparing the disk of the rig (one to three minutes, once)');
    await ensureImage();
    return { is: 'present', program: findProgram('systemd-nspawn') ?? '', version: askVersion() };
  } catch (error) {
    return { is: 'absent', why: firstLine(error) };
  }
}

/** What no package brings. */
function groundLack(): string | undefined {
  if (process.platform !== 'linux') return 'machines of the rig need Linux';
  if (process.getuid?.() !== 0) return 'not root, who alone can boot machines here';
  if (findProgram('apt-get') === undefined) return 'no apt-get: the disk of machines is made with it';
  if (!/ - cgroup2 /.test(readFileSync('/proc/self/mountinfo', 'utf8'))) return 'cgroup v2 is not mounted';
  if (!answers(['unshare', ...NAMESPACES, 'true'])) return 'new namespaces are refused here';
  if (!answers(['unshare', '--mount', 'sh', '-c', TRY_OVERLAY])) return `no overlay can be mounted in ${RUNS_PLACE}`;
  return undefined;
}

function programsLack(): string | undefined {
  const missing = missingPrograms();
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map((name) => PROGRAMS[name]))].join(' ');
  return `not in PATH: ${missing.join(', ')}; on Debian or Ubuntu: sudo apt-get install -y ${packages}`;
}

/** The filter of packets is the one part that a kernel may lack although its program is there. */
function filterLack(): string | undefined {
  const words = ['unshare', '--net', 'nft', 'add', 'table', 'bridge', 'rig'];
  return answers(words) ? undefined : 'this kernel cannot filter packets on a bridge (nf_tables)';
}

function missingPrograms(): readonly string[] {
  return Object.keys(PROGRAMS).filter((name) => findProgram(name) === undefined);
}

function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path) && isExecutable(path));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // there, but not a program
  }
}

function answers(words: readonly string[]): boolean {
  const [program = '', ...rest] = words;
  return spawnSync(program, rest, { stdio: 'ignore', timeout: ASK_MS_MAX, killSignal: 'SIGKILL' }).status === 0;
}

function askVersion(): string {
  const { stdout } = spawnSync('systemd-nspawn', ['--version'], { encoding: 'utf8', timeout: ASK_MS_MAX });
  return /\d+/.exec(stdout ?? '')?.[0] ?? 'of unknown version';
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? 'no reason given';
}
