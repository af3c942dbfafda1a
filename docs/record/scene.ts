import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Status } from '../../controller/operations/status.ts';
import { defaultCacheFolder, ensureTool } from '../../controller/rehearsal/machine.ts';
import { startRehearsalModel } from '../../controller/rehearsal/model.ts';
import { toolBind, toolPath } from '../../test/doors/afar.ts';
import { openRig } from '../../test/rig/rig.ts';
import { until } from '../../test/rig/until.ts';
import { ROOT } from '../../test/support/sources.ts';
import type { Frame } from './picture.ts';
import { openTerminal, type Terminal } from './terminal.ts';

/** What is recorded: a person at a desk of their own, who types what the README says. */

const SIZE = { columns: 100, rows: 30 };
const CALL_MS_MAX = 300_000;
const TITLES = { rehearse: 'bin/fleet rehearse', status: 'two machines, 18 agents' };

export interface Scene {
  title: string;
  about: string;
  /** What stood behind the screen, in words. */
  truth: string;
  size: { columns: number; rows: number };
  /** Nothing changing is shown no longer than this. */
  stillMsMax: number;
  frames: readonly Frame[];
}

interface Desk extends AsyncDisposable {
  folder: string;
  desk: string;
  env: Readonly<Record<string, string>>;
}

/** A home that holds nothing, and a folder that looks like the repository; both go afterwards. */
async function openDesk(): Promise<Desk> {
  const folder = await mkdtemp('/tmp/fr-');
  const [home, desk] = [join(folder, 'home'), join(folder, 'miyabi-fleet')];
  await mkdir(home);
  await mkdir(desk);
  await symlink(join(ROOT, 'bin'), join(desk, 'bin'));
  await symlink(join(ROOT, 'examples'), join(desk, 'examples'));
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return {
    folder,
    desk,
    env: { HOME: home, PATH: process.env.PATH ?? '', TZ: 'UTC', XDG_CACHE_HOME: cache },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }),
  };
}

export async function recordRehearsal(): Promise<Scene> {
  await using desk = await openDesk();
  await using terminal = await openTerminal({ ...desk, cwd: desk.desk, ...SIZE });
  await terminal.read();
  await terminal.type('bin/fleet rehearse');
  return {
    title: TITLES.rehearse,
    about: 'The command, then each of 18 tasks as it begins and ends on 8 agents, then the table of results.',
    truth: 'The real Codex CLI, 18 tasks, a stand-in for its model: no key, no cost.',
    size: SIZE,
    stillMsMax: 3000,
    frames: await terminal.stop(),
  };
}

/** The page that a rehearsal writes at its end. */
export async function writeReport(path: string): Promise<void> {
  await using desk = await openDesk();
  await callFleet(desk, 'rehearse', '--quiet', '--report', path);
}

/** Unseen. */
async function callFleet({ desk, env }: Desk, ...words: string[]): Promise<string> {
  const limits = { cwd: desk, env, timeout: CALL_MS_MAX };
  return (await promisify(execFile)(join(desk, 'bin/fleet'), words, limits)).stdout;
}

export async function recordStatus(): Promise<Scene> {
  await using desk = await openDesk();
  const cacheFolder = defaultCacheFolder(process.env, homedir());
  const { program: codex } = await ensureTool('codex', { cacheFolder, env: process.env });
  await using rig = await openRig({
    machines: [{ name: 'mugen' }, { name: 'majin' }],
    binds: [toolBind('codex', codex)],
  });
  const clock = { now: Date.now, monotonic: () => performance.now(), sleep: async (ms: number) => delay(ms) };
  const model = await startRehearsalModel({ scenario: 'calm', clock, seed: 1, thinkMs: { min: 3000, max: 6000 } });
  const vcpu: Readonly<Record<string, number>> = { mugen: 16, majin: 8 };
  const file = {
    name: 'miyabi',
    nodes: rig.machines.map(({ name }) => ({
      ...{ name, vcpu: vcpu[name], memoryGiB: 2 * (vcpu[name] ?? 0) },
      ssh: { host: name, config: rig.sshConfig },
    })),
    agents: { count: 18, kind: 'codex', categories: { coding: 35, business: 25, research: 20, support: 20 } },
    kinds: {
      codex: {
        ...{ endpoint: `${model.url}/t/{task}/{ordinal}`, tunnel: true },
        ...{ program: toolPath('codex', codex), sandbox: 'danger-full-access' },
      },
    },
  };
  await writeFile(join(desk.desk, 'fleet.yaml'), JSON.stringify(file));
  const size = { ...SIZE, rows: 34 };
  await using terminal = await openTerminal({ ...desk, cwd: desk.desk, ...size, host: 'laptop' });
  try {
    await playStatus(desk, terminal);
    return {
      title: TITLES.status,
      about:
        '18 tasks are handed in, status shows what 18 agents on two machines do, an agent is watched at its work, a task tells why it waits.',
      truth: 'Two machines over SSH, the real Codex CLI, a stand-in for its model.',
      size,
      stillMsMax: 5000,
      frames: await terminal.stop(),
    };
  } finally {
    await callFleet(desk, 'stop', '--now');
    await model.close();
  }
}

async function playStatus(desk: Desk, terminal: Terminal): Promise<void> {
  await terminal.type('bin/fleet start --detach');
  const isReady = async () => {
    const { agents } = Status.parse(JSON.parse(await callFleet(desk, 'status', '--json')));
    return agents.length > 0 && agents.every(({ state }) => state === 'idle');
  };
  await until('every agent is idle', isReady, CALL_MS_MAX);
  await terminal.type('clear');
  terminal.forget();
  await terminal.read();
  await terminal.type('bin/fleet submit examples/eighteen');
  await terminal.type('bin/fleet status');
  await terminal.read(2500);
  await terminal.typeUntil('bin/fleet attach 10-price-list', /\[miyabi-\d{3}\]/);
  await terminal.read(5000);
  await terminal.press('C-b', 'd');
  await terminal.untilPrompt();
  await terminal.type('bin/fleet explain 18-handover');
  await terminal.read();
}
