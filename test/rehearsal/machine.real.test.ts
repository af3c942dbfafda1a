import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { defaultCacheFolder, ensureSystemPrograms, ensureTool } from '../../controller/rehearsal/machine.ts';
import { cleanUpAfter, makeFolder } from './run.ts';

cleanUpAfter();

/** A folder with pretend programs, as PATH; `/bin` and `/usr/bin` hold the shell's own words. */
async function pretend(programs: Record<string, string>) {
  const folder = await makeFolder();
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const [name, body] of Object.entries(programs)) await place(join(bin, name), body);
  return { folder, bin, env: { PATH: bin, LOG: join(folder, 'log'), BIN: bin } };
}

async function place(path: string, body: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\nPATH=/usr/bin:/bin\n${body}\n`);
  await chmod(path, 0o755);
}

/** Installs a program that says its version into the folder after `--prefix`, as npm does. */
const npm = (version: string, before = '') => `
echo "$*" >> "$LOG"
${before}
to="$3/node_modules/@openai/codex-linux-x64/vendor/some-machine/bin"
mkdir -p "$to"
printf '#!/bin/sh\\necho codex-cli ${version}\\n' > "$to/codex"
chmod +x "$to/codex"`;

describe('fetching a tool', () => {
  test('brings the pinned version once, and then it is there', async () => {
    const { folder, env } = await pretend({ npm: npm('0.169.0') });
    const told: string[] = [];
    const options = { cacheFolder: folder, env, progress: (text: string) => told.push(text) };
    const first = await ensureTool('codex', options);
    const program = join(
      folder,
      'tools/codex-0.169.0/node_modules/@openai/codex-linux-x64/vendor/some-machine/bin/codex',
    );
    expect(first).toEqual({ program, version: '0.169.0', fetched: true });
    expect(await ensureTool('codex', options)).toEqual({ ...first, fetched: false });
    expect(told).toHaveLength(1);
    expect(await readFile(env.LOG, 'utf8')).toMatch(
      /^install --prefix .* --ignore-scripts .* @openai\/codex@0\.169\.0\n$/,
    );
  });

  test('keeps of several programs the one that runs here', async () => {
    const foreign =
      'f="$3/node_modules/@openai/codex-aaa/vendor/b/bin"; mkdir -p "$f"; echo "no program" > "$f/codex"; chmod +x "$f/codex"';
    const { folder, env } = await pretend({ npm: npm('0.169.0', foreign) });
    const first = await ensureTool('codex', { cacheFolder: folder, env });
    expect(first.program).toContain('codex-linux-x64');
    expect((await ensureTool('codex', { cacheFolder: folder, env })).program).toBe(first.program);
  });

  test('ends well for two at once', async () => {
    const meet = 'touch "$3.here"; while [ "$(ls "$(dirname "$3")" | grep -c here)" -lt 2 ]; do sleep 0.02; done';
    const { folder, env } = await pretend({ npm: npm('0.169.0', meet) });
    const both = await Promise.all([1, 2].map(() => ensureTool('codex', { cacheFolder: folder, env })));
    expect(both[0]?.program).toBe(both[1]?.program);
    const left = await readdir(join(folder, 'tools'));
    expect(left.filter((name) => !name.endsWith('.here'))).toEqual(['codex-0.169.0']);
  });

  test.each([
    ['npm fails', { npm: 'echo "no network" >&2; exit 1' }, /no network/],
    ['npm is missing', {}, /npm was not found/],
    ['the program is of another version', { npm: npm('0.1.0') }, /does not run here: codex-cli 0\.1\.0/],
    ['there is no program for this machine', { npm: 'exit 0' }, /no program for this machine/],
  ])('says so, with the command to try, when %s, and leaves nothing behind', async (_, programs, said) => {
    const { folder, env } = await pretend(programs);
    await expect(ensureTool('codex', { cacheFolder: folder, env })).rejects.toMatchObject({
      code: 'prerequisite-missing',
      message: expect.stringMatching(said),
      hint: expect.stringContaining('npm install --prefix'),
    });
    expect(await readdir(join(folder, 'tools'))).toEqual([]);
  });

  test('removes what a killed process of this machine left, and nothing else', async () => {
    const { folder, env } = await pretend({ npm: npm('0.169.0') });
    const dead = spawn('true');
    await once(dead, 'exit');
    const tools = join(folder, 'tools');
    const gone = `codex-1.tmp-${dead.pid}@${hostname()}-aaaaaa`;
    const kept = [`codex-1.tmp-${process.pid}@${hostname()}-bbbbbb`, `codex-1.tmp-${dead.pid}@else-where-cccccc`];
    await ensureTool('codex', { cacheFolder: folder, env });
    for (const name of [gone, ...kept]) await mkdir(join(tools, name));
    expect(await ensureTool('codex', { cacheFolder: folder, env })).toMatchObject({ fetched: false });
    expect((await readdir(tools)).sort()).toEqual(['codex-0.169.0', ...kept].sort());
  });

  test('keeps them where caches belong', () => {
    expect(defaultCacheFolder({}, '/home/a')).toBe('/home/a/.cache/miyabi-fleet');
    expect(defaultCacheFolder({ XDG_CACHE_HOME: '/c' }, '/home/a')).toBe('/c/miyabi-fleet');
  });
});

describe('programs of the system', () => {
  const makes = (name: string) => `printf '#!/bin/sh\\n' > "$BIN/${name}"; chmod +x "$BIN/${name}"`;
  const aptGet = `echo "apt-get $*" >> "$LOG"\nfor last; do :; done\n[ "$last" = tmux ] && ${makes('tmux')}`;

  test('are left alone when they are there', async () => {
    const { env } = await pretend({ tmux: '', 'apt-get': 'echo never >> "$LOG"' });
    expect(await ensureSystemPrograms(['tmux'], { env, root: true })).toEqual([]);
    await expect(readFile(env.LOG)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('are installed as root, and a wished one that cannot be had does no harm', async () => {
    const { env } = await pretend({ 'apt-get': aptGet });
    expect(await ensureSystemPrograms(['tmux'], { env, root: true, wished: ['jq'] })).toEqual(['tmux']);
    expect((await readFile(env.LOG, 'utf8')).split('\n').slice(0, 2)).toEqual([
      'apt-get install -y --no-install-recommends tmux',
      'apt-get install -y --no-install-recommends jq',
    ]);
  });

  test('are tried again after the package lists were refreshed', async () => {
    const late = `echo "$1" >> "$LOG"\n[ "$1" = update ] && touch "$LOG.fresh"\n[ -e "$LOG.fresh" ] && ${makes('tmux')}`;
    const { env } = await pretend({ 'apt-get': late });
    expect(await ensureSystemPrograms(['tmux'], { env, root: true })).toEqual(['tmux']);
    expect(await readFile(env.LOG, 'utf8')).toBe('install\nupdate\ninstall\n');
  });

  test('are installed through sudo where it asks for no password', async () => {
    const sudo = 'echo "sudo $*" >> "$LOG"; shift; [ "$1" = true ] && exit 0; PATH="$BIN:$PATH"; exec "$@"';
    const { env } = await pretend({ sudo, dnf: makes('tmux') });
    expect(await ensureSystemPrograms(['tmux'], { env, root: false })).toEqual(['tmux']);
    expect(await readFile(env.LOG, 'utf8')).toBe('sudo -n true\nsudo -n dnf install -y tmux\n');
  });

  test.each([
    [
      'without the right to install',
      { 'apt-get': 'exit 1', sudo: 'exit 1' },
      'Run: sudo apt-get install -y --no-install-recommends tmux',
    ],
    ['without sudo', { apk: 'exit 1' }, 'Run: sudo apk add --no-cache tmux'],
    ['on an unknown system', {}, 'Install tmux and run again.'],
  ])('are named with the exact command %s', async (_, programs, hint) => {
    const { env } = await pretend(programs);
    await expect(ensureSystemPrograms(['tmux'], { env, root: false })).rejects.toMatchObject({
      code: 'prerequisite-missing',
      hint,
    });
    expect(await ensureSystemPrograms([], { env, root: false, wished: ['jq'] })).toEqual([]);
  });

  test('are not tried where sudo would ask for a password', async () => {
    const { env } = await pretend({ 'apt-get': 'exit 1', sudo: 'echo "sudo $*" >> "$LOG"; exit 1' });
    await expect(ensureSystemPrograms(['tmux'], { env, root: false })).rejects.toMatchObject({ target: 'tmux' });
    expect(await readFile(env.LOG, 'utf8')).toBe('sudo -n true\n');
  });

  test('are named with the command when the installer cannot find them either', async () => {
    const { env } = await pretend({ 'apt-get': 'exit 100' });
    await expect(ensureSystemPrograms(['tmux'], { env, root: true })).rejects.toMatchObject({ target: 'tmux' });
  });
});
