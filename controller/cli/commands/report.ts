import { open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { iso, parseDuration } from '../../clock.ts';
import type { Fleet } from '../../config/fleet.ts';
import { FleetError } from '../../errors.ts';
import type { Report } from '../../operations/account.ts';
import { report } from '../../operations/report.ts';
import { HTML_MARK, reportHtml } from '../../report/html.ts';
import { MARKDOWN_MARK, reportMarkdown } from '../../report/markdown.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { openContext, readFleet } from '../session.ts';

type Format = 'markdown' | 'html';

const FORMATS: Readonly<Record<string, Format>> = {
  '.md': 'markdown',
  '.markdown': 'markdown',
  '.html': 'html',
  '.htm': 'html',
};

export interface ReportOptions extends GlobalOptions {
  json?: boolean;
  since?: string;
  format?: Format;
  output?: string;
}

/** `fleet report [TASK…]`: what became of these tasks, or of all. */
export async function printReport(door: Door, tasks: readonly string[], options: ReportOptions): Promise<number> {
  const { since, output } = options;
  const from = since === undefined ? undefined : iso(sinceOf(since, door.clock.now()));
  const files = output === undefined ? [] : await placeReports(door, [output], options.format);
  const fleet = await readFleet(door, options);
  const made = await makeReport(door, fleet, {
    ...(tasks.length > 0 ? { tasks: [...tasks] } : {}),
    ...(from === undefined ? {} : { since: from }),
  });
  for (const file of files) await writeReport(door, file, made);
  if (options.json) door.out(`${JSON.stringify(made)}\n`);
  else if (files.length === 0) door.out(textOf(made, options.format ?? 'markdown'));
  return 0;
}

/** Writes the report of these tasks into each of the files, by its extension. */
export async function writeReports(
  door: Door,
  fleet: Fleet,
  tasks: readonly string[],
  paths: readonly string[],
): Promise<void> {
  if (paths.length === 0) return;
  const files = await placeReports(door, paths);
  const made = await makeReport(door, fleet, { tasks: [...tasks] });
  for (const file of files) await writeReport(door, file, made);
}

async function makeReport(door: Door, fleet: Fleet, input: { tasks?: string[]; since?: string }): Promise<Report> {
  await using context = await openContext(door, fleet);
  return report.output.parse(await report.run(context, input));
}

function textOf(made: Report, format: Format): string {
  return format === 'html' ? reportHtml(made) : reportMarkdown(made);
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/;

/** Wall time in ms of `2h` (ago), `2026-11-20` or `2026-11-20T09:30+09:00`; UTC where no zone is named. */
function sinceOf(text: string, now: number): number {
  const seconds = parseDuration(text);
  const [, date = '', time = '00:00', zone = 'Z'] = TIME.exec(text) ?? [];
  const at = seconds === undefined ? Date.parse(`${date}T${time}${zone}`) : Math.max(0, now - seconds * 1000);
  // The 30th of February would be read as a day in March.
  const isDay = seconds !== undefined || (Number.isFinite(at) && iso(Date.parse(`${date}T00:00Z`)).startsWith(date));
  if (!isDay)
    throw new FleetError('usage', `--since ${text}: expected a duration or a time`, {
      hint: 'A duration is such as 90m, 2h or 7d; a time such as 2026-11-20 or 2026-11-20T09:30+09:00, UTC without a zone.',
    });
  if (at > now) throw new FleetError('usage', `--since ${text}: that is still to come`);
  return at;
}

export interface ReportFile {
  path: string;
  format: Format;
}

/**
 * The files that reports go to. Asked before anything begins: who waited for hours should not hear then that the name
 * was wrong. Only a former report (or an empty file) is replaced. Throws `usage`, `unlawful`.
 */
export async function placeReports(door: Door, paths: readonly string[], format?: Format): Promise<ReportFile[]> {
  const files: ReportFile[] = [];
  for (const path of paths) files.push(await placeReport(resolve(door.cwd, path), format));
  return files;
}

async function placeReport(path: string, wished?: Format): Promise<ReportFile> {
  const format = wished ?? FORMATS[extname(path).toLowerCase()];
  if (format === undefined)
    throw new FleetError('usage', `${path}: a report is a .md or an .html file`, { target: path });
  const folder = await look(dirname(path));
  if (!folder?.isDirectory())
    throw new FleetError('usage', `${path}: there is no folder ${dirname(path)}`, { target: path });
  const there = await look(path);
  if (there && !there.isFile()) throw new FleetError('usage', `${path} is not a file`, { target: path });
  if (there && there.size > 0 && !(await isReport(path)))
    throw new FleetError('unlawful', `${path} is there already and is no report`, {
      hint: 'Give another name: only a former report is replaced.',
      target: path,
    });
  return { path, format };
}

const look = (path: string) =>
  stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw refusal(path, error);
  });

async function isReport(path: string): Promise<boolean> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw refusal(path, error);
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(100), 0, 100, 0);
    const begin = buffer.toString('utf8', 0, bytesRead);
    return begin.startsWith(HTML_MARK) || begin.startsWith(MARKDOWN_MARK);
  } finally {
    await handle.close();
  }
}

/** Whole or not at all. For others to read, too: the mode is what the user's umask leaves. */
async function writeReport(door: Door, { path, format }: ReportFile, made: Report): Promise<void> {
  const aside = join(dirname(path), `.report-${Buffer.from(door.random(6)).toString('hex')}.tmp`);
  try {
    await writeFile(aside, textOf(made, format), { flag: 'wx' });
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw refusal(path, error as NodeJS.ErrnoException);
  }
  door.say(`Report: ${path}`);
}

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT']);

function refusal(path: string, error: NodeJS.ErrnoException): FleetError {
  const code = NO_ROOM.has(error.code ?? '') ? 'disk-full' : 'usage';
  return new FleetError(code, `the report ${path} cannot be written: ${error.message}`, {
    hint: code === 'usage' ? 'Name a file in a folder that you may write in.' : 'Make room, or name another disk.',
    target: path,
    cause: error,
  });
}
