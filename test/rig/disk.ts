import { randomUUID } from 'node:crypto';
import { chmod, chown, cp, lchown, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { must } from './command.ts';

const USER_ID = 1000;

export interface DiskOrder {
  /** The machine's folder in its run; the disk is below it. */
  folder: string;
  /** The disk all machines begin with. */
  image: string;
  hostname: string;
  user: string;
  shell: string;
  home: string;
  /** Size of the disk the home is on; without it the home lies on the machine's own disk, which has no limit. */
  diskMiB?: number;
  /** Texts of further files, by path; owned by root, for all to read. */
  files: Readonly<Record<string, string>>;
  /** Public key that logs in as the user and as root. */
  authorizedKey: string;
}

/** Writes what makes a machine itself; gives its host key, `TYPE KEY`. Before its first boot only. */
export async function writeDisk(order: DiskOrder): Promise<string> {
  const upper = join(order.folder, 'upper');
  for (const name of ['upper', 'work', 'root', 'home']) await makeFolder(join(order.folder, name));
  await writeIdentity(upper, order);
  await writeUser(upper, order);
  for (const [path, text] of Object.entries(order.files)) {
    await makeFolders(upper, dirname(path));
    await makeFile(join(upper, path), text);
  }
  await makeFolder(join(upper, 'root'), 0o700);
  await writeLogin(join(upper, 'root'), order.authorizedKey, 0);
  if (order.diskMiB === undefined) await writeHome(await makeFolders(upper, order.home), order);
  else await writeSmallHome(upper, order, order.diskMiB);
  return writeHostKey(upper);
}

/** Folders here cover those of the image, so each needs its mode, whatever the umask is. */
async function makeFolder(path: string, mode = 0o755, owner = 0): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, mode);
  await chown(path, owner, owner);
}

async function makeFile(path: string, text: string, mode = 0o644, owner = 0): Promise<void> {
  await writeFile(path, text);
  await chmod(path, mode);
  await chown(path, owner, owner);
}

async function writeIdentity(upper: string, { hostname }: DiskOrder): Promise<void> {
  await makeFolder(join(upper, 'etc'));
  await makeFile(join(upper, 'etc/hostname'), `${hostname}\n`);
  await makeFile(join(upper, 'etc/machine-id'), `${randomUUID().replaceAll('-', '')}\n`, 0o444);
}

/** The accounts of the image and one more, which may become root without a password. */
async function writeUser(upper: string, { image, user, shell, home }: DiskOrder): Promise<void> {
  const add = async (file: string, line: string, mode?: number): Promise<void> => {
    const text = await readFile(join(image, 'etc', file), 'utf8');
    await makeFile(join(upper, 'etc', file), `${text}${line}\n`, mode);
  };
  await add('passwd', `${user}:x:${USER_ID}:${USER_ID}::${home}:${shell}`);
  await add('group', `${user}:x:${USER_ID}:`);
  // A star and not an exclamation mark: no password, but not locked.
  await add('shadow', `${user}:*:19000:0:99999:7:::`, 0o600);
  await makeFolder(join(upper, 'etc/sudoers.d'), 0o750);
  await makeFile(join(upper, 'etc/sudoers.d/rig'), `${user} ALL=(ALL) NOPASSWD:ALL\n`, 0o440);
}

/** A folder and all above it that the image may lack. */
async function makeFolders(upper: string, path: string): Promise<string> {
  let folder = upper;
  for (const part of path.split('/').filter((part) => part !== '')) {
    folder = join(folder, part);
    await makeFolder(folder);
  }
  return folder;
}

async function writeHome(folder: string, { image, authorizedKey }: DiskOrder): Promise<void> {
  await cp(join(image, 'etc/skel'), folder, { recursive: true });
  await writeLogin(folder, authorizedKey, USER_ID);
  await makeFolder(folder, 0o755, USER_ID);
  for (const name of await readdir(folder)) await lchown(join(folder, name), USER_ID, USER_ID);
}

/** A file system of its own: full when it is full, and never the disk of this machine with it. */
async function writeSmallHome(upper: string, order: DiskOrder, diskMiB: number): Promise<void> {
  const [draft, disk] = [join(order.folder, 'home-draft'), join(order.folder, 'home.img')];
  await makeFolders(upper, order.home);
  await makeFolder(draft);
  await writeHome(draft, order);
  await writeFile(disk, '');
  await truncate(disk, diskMiB * 1024 * 1024);
  await must(['mkfs.ext4', '-q', '-m', '0', '-E', `root_owner=${USER_ID}:${USER_ID}`, '-d', draft, disk]);
}

async function writeLogin(home: string, authorizedKey: string, owner: number): Promise<void> {
  await makeFolder(join(home, '.ssh'), 0o700, owner);
  await makeFile(join(home, '.ssh/authorized_keys'), `${authorizedKey}\n`, 0o600, owner);
}

async function writeHostKey(upper: string): Promise<string> {
  await makeFolder(join(upper, 'etc/ssh'));
  const path = join(upper, 'etc/ssh/ssh_host_ed25519_key');
  await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'rig', '-f', path]);
  return (await readFile(`${path}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
}
