import type { Survey } from '../../../node/survey.ts';
import { quote } from '../../../transport/command.ts';
import { counted } from '../../words.ts';
import { bad, type Entry, edited, type Finding, gib, good, type Spot, sentence, typed, wish } from './finding.ts';
import { judgePrograms, judgeTool } from './program.ts';

/** What a node is asked to be. */
export interface Expectation {
  /** Programs of the tools that agents there run. */
  tools: readonly string[];
  /** How many agents are to stand on it. */
  agents: number;
  /** `LEDGER MACHINE` of this fleet; null while it has no ledger. */
  owner: string | null;
  /** Wall time here in ms, before it was asked and after it had answered. */
  asked: number;
  answered: number;
  /** Beginning of the SHA-256 of the program that sets machines up now. */
  setup: string;
}

export { NODE_PROGRAMS, WISHED_PROGRAMS } from './program.ts';

const NO_ENTRY: Entry = { isHere: false, file: null, path: 'nodes[0]', kinds: [], folder: null };

const GIB = 2 ** 30;
const DISK_BYTES_MIN = GIB;
const INODES_MIN = 10_000;
const MEMORY_KIB_MIN = 512 * 1024;
const SKEW_MS_MAX = 5000;
/** Processes and threads of an agent at work, with some for what it runs. */
const PROCESSES_EACH = 50;
/** Open files are counted for each process: those of the one tmux server grow with the windows. */
const FILES_MIN = 256;
const FILES_EACH = 4;

/** Pure: all that can be said of a node that answered. */
export function judgeNode(name: string, survey: Survey, wanted: Expectation, entry = NO_ENTRY): Finding[] {
  const of = (what: string) => `node ${name}: ${what}`;
  const spot = spotOf(name, survey, entry);
  return [
    ...judgePrograms(of, survey, spot),
    ...wanted.tools.map((tool) => judgeTool(of, survey, tool, spot, entry)),
    judgeHome(of, survey, spot),
    ...judgeFolder(of, survey, entry, spot),
    ...judgeDisk(of, survey, spot),
    judgeMemory(of, survey, entry, spot),
    judgeClock(of, survey, wanted, spot),
    judgeOwner(of, survey, wanted.owner),
    ...judgeLimits(of, survey, wanted.agents, entry, spot),
    ...judgeLogout(of, survey, spot),
    judgeHold(of, survey, entry, name),
    ...(entry.isHere ? [] : [judgeSetUp(of, survey, wanted.setup, name)]),
  ];
}

function spotOf(name: string, { isRoot, hasSudo }: Survey, { isHere }: Entry): Spot {
  const where = isHere ? 'here' : `on ${name}`;
  return { where: isRoot || hasSudo ? where : `${where}, as root`, sudo: isRoot || !hasSudo ? '' : 'sudo ' };
}

type Of = (what: string) => string;

function judgeHome(of: Of, { isWritable, user, home }: Survey, spot: Spot): Finding {
  const who = user || 'the login';
  const check = of('home');
  if (isWritable) return good(check, `may be written by ${who}`);
  if (home === null || home.owner === '-') {
    const path = home?.path ?? `/home/${who}`;
    const make = `${spot.sudo}install -d -o ${who} ${quote(path)}`;
    return bad(check, `${path}, the home of ${who}, is not there`, sentence(typed(spot, make)));
  }
  const path = quote(home.path);
  const detail = `${home.path} may not be written by ${who}: it belongs to ${home.owner}, mode ${home.mode}`;
  if (home.owner !== user) return bad(check, detail, sentence(typed(spot, `${spot.sudo}chown ${who} ${path}`)));
  if (!/^[0-7]*[37]..$/.test(home.mode)) return bad(check, detail, sentence(typed(spot, `chmod u+rwx ${path}`)));
  const remount = `${spot.sudo}mount -o remount,rw "$(findmnt -no TARGET -T ${path})"`;
  return bad(check, `${home.path} is on a disk that is read-only`, sentence(typed(spot, remount)));
}

function judgeFolder(of: Of, { folder: sight, user }: Survey, { folder }: Entry, spot: Spot): Finding[] {
  if (folder === null || sight === null) return [];
  const [check, path] = [of('cwd'), quote(folder)];
  const make = sentence(typed(spot, `${spot.sudo}install -d -o ${user} ${path}`));
  const give = sentence(typed(spot, `${spot.sudo}chown ${user} ${path}`));
  switch (sight) {
    case 'ready':
      return [good(check, folder)];
    case 'absent':
      return [bad(check, `${folder}, where tasks are to work, is not there`, make)];
    case 'no-folder':
      return [bad(check, `${folder}, where tasks are to work, is no folder`, sentence('name another in `cwd`'))];
    case 'closed':
      return [bad(check, `${folder}, where tasks are to work, may not be entered by ${user}`, give)];
    case 'read-only':
      return [wish(check, `${folder} may be read by ${user}, and not written`, give)];
  }
}

function judgeDisk(of: Of, { disk, home }: Survey, spot: Spot): Finding[] {
  if (disk === null) return [];
  const path = quote(home?.path ?? '/');
  const { freeBytes, freeInodes, inodes } = disk;
  const free = `${gib(freeBytes)} free for the home folder`;
  const few = `only ${freeInodes} more files fit on the disk of the home folder`;
  const large = `free 1 GiB ${typed(spot, `${spot.sudo}du -xah ${path} | sort -h | tail -n 20`)} shows what is large`;
  const many = `remove many small files ${typed(spot, `${spot.sudo}du -x --inodes ${path} | sort -n | tail -n 20`)} shows where they are`;
  return [
    freeBytes >= DISK_BYTES_MIN ? good(of('disk'), free) : bad(of('disk'), free, sentence(large)),
    // No count at all: the file system makes inodes as they are needed.
    ...(inodes === 0 || freeInodes >= INODES_MIN ? [] : [bad(of('inodes'), few, sentence(many))]),
  ];
}

function fewerAgents({ file, path }: Entry, count: number): string {
  const where =
    path === null
      ? `in the settings of its stack: \`maxAgents: ${count}\``
      : edited(file, `${path}.maxAgents: ${count}`);
  return `or put fewer agents there, ${where}`;
}

function judgeMemory(of: Of, { memoryKiB, availableKiB }: Survey, entry: Entry, spot: Spot): Finding {
  if (memoryKiB === null || availableKiB === null) return good(of('memory'), 'it does not say');
  const detail = `${gib(availableKiB * 1024)} of ${gib(memoryKiB * 1024)} available`;
  if (availableKiB >= MEMORY_KIB_MIN) return good(of('memory'), detail);
  const fewer = fewerAgents(entry, 1);
  const fix = `end what needs none of it ${typed(spot, 'ps -eo rss,pid,args --sort=-rss | head')} shows what uses it; ${fewer}`;
  return bad(of('memory'), detail, sentence(fix));
}

/** Between asking and answering its clock showed a second that should lie between ours: only what is outside is wrong. */
function judgeClock(of: Of, { now }: Survey, { asked, answered }: Expectation, spot: Spot): Finding {
  if (now === null) return good(of('clock'), 'it does not say');
  const ahead = Math.max(0, now - answered);
  const behind = Math.max(0, asked - (now + 999)); // it says whole seconds
  const skew = Math.max(ahead, behind);
  if (skew <= SKEW_MS_MAX) return good(of('clock'), 'agrees with the one here');
  const detail = `${Math.round(skew / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'} the one here`;
  return bad(
    of('clock'),
    detail,
    `${sentence(typed(spot, `${spot.sudo}timedatectl set-ntp true`))} Or here, if this one is wrong.`,
  );
}

function judgeOwner(of: Of, { fleet }: Survey, ours: string | null): Finding {
  const owner = fleet?.owner ?? null;
  if (owner === null) return good(of('owner'), 'nobody yet: the first fleet start takes it');
  if (owner === ours) return good(of('owner'), 'this fleet');
  const isCopy = ours !== null && owner.split(' ')[0] === ours.split(' ')[0];
  const detail = isCopy ? 'a copy of this ledger, elsewhere' : `another ledger (${owner.split(' ')[0]})`;
  return bad(of('owner'), detail, 'Go on where that one is; or take the node: `fleet start --take-over`.');
}

function judgeLimits(of: Of, survey: Survey, agents: number, entry: Entry, spot: Spot): Finding[] {
  const { user, uid, group, processesMax, filesMax, groupProcessesMax } = survey;
  const processes = agents * PROCESSES_EACH;
  const files = Math.max(FILES_MIN, agents * FILES_EACH);
  const raise = (item: string, limit: number) => {
    const place = `/etc/security/limits.d/zz-miyabi-fleet-${item}.conf`;
    return typed(spot, `echo '${user} - ${item} ${limit}' | ${spot.sudo}tee ${place}`);
  };
  const slice = `user-${uid}.slice`;
  const unlock = group?.includes(slice)
    ? typed(spot, `${spot.sudo}systemctl set-property ${slice} TasksMax=infinity`)
    : `${spot.where}: raise TasksMax of ${group ?? 'its slice'}, or the limit of processes of its container`;
  const limits: [string, number | null, number, string][] = [
    ['processes of the user', processesMax, processes, raise('nproc', 4 * processes)],
    ['open files of a process', filesMax, files, raise('nofile', 4 * files)],
    ['processes of its control group', groupProcessesMax, processes, unlock],
  ];
  const low = limits.flatMap(([what, limit, needed, how]) => {
    if (limit === null || limit >= needed) return [];
    const fewer = Math.floor(limit / (what.startsWith('open') ? FILES_EACH : PROCESSES_EACH));
    const fix = `${how}; ${fewerAgents(entry, Math.max(1, fewer))}`;
    const detail = `${limit} ${what}, ${needed} needed for ${counted(agents, 'agent')}`;
    return [bad(of('limits'), detail, sentence(limit < FILES_MIN && what.startsWith('open') ? how : fix))];
  });
  return low.length > 0 ? low : [good(of('limits'), `enough for ${counted(agents, 'agent')}`)];
}

/**
 * Work lives in scopes of its own, outside the login: root's always, a user's where it lingers. The first greeting turns
 * lingering on where the machine lets it; else work is as long-lived as what a login leaves behind.
 */
function judgeLogout(of: Of, { killsAtLogout, lingers, isRoot, user, fleet }: Survey, spot: Spot): Finding[] {
  const check = of('logout');
  if (killsAtLogout === null) return []; // no systemd: a login ends nothing
  if (isRoot || lingers) return [good(check, 'ends nothing: work lives outside the login')];
  if (!killsAtLogout) return [good(check, 'ends nothing: KillUserProcesses=no')];
  const fix = sentence(typed(spot, `${spot.sudo}loginctl enable-linger ${user}`));
  if (fleet === null) {
    const detail = 'ends what it began, unless fleet start may turn lingering on (KillUserProcesses=yes)';
    return [wish(check, detail, fix)];
  }
  return [bad(check, 'ends what runs: KillUserProcesses=yes, and the user does not linger', fix)];
}

/** Without it the kernel chooses among all that runs there when memory ends. */
function judgeHold(of: Of, { canHold }: Survey, { isHere }: Entry, name: string): Finding {
  const check = of('memory of agents');
  if (canHold) return good(check, 'held: one that takes too much ends alone');
  const fix = isHere
    ? 'This needs systemd, and a user who lingers: `loginctl enable-linger`.'
    : sentence(`\`fleet setup ${name}\` makes it so where the machine can`);
  return wish(check, 'not held: one that takes too much may end others with it', fix);
}

/** A machine may be right without: what agents need is judged above, one by one. */
function judgeSetUp(of: Of, { setup }: Survey, program: string, name: string): Finding {
  const check = of('set-up');
  const again = `\`fleet setup ${name}\``;
  const first = sentence(`\`fleet setup ${name} --dry-run\` shows what it would do`);
  if (setup === null)
    return wish(check, 'not by fleet setup: limits, logs and versions are as its owner left them', first);
  const { at, isReady, failed } = setup;
  if (failed.length > 0)
    return bad(check, `${failed.join(', ')} failed at ${at}`, sentence(`${again} says why, and tries again`));
  if (!isReady) return bad(check, `did not come to its end at ${at}`, sentence(`${again} goes on where it ended`));
  if (setup.program !== program)
    return wish(check, `at ${at}, by another version`, sentence(`${again} brings it up to date`));
  return good(check, `complete since ${at}`);
}
