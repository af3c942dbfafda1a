import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { routePrefix } from '../../controller/rehearsal/book.ts';
import type { RehearsalModel } from '../../controller/rehearsal/model.ts';
import type { Usage } from '../../controller/task/attempt.ts';
import { byResponse, cleanUpAfter, findTool, makeFolder, PROMPT, RESUME, runTool, startModel, written } from './run.ts';

const codex = await findTool('codex');
cleanUpAfter();

interface Turn {
  model: RehearsalModel;
  name: string;
  task: string;
  ordinal: number;
  folder: string;
  signal?: AbortSignal;
}

function runCodex({ model, name, task, ordinal, folder, signal }: Turn, ...ask: string[]) {
  const base = `${model.url}${routePrefix(task, ordinal)}/v1`;
  const settings = [
    `model="${name}"`,
    'model_provider="fleet"',
    `model_providers.fleet={name="fleet",base_url="${base}",env_key="FLEET_TOKEN",wire_api="responses"}`,
    'features.plugins=false',
    'features.shell_snapshot=false',
    'analytics.enabled=false',
    'check_for_update_on_startup=false',
    'agents.enabled=false',
  ].flatMap((setting) => ['-c', setting]);
  const words = [
    codex ?? '',
    'exec',
    '--json',
    '--skip-git-repo-check',
    '-s',
    'danger-full-access',
    ...settings,
    ...ask,
  ];
  const env = { CODEX_HOME: folder, FLEET_TOKEN: 'rehearsal' };
  return runTool(words, { cwd: join(folder, 'work'), env, ...(signal && { signal }) });
}

interface RolloutLine {
  type: string;
  payload: { type?: string; response_id: string; usage: Record<string, number> };
}

async function readRollouts(folder: string): Promise<RolloutLine[]> {
  const found: RolloutLine[] = [];
  for await (const path of glob('sessions/**/*.jsonl', { cwd: folder })) {
    const lines = (await readFile(join(folder, path), 'utf8')).split('\n');
    found.push(...lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RolloutLine));
  }
  return found;
}

/** What Codex itself noted down, call by call. */
async function recorded(folder: string): Promise<Usage[]> {
  const lines = (await readRollouts(folder)).filter((line) => line.type === 'token_usage_record');
  return lines.map(({ payload: { response_id: response, usage } }) => ({
    response,
    model: null,
    inputTokens: usage.input_tokens ?? 0,
    cachedTokens: usage.cached_input_tokens ?? 0,
    outputTokens: usage.output_tokens ?? 0,
  }));
}

async function expectEqualUsage(model: RehearsalModel, folder: string, calls: number): Promise<void> {
  const served = byResponse(model.served().map(({ usage }) => usage));
  expect(served).toHaveLength(calls);
  expect(byResponse(await recorded(folder))).toEqual(served);
}

const threadOf = (events: { type: string; [field: string]: unknown }[]) =>
  String(events.find((event) => event.type === 'thread.started')?.thread_id);
const typesOf = (events: { type: string }[]) => events.map((event) => event.type);

describe.runIf(codex).each(['gpt-5.5', 'gpt-6.1-sol'])('the real Codex CLI, told to use %s,', (name) => {
  test.concurrent('does what the script says, and counts what the model served', async () => {
    const [model, folder] = [await startModel('calm'), await makeFolder()];
    const ended = await runCodex({ model, name, task: 'a', ordinal: 1, folder }, PROMPT);
    expect(ended.exit).toBe(0);
    expect(ended.events.at(-2)).toMatchObject({ item: { type: 'agent_message', text: 'Done. 1' } });
    expect(await written(folder)).toBe('once\n');
    await expectEqualUsage(model, folder, 2);
    const calls = (await readRollouts(folder))
      .map((line) => line.payload.type)
      .filter((type) => type?.endsWith('_call'));
    expect(calls).toEqual([name === 'gpt-5.5' ? 'function_call' : 'custom_tool_call']);
    expect(model.served()[0]).toMatchObject({ task: 'a', ordinal: 1, usage: { model: name } });
  });

  test.concurrent('does not do it again when a finished conversation is resumed', async () => {
    const [model, folder] = [await startModel('calm'), await makeFolder()];
    const first = await runCodex({ model, name, task: 'a', ordinal: 1, folder }, PROMPT);
    const again = await runCodex(
      { model, name, task: 'a', ordinal: 2, folder },
      'resume',
      threadOf(first.events),
      RESUME,
    );
    expect([again.exit, threadOf(again.events)]).toEqual([0, threadOf(first.events)]);
    expect(await written(folder)).toBe('once\n');
    await expectEqualUsage(model, folder, 3);
  });

  test.concurrent('tells the exit code of a command that failed', async () => {
    const [model, folder] = [await startModel('calm'), await makeFolder()];
    const ended = await runCodex({ model, name, task: 'a', ordinal: 1, folder }, '```sh\necho no; exit 7\n```');
    expect(ended.events.at(-2)).toMatchObject({ item: { text: 'The command failed with exit code 7. no' } });
  });

  test.concurrent('waits for a command that takes longer than the tool does', async () => {
    const [model, folder] = [await startModel('calm'), await makeFolder()];
    const script = 'sleep 11; seq 1 20000; echo once >> out.txt; echo the end';
    const ended = await runCodex({ model, name, task: 'a', ordinal: 1, folder }, `\`\`\`sh\n${script}\n\`\`\``);
    expect(ended.events.at(-2)).toMatchObject({ item: { text: 'Done. the end' } });
    expect(await written(folder)).toBe('once\n');
    await expectEqualUsage(model, folder, 3);
  });

  test.concurrent('dies at a rate limit without advice, and waits at one with advice', async () => {
    const [model, folder] = [await startModel('rate-limits'), await makeFolder()];
    const first = await runCodex({ model, name, task: 'a', ordinal: 1, folder }, PROMPT);
    expect([first.exit, typesOf(first.events).at(-1)]).toEqual([1, 'turn.failed']);
    expect(JSON.stringify(first.events.at(-1))).toContain('429');
    const second = await runCodex({ model, name, task: 'a', ordinal: 2, folder }, PROMPT);
    expect([second.exit, typesOf(second.events).at(-1)]).toEqual([0, 'turn.completed']);
    expect(typesOf(second.events)).toContain('error');
    await expectEqualUsage(model, folder, 2);
  });

  test.concurrent('fails at an overloaded model, and mends a cut stream by itself', async () => {
    const model = await startModel('flaky');
    const [folder, other, third] = [await makeFolder(), await makeFolder(), await makeFolder()];
    const overloaded = await runCodex({ model, name, task: 'a', ordinal: 1, folder }, PROMPT);
    expect([overloaded.exit, JSON.stringify(overloaded.events.at(-1))]).toEqual([
      1,
      expect.stringContaining('capacity'),
    ]);
    const cut = await runCodex({ model, name, task: 'b', ordinal: 1, folder: other }, PROMPT);
    expect([cut.exit, typesOf(cut.events).includes('error')]).toEqual([0, true]);
    expect(await written(other)).toBe('once\n');
    await expectEqualUsage(model, other, 2);
    const calm = await runCodex({ model, name, task: 'c', ordinal: 1, folder: third }, PROMPT);
    expect([calm.exit, typesOf(calm.events).includes('error')]).toEqual([0, false]);
  });

  test.concurrent('waits silently at a model that hangs, and the next attempt is served', async () => {
    const giveUp = new AbortController();
    const model = await startModel('hangs', {
      onAction: ({ action }) => action.do === 'hold' && giveUp.abort(),
    });
    const folder = await makeFolder();
    const hung = await runCodex({ model, name, task: 'a', ordinal: 1, folder, signal: giveUp.signal }, PROMPT);
    expect([hung.signal, typesOf(hung.events)]).toEqual(['SIGKILL', ['thread.started', 'turn.started']]);
    expect(model.served()).toEqual([]);
    const next = await runCodex({ model, name, task: 'a', ordinal: 2, folder }, PROMPT);
    expect([next.exit, await written(folder)]).toEqual([0, 'once\n']);
  });

  test.concurrent('is killed in the midst, and ends its work once when resumed', async () => {
    const [model, folder] = [await startModel('crash'), await makeFolder()];
    const killed = await runCodex({ model, name, task: 'a', ordinal: 1, folder }, PROMPT);
    expect([killed.signal, typesOf(killed.events).at(-1)]).toEqual(['SIGKILL', 'item.started']);
    expect(await written(folder)).toBe('');
    const resumed = await runCodex(
      { model, name, task: 'a', ordinal: 2, folder },
      'resume',
      threadOf(killed.events),
      RESUME,
    );
    expect([resumed.exit, threadOf(resumed.events)]).toEqual([0, threadOf(killed.events)]);
    expect(await written(folder)).toBe('once\n');
    await expectEqualUsage(model, folder, 3);
  });
});
