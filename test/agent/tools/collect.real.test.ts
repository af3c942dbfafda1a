import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claude } from '../../../controller/agent/tools/claude.ts';
import { codex } from '../../../controller/agent/tools/codex.ts';
import type { Tool } from '../../../controller/agent/tools/tool.ts';
import { evidence, order } from './evidence.ts';

let agentFolder: string;
beforeEach(() => {
  agentFolder = mkdtempSync(join(tmpdir(), "agent's folder-"));
  write('since', '', 1_000);
});
afterEach(() => rmSync(agentFolder, { recursive: true }));

function write(path: string, text: string, seconds = 2_000): void {
  const file = join(agentFolder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  utimesSync(file, seconds, seconds);
}

function collect(tool: Tool, since = 'since'): string {
  const { collect } = tool.launch(order({ tool: tool.name }, { agentFolder }));
  const env = { PATH: process.env.PATH, FLEET_SINCE: join(agentFolder, since) };
  return execFileSync('sh', ['-c', collect ?? ''], { env, encoding: 'utf8', timeout: 20_000 });
}

const usageOf = (tool: Tool) => tool.read(evidence({ usage: collect(tool) })).usage;

const turn = (model: string) => line('turn_context', { cwd: '/a"model":"x"', model, settings: { model } });
const tokens = (input: number) => ({
  input_tokens: input,
  cached_input_tokens: 400,
  output_tokens: 50,
  total_tokens: 9,
});
function line(type: string, payload: object): string {
  return JSON.stringify({ timestamp: '2026-11-21T10:28:22.689Z', ordinal: 10, type, payload });
}
function record(response_id: string, input: number): string {
  const totals = { turn_token_usage: tokens(90_000), thread_token_usage: tokens(99_000) };
  return line('token_usage_record', { thread_id: 't', response_id, ...totals, usage: tokens(input) });
}

describe('the conversations in an agent’s home', () => {
  it.each([
    ['Codex', codex, 'codex/sessions/2026/11'],
    ['Claude Code', claude, 'claude/projects/-srv-work'],
  ] as const)('of %s are cut to the twenty newest once in a while, and nothing beside them', (_, tool, folder) => {
    const names = Array.from({ length: 40 }, (_, index) => `it's ${index}.jsonl`);
    for (const [index, name] of names.entries()) write(join(folder, name), 'x\n', 1_000_000 - index);
    write(join(folder, 'old.txt'), 'x', 1);
    write('work/old.jsonl', 'x', 1);
    const kept = () => readdirSync(join(agentFolder, folder)).toSorted();
    collect(tool, 'since');
    expect(kept()).toHaveLength(41);
    write('0199a5f0-8.collect', '', 1_000);
    expect(collect(tool, '0199a5f0-8.collect')).toBe('');
    expect(kept()).toEqual([...names.slice(0, 20), 'old.txt'].toSorted());
    expect(readdirSync(join(agentFolder, 'work'))).toEqual(['old.jsonl']);
  });
});

describe('Codex’s databases of its conversations', () => {
  const files = ['state_5.sqlite', 'state_5.sqlite-shm', 'state_5.sqlite-wal', 'thread_history_1.sqlite'];
  const others = ['auth.json', 'goals_1.sqlite', 'memories_1.sqlite'];
  beforeEach(() => {
    for (const name of [...files, ...others]) write(join('codex', name), 'x'.repeat(500_000));
    write('0199a5f0-8.collect', '', 1_000);
  });
  const left = () => readdirSync(join(agentFolder, 'codex')).toSorted();

  it.each(['state_5.sqlite', 'thread_history_1.sqlite'])('go, with their logs, once %s is large', (name) => {
    write(join('codex', name), 'x'.repeat(600_000));
    collect(codex, 'since');
    expect(left()).toEqual([...files, ...others].toSorted());
    expect(collect(codex, '0199a5f0-8.collect')).toBe('');
    expect(left()).toEqual(others);
  });

  it('stay while they are small, whatever else is large', () => {
    write('codex/goals_1.sqlite', 'x'.repeat(600_000));
    write('codex/state_5.sqlite-wal', 'x'.repeat(600_000));
    expect(collect(codex, '0199a5f0-8.collect')).toBe('');
    expect(left()).toEqual([...files, ...others].toSorted());
  });
});

describe('collecting Codex’s usage', () => {
  it('finds each response of the rollouts written since the attempt began, with its model', () => {
    const fake = line('response_item', { text: `"type":"token_usage_record" ${record('fake', 7)}` });
    const lines = [turn('gpt-5.5'), record('r1', 1001), fake, 'x\0\uFFFD', turn('gpt-6.1-sol'), record('r2', 1002)];
    write('codex/sessions/2026/11/21/rollout-a.jsonl', `${lines.join('\n')}\n${record('cut', 1).slice(0, 150)}`);
    write('codex/sessions/2026/11/20/rollout-b.jsonl', record('old', 1), 500);
    write('codex/sessions/2026/11/20/notes.txt', record('other', 1));
    expect(usageOf(codex)).toEqual([
      { response: 'r1', model: 'gpt-5.5', inputTokens: 1001, cachedTokens: 400, outputTokens: 50 },
      { response: 'r2', model: 'gpt-6.1-sol', inputTokens: 1002, cachedTokens: 400, outputTokens: 50 },
    ]);
  });

  it('prints a bounded text, keeps the newest, and is silent where there is nothing', () => {
    expect(collect(codex)).toBe('');
    const records = Array.from({ length: 9_000 }, (_, index) => record(`resp_${index}`, index));
    write('codex/sessions/rollout-a.jsonl', [turn('gpt-5.5'), ...records].join('\n'));
    expect(collect(codex)).toHaveLength(400_000);
    const usage = usageOf(codex);
    expect(usage.length).toBeGreaterThan(4_000);
    expect(usage.at(-1)?.response).toBe('resp_8999');
  });
});

function message(id: string, model: string, output: number, input: object = {}): string {
  const usage = {
    input_tokens: 109,
    cache_creation_input_tokens: 7,
    cache_read_input_tokens: 40,
    output_tokens: output,
    output_tokens_details: { thinking_tokens: 3 },
    cache_creation: { ephemeral_5m_input_tokens: 5 },
  };
  const content = [{ type: 'tool_use', id: 'toolu_1', input }];
  const inner = { model, id, type: 'message', role: 'assistant', content, stop_reason: 'tool_use', usage };
  return JSON.stringify({ parentUuid: null, message: inner, requestId: 'q', type: 'assistant', uuid: 'u' });
}

describe('collecting Claude Code’s usage', () => {
  it('counts each message once as it ended, cached tokens with the input, and no message of the CLI itself', () => {
    const trap = { message: { id: 'trap', usage: { input_tokens: 1 } }, id: 'trap' };
    const lines = [
      '{"type":"user","message":{"role":"user","content":"\\"type\\":\\"assistant\\""}}',
      message('msg_1', 'claude-opus-5-5', 1),
      message('msg_1', 'claude-opus-5-5', 55, trap),
      message('uuid', '<synthetic>', 0),
      message('msg_2', 'claude-haiku-5-5', 66),
      message('cut', 'claude-haiku-5-5', 66).slice(0, -5),
    ];
    write('claude/projects/-srv-work/a.jsonl', lines.join('\n'));
    write('claude/projects/-srv-work/old.jsonl', message('msg_0', 'claude-opus-5-5', 1), 500);
    expect(usageOf(claude)).toEqual([
      { response: 'msg_1', model: 'claude-opus-5-5', inputTokens: 156, cachedTokens: 40, outputTokens: 55 },
      { response: 'msg_2', model: 'claude-haiku-5-5', inputTokens: 156, cachedTokens: 40, outputTokens: 66 },
    ]);
  });
});
