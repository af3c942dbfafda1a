import { readdir, readFile } from 'node:fs/promises';

/** Memory of this machine and of processes on it, in MB (a million bytes). */

const KIB_PER_MB = 1e6 / 1024;

export async function availableMb(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]) / KIB_PER_MB;
}

/** What a process holds, with what it shares. */
export async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / KIB_PER_MB;
}

export interface Shares {
  /** Sum of proportional shares: what several use is counted once. */
  all: number;
  /** Of those with this name. */
  named: number;
  count: number;
}

/** Proportional memory of every process whose control group's path holds `group`, and of those called `name`. */
export async function sharesOf(group: string, name: string): Promise<Shares> {
  const shares: Shares = { all: 0, named: 0, count: 0 };
  for (const pid of (await readdir('/proc')).filter((each) => /^\d+$/.test(each))) {
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => ''); // it ended meanwhile
    if (!(await read('cgroup')).includes(group)) continue;
    const mb = Number(/^Pss:\s+(\d+) kB$/m.exec(await read('smaps_rollup'))?.[1] ?? 0) / KIB_PER_MB;
    shares.all += mb;
    if (!(await read('comm')).startsWith(name)) continue;
    shares.named += mb;
    shares.count += 1;
  }
  return shares;
}
