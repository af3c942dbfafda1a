import { constants, type Stats } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { quote } from '../../../transport/command.ts';
import { bad, type Finding, gib, good, HERE, sentence, typed } from './finding.ts';

/** The folder of ledger, lock and logs. */

const DISK_BYTES_MIN = 1024 ** 3;
const ELSEWHERE = 'or name another folder: `--home FOLDER`';

/** What is told of a folder that is not made yet is told of the one that it will be made in. */
export async function checkState(folder: string): Promise<Finding[]> {
  const found = await nearest(folder);
  if (found === undefined) return [];
  const { path, stats } = found;
  const wrong = await judgeFolder(folder, path, stats);
  if (wrong) return [wrong];
  const said = path === folder ? folder : `${folder} is made by the first fleet start`;
  return [good('state folder', said), await checkDisk(path)];
}

async function nearest(folder: string): Promise<{ path: string; stats: Stats } | undefined> {
  for (let path = folder; ; path = dirname(path)) {
    const stats = await stat(path).catch((error: NodeJS.ErrnoException) => error.code);
    if (typeof stats !== 'string' && stats !== undefined) return { path, stats };
    if (path === dirname(path)) return undefined;
  }
}

async function judgeFolder(folder: string, path: string, stats: Stats): Promise<Finding | undefined> {
  const me = userInfo();
  const sudo = me.uid === 0 ? '' : 'sudo ';
  const check = 'state folder';
  if (!stats.isDirectory())
    return bad(check, `${path} is a file, and ${folder} is to be a folder`, sentence(`move it away, ${ELSEWHERE}`));
  // What another user's process makes in it, its owner cannot open: also root's.
  if (path === folder && stats.uid !== me.uid) {
    const give = typed(HERE, `${sudo}chown -R ${me.username} ${quote(path)}`);
    return bad(
      check,
      `${path} belongs to user ${stats.uid}, and you are ${me.username}`,
      sentence(`${give}; ${ELSEWHERE}`),
    );
  }
  const code = await access(path, constants.W_OK | constants.X_OK).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  if (code === undefined) return undefined;
  const remount = `${sudo}mount -o remount,rw "$(findmnt -no TARGET -T ${quote(path)})"`;
  if (code === 'EROFS')
    return bad(check, `${path} is on a disk that is read-only`, sentence(`${typed(HERE, remount)}; ${ELSEWHERE}`));
  const own = path === folder ? `chmod u+rwx ${quote(path)}` : `${sudo}install -d -o ${me.username} ${quote(folder)}`;
  return bad(check, `${path} may not be written by ${me.username}`, sentence(`${typed(HERE, own)}; ${ELSEWHERE}`));
}

async function checkDisk(path: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  const detail = `${gib(free)} free for the ledger`;
  if (free >= DISK_BYTES_MIN) return good('disk', detail);
  const large = typed(HERE, `du -xah ${quote(path)} | sort -h | tail -n 20`);
  const fix = `free 1 GiB on the disk of ${path} (${large}), ${ELSEWHERE}`;
  return bad('disk', `${detail}: it stops the fleet rather than lose anything`, sentence(fix));
}
