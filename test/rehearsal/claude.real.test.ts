import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { routePrefix } from '../../controller/rehearsal/book.ts';
import type { RehearsalModel } from '../../controller/rehearsal/model.ts';
import type { Usage } from '../../controller/task/attempt.ts';
import { byResponse, cleanUpAfter, findTool, makeFolder, PROMPT, RESUME, runTool, startModel, written } from './run.ts';

const claude = await findTool('claude');
cleanUpAfter();

interface Turn {
  model: RehearsalModel;
  task: string;
  ordinal: number;
  folder: string;
  signal?: AbortSignal;
}

function runClaude({ model, task, ordinal, folder, signal }: Turn, ...ask: string[]) {
  const words = [claude ?? '', '-p', '--output-format', 'stream-json', '--verbose', '--allowedTools=Bash', ...ask];
  const env = {
    ANTHROPIC_BASE_URL: `${model.url}${routePrefix(task, ordinal)}`,
    ANTHROPIC_API_KEY: 'rehearsal',
    CLAUDE_CONFIG_DIR: join(folder, 'home'),
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    TMPDIR: folder,
  };
  return runTool(words, { cwd: join(folder, 'work'), env, ...(signal && { signal }) });
}

/** What Claude Code itself noted down: several lines of one message carry the same usage. */
async function recorded(folder: string): Promise<Usage[]> {
  const found = new Map<string, Usage>();
  for await (const path of glob('home/projects/*/*.jsonl', { cwd: folder })) {
    for (const line of (await readFile(join(folder, path), 'utf8')).split('\n')) {
      const { type, message } = line === '' ? {} : JSON.parse(line);
      if (type !== 'assistant' || message.model === '<synthetic>') continue;
      const cachedTokens: number = message.usage.cache_read_input_tokens;
      const inputTokens = message.usage.input_tokens + message.usage.cache_creation_input_tokens + cachedTokens;
      const usage = { inputTokens, cachedTokens, outputTokens: message.usage.output_tokens };
      found.set(message.id, { response: message.id, model: message.model, ...usage });
    }
  }
  return [...found.values()];
}

async function expectEqualUsage(model: RehearsalModel, folder: string, calls: number): Promise<void> {
  const served = byResponse(model.served().map(({ usage }) => usage));
  expect(served).toHaveLength(calls);
  expect(byResponse(await recorded(folder))).toEqual(served);
}

const sessionOf = (events: { [field: string]: unknown }[]) => String(events[0]?.session_id);
const retries = (events: { [field: string]: unknown }[]) =>
  events.filter((event) => event.subtype === 'api_retry').map((event) => event.error);

describe.runIf(claude)('the real Claude Code CLI', () => {
  test.concurrent('does what the script says, and counts what the model served', async () => {
    const [model, folder] = [await startModel('calm'), await makeFolder()];
    const ended = await runClaude({ model, task: 'a', ordinal: 1, folder }, PROMPT);
    expect([ended.exit, ended.events.at(-1)]).toEqual([
      0,
      expect.objectContaining({ is_error: false, result: 'Done. 1' }),
    ]);
    expect(await written(folder)).toBe('once\n');
    await expectEqualUsage(model, folder, 2);
    const again = await runClaude(
      { model, task: 'a', ordinal: 2, folder },
      '--resume',
      sessionOf(ended.events),
      RESUME,
    );
    expect([again.exit, await written(folder)]).toEqual([0, 'once\n']);
    await expectEqualUsage(model, folder, 3);
  });

  test.concurrent('tells the exit code of a command that failed', async () => {
    const [model, folder] = [await startModel('calm'), await makeFolder()];
    const ended = await runClaude({ model, task: 'a', ordinal: 1, folder }, '```sh\necho no; exit 7\n```');
    expect(ended.events.at(-1)).toMatchObject({ result: 'The command failed with exit code 7. no' });
  });

  test.concurrent('waits by itself at a rate limit', async () => {
    const [model, folder] = [await startModel('rate-limits'), await makeFolder()];
    const ended = await runClaude({ model, task: 'a', ordinal: 1, folder }, PROMPT);
    expect([ended.exit, retries(ended.events)]).toEqual([0, ['rate_limit']]);
    await expectEqualUsage(model, folder, 2);
  });

  test.concurrent('fails at an overloaded model, and mends a cut stream by itself', async () => {
    const model = await startModel('flaky');
    const [folder, other] = [await makeFolder(), await makeFolder()];
    const overloaded = await runClaude({ model, task: 'a', ordinal: 1, folder }, PROMPT);
    expect([overloaded.exit, overloaded.events.at(-1)]).toEqual([
      1,
      expect.objectContaining({ api_error_status: 529 }),
    ]);
    expect(retries(overloaded.events)).toEqual([]);
    const cut = await runClaude({ model, task: 'b', ordinal: 1, folder: other }, PROMPT);
    expect([cut.exit, retries(cut.events).length]).toEqual([0, 1]);
    await expectEqualUsage(model, other, 2);
  });

  test.concurrent('waits silently at a model that hangs, and the next attempt is served', async () => {
    const giveUp = new AbortController();
    const model = await startModel('hangs', {
      onAction: ({ action }) => action.do === 'hold' && giveUp.abort(),
    });
    const folder = await makeFolder();
    const hung = await runClaude({ model, task: 'a', ordinal: 1, folder, signal: giveUp.signal }, PROMPT);
    expect([hung.signal, model.served()]).toEqual(['SIGKILL', []]);
    const next = await runClaude({ model, task: 'a', ordinal: 2, folder }, PROMPT);
    expect([next.exit, await written(folder)]).toEqual([0, 'once\n']);
  });

  test.concurrent('is killed in the midst, and ends its work once when resumed', async () => {
    const [model, folder] = [await startModel('crash'), await makeFolder()];
    const killed = await runClaude({ model, task: 'a', ordinal: 1, folder }, PROMPT);
    expect([killed.signal, await written(folder)]).toEqual(['SIGKILL', '']);
    await expectEqualUsage(model, folder, 1);
    const resumed = await runClaude(
      { model, task: 'a', ordinal: 2, folder },
      '--resume',
      sessionOf(killed.events),
      RESUME,
    );
    expect([resumed.exit, sessionOf(resumed.events) === '']).toEqual([0, false]);
    expect(await written(folder)).toBe('once\n');
    await expectEqualUsage(model, folder, 3);
  });
});
