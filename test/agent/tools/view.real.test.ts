import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { VIEW_FILTERS } from '../../../controller/agent/tools/view.ts';
import { describeWith, program } from '../../support/capability.ts';
import { CONVERSATION } from './evidence.ts';

function view(tool: keyof typeof VIEW_FILTERS, lines: readonly unknown[]): string[] {
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const words = ['-R', '-r', '--unbuffered', VIEW_FILTERS[tool]];
  return execFileSync(program('jq'), words, { input: `${input}\n`, encoding: 'utf8', timeout: 20_000 })
    .trimEnd()
    .split('\n');
}

const command = (rest: object) => ({
  id: 'item_1',
  type: 'command_execution',
  command: "/bin/bash -lc 'ls -l'",
  ...rest,
});

describeWith(['jq'], 'watching an agent', () => {
  it('shows Codex’s words, commands with exit code and first lines, troubles, and the tokens at the end', () => {
    const output = Array.from({ length: 12 }, (_, index) => `line ${index + 1}`).join('\n');
    const lines = [
      { type: 'thread.started', thread_id: CONVERSATION },
      { type: 'turn.started' },
      { type: 'item.started', item: command({ aggregated_output: '', exit_code: null }) },
      { type: 'item.completed', item: command({ aggregated_output: output, exit_code: 3 }) },
      { type: 'item.completed', item: { type: 'file_change', changes: [{ path: '/srv/a.txt', kind: 'add' }] } },
      { type: 'error', message: 'Reconnecting... 1/5' },
      { type: 'item.completed', item: { type: 'agent_message', text: '終わり\nsecond' } },
      { type: 'turn.completed', usage: { input_tokens: 2000, output_tokens: 100 } },
      { type: 'turn.failed', error: { message: 'no luck' } },
    ];
    expect(view('codex', lines)).toEqual([
      `— conversation ${CONVERSATION}`,
      '$ ls -l',
      ...Array.from({ length: 8 }, (_, index) => `  line ${index + 1}`),
      '  … 4 more lines',
      '  [exit 3]',
      '± add /srv/a.txt',
      '! Reconnecting... 1/5',
      '終わり',
      'second',
      '',
      '— turn ended: 2000 tokens in, 100 out',
      '! failed: no luck',
    ]);
  });

  it('shows Claude Code’s words, tools, results, retries, and the tokens with cached ones at the end', () => {
    const said = (content: unknown) => ({ type: 'assistant', message: { content } });
    const heard = (content: unknown) => ({ type: 'user', message: { content } });
    const lines = [
      { type: 'system', subtype: 'init', session_id: CONVERSATION, model: 'claude-opus-5-5' },
      said([{ type: 'text', text: 'I run it.' }]),
      said([{ type: 'tool_use', name: 'Bash', input: { command: 'echo hi' } }]),
      heard([{ type: 'tool_result', content: 'hi\nho', is_error: false }]),
      said([{ type: 'tool_use', name: 'Edit', input: { file: 'a' } }]),
      heard([{ type: 'tool_result', content: [{ type: 'text', text: 'no' }], is_error: true }]),
      { type: 'system', subtype: 'api_retry', attempt: 1, max_retries: 10, error_status: 429, error: 'rate_limit' },
      {
        type: 'result',
        is_error: true,
        result: 'over',
        usage: { input_tokens: 5, cache_read_input_tokens: 40, output_tokens: 9 },
      },
    ];
    expect(view('claude', lines)).toEqual([
      `— conversation ${CONVERSATION}, claude-opus-5-5`,
      'I run it.',
      '',
      '$ echo hi',
      '  hi',
      '  ho',
      '  [ok]',
      '→ Edit {"file":"a"}',
      '  no',
      '  [error]',
      '! model: trying again, 1 of 10 (429 rate_limit)',
      '! failed: over',
      '— turn ended: 45 tokens in, 9 out',
    ]);
  });

  it.each(['codex', 'claude'] as const)(
    'shows lines of %s that are no events as they are, without what drives a terminal',
    (tool) => {
      const strange = [
        { type: 'item.completed', item: 'x' },
        { type: 'assistant', message: 'x' },
        { type: 'result', usage: 'x' },
      ];
      const shown = view(tool, ['plain \u001b[31mred\u0007', '{"type":', '[1]', '7', ...strange, 'end']);
      expect(shown.slice(0, 4)).toEqual(['plain [31mred', '{"type":', '[1]', '7']);
      expect(shown).toContain(JSON.stringify(strange[tool === 'codex' ? 0 : 1]));
      expect(shown.at(-1)).toBe('end');
    },
  );

  it('cuts a line of a megabyte', () => {
    const [line] = view('codex', [
      { type: 'item.completed', item: { type: 'agent_message', text: 'x'.repeat(1_000_000) } },
    ]);
    expect(line).toHaveLength(8_000);
  });

  it('shows a command’s own output untouched', () => {
    expect(view('command', ['\u001b[31mred', '{"type":"error"}'])).toEqual(['\u001b[31mred', '{"type":"error"}']);
  });
});
