import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { program } from '../test/support/capability.ts';
import { drawPicture, dropEqual, shorten } from './record/picture.ts';
import { recordRehearsal, recordStatus, type Scene, writeReport } from './record/scene.ts';

/**
 * `npm run record`: the pictures of the README, made by the real program. `npm run record -- status` makes that one
 * alone (rehearse, status, report). Needs tmux and Chromium; `status` boots two machines (root, systemd-nspawn).
 */

const PICTURES = join(import.meta.dirname, 'pictures');
const NAMES: readonly string[] = ['rehearse', 'report', 'status'];
const PAGE_MS_MAX = 60_000;
/** The head of the page and its timeline, in CSS pixels. */
const PAGE = { width: 1100, height: 632, scale: 2 };

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

function draw({ title, about, truth, size, stillMsMax, frames }: Scene): string {
  const { frames: shown, cutMs } = shorten(dropEqual(frames), stillMsMax);
  const pace =
    cutMs === 0
      ? 'At its real speed.'
      : `Waits longer than ${stillMsMax / 1000} s are shortened, by ${(cutMs / 1000).toFixed(1)} s in all.`;
  return drawPicture(shown, size, { title, about, note: `${truth} ${pace}` });
}

async function keep(name: string, content: string): Promise<void> {
  await mkdir(PICTURES, { recursive: true });
  await writeFile(join(PICTURES, name), content);
  print(`docs/pictures/${name}  ${Math.ceil(content.length / 1000)} kB`);
}

async function photograph(page: string, name: string, scheme: 'light' | 'dark', folder: string): Promise<void> {
  const path = join(PICTURES, name);
  await promisify(execFile)(
    program('chromium'),
    [
      ...[
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--hide-scrollbars',
        `--user-data-dir=${join(folder, 'browser')}`,
      ],
      ...[`--force-device-scale-factor=${PAGE.scale}`, `--window-size=${PAGE.width},${PAGE.height}`],
      ...(scheme === 'dark' ? ['--blink-settings=preferredColorScheme=0'] : []),
      ...[`--screenshot=${path}`, `file://${page}`],
    ],
    { timeout: PAGE_MS_MAX },
  );
  print(`docs/pictures/${name}  ${Math.ceil((await stat(path)).size / 1000)} kB`);
}

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) {
    print(`no picture is called ${unknown.join(', ')}; there are ${NAMES.join(', ')}`);
    process.exitCode = 2;
    return;
  }
  const isWished = (name: string): boolean => names.length === 0 || names.includes(name);
  const folder = await mkdtemp(join(tmpdir(), 'fleet-record-'));
  const page = join(folder, 'report.html');
  try {
    if (isWished('rehearse')) await keep('rehearse.svg', draw(await recordRehearsal()));
    if (isWished('report')) {
      await writeReport(page);
      for (const scheme of ['light', 'dark'] as const) await photograph(page, `report-${scheme}.png`, scheme, folder);
    }
    if (isWished('status')) await keep('status.svg', draw(await recordStatus()));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

if (import.meta.main) await main(process.argv.slice(2));
