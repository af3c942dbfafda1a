import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { must } from './command.ts';

const SCRIPT = join(import.meta.dirname, 'image.sh');
const BUILD_MS_MAX = 15 * 60_000;

/** On every machine: what boots, what people log in with, what the node program needs, and a shell that is not POSIX. */
const PACKAGES = [
  'systemd-sysv',
  'dbus',
  'libpam-systemd', // sessions of logind, and user@.service
  'polkitd', // lets users linger of their own accord, as on machines of clouds
  'libnss-myhostname', // else sudo cannot resolve the machine's own name
  'openssh-server',
  'sudo',
  'curl',
  'ca-certificates',
  'git',
  'tmux',
  'faketime', // a clock that jumps for one program alone
  'jq',
  'iproute2',
  'procps',
  'less',
  'bash',
  'coreutils',
  'util-linux',
  'fish',
] as const;

/** A machine as a cloud makes it: it boots, sets itself up by cloud-init, and has nothing that agents need. */
const BARE_PACKAGES = [
  ...['systemd-sysv', 'dbus', 'libpam-systemd', 'polkitd', 'libnss-myhostname', 'openssh-server', 'sudo'],
  ...['cloud-init', 'ca-certificates', 'iproute2', 'procps', 'less', 'bash', 'coreutils', 'util-linux'],
] as const;

const IMAGES = { whole: PACKAGES, bare: BARE_PACKAGES } as const;
export type ImageName = keyof typeof IMAGES;

/** Where the packages come from: this machine's own distribution, as its apt knows it. */
interface Source {
  suite: string;
  /** Lines for an apt sources list. */
  lines: string;
}

/**
 * Folder with the disk that machines begin with; read-only by agreement. Builds it when it is not there, which takes
 * one to three minutes and some 400 MB; several processes may ask at once, one builds.
 */
export async function ensureImage(name: ImageName = 'whole'): Promise<string> {
  const images = imagesFolder();
  await mkdir(images, { recursive: true });
  const source = await findSource();
  const packages = IMAGES[name].join(',');
  const folder = join(images, `image-${source.suite}-${await hashImage(source, packages)}`);
  const words = ['flock', '-w', String(BUILD_MS_MAX / 1000), join(images, 'lock')];
  await must([...words, 'bash', SCRIPT, folder, source.suite, packages], {
    input: source.lines,
    msMax: 2 * BUILD_MS_MAX,
  });
  return join(folder, 'root');
}

function imagesFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'miyabi-fleet', 'rig');
}

async function hashImage(source: Source, packages: string): Promise<string> {
  const parts = [source.suite, packages, process.arch, await readFile(SCRIPT, 'utf8')];
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12);
}

/** The archive of the distribution itself; what others offer for it is left out. */
async function findSource(): Promise<Source> {
  const suite = /^VERSION_CODENAME=(\S+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (suite === undefined) throw new Error('/etc/os-release names no VERSION_CODENAME');
  let lines = await listSources(suite);
  if (lines.length === 0) {
    await must(['apt-get', 'update'], { msMax: BUILD_MS_MAX }); // lists of a fresh machine are empty
    lines = await listSources(suite);
  }
  if (lines.length === 0) throw new Error(`apt knows no archive of Debian or Ubuntu for ${suite}`);
  return { suite, lines: `${lines.join('\n')}\n` };
}

async function listSources(suite: string): Promise<readonly string[]> {
  const format = '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)';
  const targets = await must(['apt-get', 'indextargets', '--format', format, 'Identifier: Packages']);
  const lines = targets.split('\n').flatMap((line) => {
    const [origin = '', uri = '', release = '', component = ''] = line.split('|');
    const ours = /^(Debian|Ubuntu)$/.test(origin) && release.split('-')[0] === suite;
    return ours ? [`deb ${uri} ${release} ${component}`] : [];
  });
  return [...new Set(lines)].sort();
}
