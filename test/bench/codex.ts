import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { defaultCacheFolder, ensureTool, PINNED_TOOLS } from '../../controller/rehearsal/machine.ts';

const TOOLS = '/opt/tools';

export interface MachineTool {
  /** What of this machine every machine of a rig gets, and where. */
  bind: { from: string; to: string };
  /** Its path there. */
  program: string;
}

/** The real Codex CLI where it is on this machine already: benchmarks fetch nothing. */
export async function findCodex(): Promise<MachineTool | undefined> {
  const path = process.env.FLEET_TEST_CODEX || (await cachedCodex());
  if (path === undefined) return undefined;
  const to = `${TOOLS}/codex`;
  return { bind: { from: dirname(path), to }, program: `${to}/${basename(path)}` };
}

async function cachedCodex(): Promise<string | undefined> {
  const cacheFolder = defaultCacheFolder(process.env, homedir());
  if (!existsSync(join(cacheFolder, 'tools', `codex-${PINNED_TOOLS.codex.version}`))) return undefined;
  return (await ensureTool('codex', { cacheFolder, env: process.env })).program;
}
