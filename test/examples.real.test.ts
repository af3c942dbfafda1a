import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadTasks } from '../controller/config/plan.ts';
import { layersOf } from '../controller/task/graph.ts';
import type { PlannedTask } from '../controller/task/plan-file.ts';

const ROOT = join(import.meta.dirname, '..');
const SECONDS_MAX = 2;
const run = promisify(execFile);

async function eighteen(): Promise<readonly PlannedTask[]> {
  const plan = await loadTasks({ paths: ['examples/eighteen'], cwd: ROOT, stdin: process.stdin });
  expect(plan.external).toEqual([]);
  return plan.tasks;
}

/** The shell blocks of a prompt: what the rehearsal model runs. */
function blocksOf(prompt: string): string[] {
  return [...prompt.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
}

async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-eighteen-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

describe('the eighteen tasks', () => {
  test('are spread over the categories as the default shares spread eighteen agents', async () => {
    const tasks = await eighteen();
    const count = (category: string) => tasks.filter((task) => task.category === category).length;
    expect(tasks).toHaveLength(18);
    expect(['coding', 'business', 'research', 'support'].map(count)).toEqual([6, 5, 4, 3]);
    expect(tasks.filter(({ title }) => /[ぁ-ん一-龠]/.test(title ?? '')).length).toBeGreaterThanOrEqual(3);
  });

  test('begin with twelve that need nothing, and end with one that needs four', async () => {
    const tasks = await eighteen();
    const layers = layersOf(new Map(tasks.map(({ id, needs }) => [id, needs ?? []])));
    expect(layers.map((layer) => layer.length)).toEqual([12, 5, 1]);
  });

  test('say what they want in words before they show one way in one block', async () => {
    for (const { id, prompt = '' } of await eighteen()) {
      expect(blocksOf(prompt), id).toHaveLength(1);
      expect(prompt.indexOf('```'), id).toBeGreaterThan(100);
    }
  });

  test('do what they say, write only below out/, and take less than two seconds each, twice over', async () => {
    const tasks = await eighteen();
    const cwd = await scratch();
    for (const { id, prompt = '' } of [...tasks, ...tasks]) {
      const began = performance.now();
      const { stdout } = await run('sh', ['-c', blocksOf(prompt)[0] ?? 'exit 1'], { cwd, timeout: 10_000 });
      expect(stdout.trim(), id).not.toBe('');
      expect((performance.now() - began) / 1000, id).toBeLessThan(SECONDS_MAX * 2);
    }
    expect(await readdir(cwd)).toEqual(['out']);
    expect(await readFile(join(cwd, 'out/HANDOVER.md'), 'utf8')).toContain('2 passed, 0 failed');
  }, 30_000);

  test('fail where what they need is not there', async () => {
    for (const { id, prompt = '', needs } of await eighteen()) {
      if (needs === undefined) continue;
      const cwd = await scratch();
      const alone = run('sh', ['-c', blocksOf(prompt)[0] ?? ''], { cwd, timeout: 10_000 });
      await expect(alone, id).rejects.toMatchObject({ code: expect.toSatisfy((code) => code > 0) });
    }
  });
});
