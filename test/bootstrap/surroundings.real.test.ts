import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { loadProgram } from '../../controller/node/program.ts';
import { serveWords } from '../../controller/node/shell.ts';
import { openLocal } from '../../controller/transport/local.ts';
import { aNodeWith, until } from './ground.ts';

/** Words that run others with only these programs fewer than this machine has. */
async function without(context: TestContext, ...missing: string[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(homedir(), '.ft-bin-'));
  context.onTestFinished(() => rm(folder, { recursive: true }));
  for (const from of ['/usr/bin', '/bin', '/usr/sbin', '/sbin'])
    for (const name of await readdir(from))
      if (!missing.includes(name)) await symlink(join(from, name), join(folder, name)).catch(() => {});
  return ['env', `PATH=${folder}`];
}

describe.concurrent('a node', () => {
  test('that lacks programs refuses its greeting and names them', async (context) => {
    const node = await aNodeWith(context, { before: await without(context, 'flock', 'timeout') });
    await context.expect(node.greet()).rejects.toThrow('not on this machine: flock timeout');
  });

  test('without jq and tmux works, and says that it has neither', async (context) => {
    const node = await aNodeWith(context, { before: await without(context, 'jq', 'tmux') });
    const here = await node.greet();
    context.expect(here.link.greeting).toMatchObject({ jq: false, tmux: '' });
    context.expect(await here.ended(await here.start('exit 3'))).toMatchObject({ exit: 3 });
    await context.expect(here.link.openSessions(['x-001'])).rejects.toMatchObject({ code: 'prerequisite-missing' });
  });

  test('with an odd home, terminal, shell and user in its login works, windows and all', async (context) => {
    const home = join(await mkdtemp(join(homedir(), '.ft-')), `it's a "home" $(x)`);
    await mkdir(home);
    context.onTestFinished(() => rm(join(home, '..'), { recursive: true, maxRetries: 20, retryDelay: 100 }));
    const before = ['env', 'TERM=no-such-terminal', 'SHELL=/usr/sbin/nologin', 'USER=', 'LANG=xx_XX', 'TMUX=/x,1,0'];
    const node = await aNodeWith(context, { home, before: [...before, 'HISTFILE='] });
    const here = await node.greet();
    context.expect(here.link.greeting.root).toBe(node.root);
    const attempt = await here.start('cat; exec sleep 1000', { prompt: 'hello' });
    await here.said(attempt, 'hello');
    await here.link.openSessions(['t-001']);
    const told = () => here.reports.filter((line) => line.is === 'sessions').map(({ names }) => names?.join());
    await until('a window that stays', () => told().slice(-3).join() === 't-001,t-001,t-001');
    await here.link.stop(attempt, 'cancelled');
    context.expect(await here.ended(attempt)).toMatchObject({ stop: 'cancelled' });
  });

  test('is a steady place for tools: one language, no colours, nothing of ours beside what was asked', async (context) => {
    const before = ['env', 'LC_TIME=xx_XX', 'LANG=xx_XX', 'TERM=odd', 'OLDPWD=/', 'EDITOR=vi'];
    const here = await (await aNodeWith(context, { before })).greet();
    const attempt = await here.start('env', { env: { A: '1' }, stdin: 'none' });
    await here.ended(attempt);
    const { out } = await here.link.evidence(attempt);
    context.expect(out.split('\n')).toEqual(context.expect.arrayContaining(['A=1', 'LANG=C.UTF-8', 'TERM=dumb']));
    context.expect(out).not.toMatch(/^(LC_|OLDPWD|EDITOR|FLEET_ROOT|FLEET_PROGRAM|BASH)/m);
  });

  test('of a login without a home says so', async (context) => {
    const program = await loadProgram();
    const stream = await openLocal({ PATH: process.env.PATH }).open(serveWords('t1', program), () => {});
    context.expect(await stream.ended).toContain('this login has no home folder');
  });

  test('gives what its agents make the modes that its login gives', async (context) => {
    const before = ['sh', '-c', 'umask 027; exec "$@"', 'sh'];
    const here = await (await aNodeWith(context, { before })).greet();
    const attempt = await here.start('umask');
    await here.ended(attempt);
    context.expect((await here.link.evidence(attempt)).out).toBe('0027\n');
  });
});

describe('the node program', () => {
  test('says how it is called when it is called otherwise', async (context) => {
    const { text } = await loadProgram();
    const called = spawnSync('bash', ['-s', '--', 'dance'], { input: text, encoding: 'utf8' });
    context.expect(called).toMatchObject({ status: 2, stderr: context.expect.stringContaining('usage:') });
  });
});
