import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { defaultCacheFolder } from '../../controller/rehearsal/machine.ts';
import { must } from '../rig/command.ts';

/** What the engine's tests run, found on this machine or brought into the user's cache. */
export type EngineFinding = { is: 'present'; program: string; version: string } | { is: 'absent'; why: string };
type Tell = (text: string) => void;

/** The newest whose modules can be had and built. */
const PULUMI_VERSION = '3.259.0';
const MOTO_VERSION = '5.2.1';
const BUILD_MS_MAX = 20 * 60_000;
const ASK_MS_MAX = 60_000;
const PARTS = join(import.meta.dirname, 'parts');

/** The user's own CLI where it is new enough, else one that is built: five minutes, once. Never throws. */
export async function findPulumi(own: string | undefined, tell: Tell): Promise<EngineFinding> {
  if (own !== undefined && isNewEnough(askPulumi(own))) return { is: 'present', program: own, version: askPulumi(own) };
  if (ask(['go', 'version']) === undefined)
    return { is: 'absent', why: `no pulumi from ${PULUMI_VERSION} on in PATH, and no go to build it with` };
  return found(PULUMI_VERSION, async () => {
    const folder = join(await cacheFolder(), `pulumi-${PULUMI_VERSION}-${await hashOfCli()}`);
    const program = join(folder, 'bin/pulumi');
    if (!existsSync(program)) tell(`Building the Pulumi CLI ${PULUMI_VERSION} (five minutes, once)`);
    await once('pulumi.sh', folder, PULUMI_VERSION);
    return program;
  });
}

/** The AWS APIs on this machine, from Python's package index. Never throws. */
export async function findMoto(own: string | undefined, tell: Tell): Promise<EngineFinding> {
  if (own !== undefined) return { is: 'present', program: own, version: MOTO_VERSION };
  if (ask(['python3', '--version']) === undefined)
    return { is: 'absent', why: 'no moto_server in PATH, and no python3' };
  return found(MOTO_VERSION, async () => {
    const folder = join(await cacheFolder(), `moto-${MOTO_VERSION}`);
    if (!existsSync(join(folder, 'ready'))) tell(`Fetching moto ${MOTO_VERSION} (a minute, once)`);
    await once('moto.sh', folder, MOTO_VERSION);
    return join(folder, 'bin/moto_server');
  });
}

/** Runs a part that makes a folder; of several that ask at once, one makes it and the others wait. */
async function once(part: string, folder: string, version: string): Promise<void> {
  const lock = ['flock', '-w', String(BUILD_MS_MAX / 1000), `${folder}.lock`];
  await must([...lock, 'bash', join(PARTS, part), folder, version], { msMax: 2 * BUILD_MS_MAX });
}

async function found(version: string, make: () => Promise<string>): Promise<EngineFinding> {
  try {
    return { is: 'present', program: await make(), version };
  } catch (error) {
    return { is: 'absent', why: (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '' };
  }
}

async function cacheFolder(): Promise<string> {
  const folder = join(defaultCacheFolder(process.env, homedir()), 'engine');
  await mkdir(folder, { recursive: true });
  return folder;
}

async function hashOfCli(): Promise<string> {
  const parts = await Promise.all(['go.mod', 'go.sum', 'pulumi.sh'].map((name) => readFile(join(PARTS, name), 'utf8')));
  return createHash('sha256')
    .update([...parts, process.arch].join('\0'))
    .digest('hex')
    .slice(0, 12);
}

const askPulumi = (program: string) => ask([program, 'version'])?.match(/\d+\.\d+\.\d+/)?.[0] ?? '';

/** Whether a version, `3.259.0`, is not older than the one that is built. */
function isNewEnough(version: string): boolean {
  return version !== '' && version.localeCompare(PULUMI_VERSION, 'en', { numeric: true }) >= 0;
}

function ask([program = '', ...words]: readonly string[]): string | undefined {
  const env = { ...process.env, PULUMI_SKIP_UPDATE_CHECK: 'true' };
  const { status, stdout } = spawnSync(program, words, { encoding: 'utf8', env, timeout: ASK_MS_MAX });
  return status === 0 ? stdout : undefined;
}
