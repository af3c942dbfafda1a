import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claude } from '../../../controller/agent/tools/claude.ts';
import type { Evidence } from '../../../controller/agent/tools/tool.ts';
import { VERDICTS, type Verdict } from '../../../controller/task/attempt.ts';
import { ATTEMPT, CONVERSATION, evidence, order } from './evidence.ts';

const INIT = { type: 'system', subtype: 'init', session_id: CONVERSATION, model: 'claude-opus-5-5' };
const SAID = { type: 'assistant', message: { id: 'msg_1', content: [{ type: 'text', text: 'I look.' }] } };
const RESULT = {
  type: 'result',
  subtype: 'success',
  is_error: false,
  terminal_reason: 'completed',
  api_error_status: null,
  result: 'DONE',
  session_id: CONVERSATION,
};

/** How the CLI tells a failure of the API: a message of its own, then a result that calls itself a success. */
function apiError(text: string, error: string, result: object): unknown[] {
  const message = { model: '<synthetic>', content: [{ type: 'text', text }] };
  return [
    INIT,
    { type: 'assistant', message, error, is_api_error_message: true },
    { ...RESULT, is_error: true, terminal_reason: 'api_error', result: text, ...result },
  ];
}

describe('launching Claude Code', () => {
  it('begins a conversation named like the attempt, and goes on with the one it is given', () => {
    const words = claude.launch(order({ tool: 'claude', model: 'sonnet', args: ['--bare'] })).words.join(' ');
    expect(words).toContain(`claude -p --output-format stream-json --verbose --session-id ${ATTEMPT} --model sonnet`);
    expect(words.endsWith(' --bare')).toBe(true);
    const resumed = claude.launch(order({ tool: 'claude' }, { resume: CONVERSATION })).words;
    expect(resumed.join(' ')).toContain(`--resume ${CONVERSATION}`);
    expect(resumed).not.toContain('--session-id');
    expect(() => claude.launch(order({ tool: 'claude' }, { resume: '-c' }))).toThrow(RangeError);
  });

  it('keeps its configuration and temporary files in the agent’s own folder', () => {
    const launch = claude.launch(order({ tool: 'claude', env: { TMPDIR: '/tmp', LANG: 'C' } }));
    expect(launch).toMatchObject({ stdin: 'prompt', gated: true, home: null });
    expect(launch.env).toEqual({
      LANG: 'C',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CONFIG_DIR: '/srv/agents/007/claude',
      TMPDIR: '/srv/agents/007/tmp',
    });
  });

  it('is allowed all tools with full access, edits in a workspace, and asks for everything when read-only', () => {
    const words = (sandbox: string | null) => claude.launch(order({ tool: 'claude', sandbox })).words.join(' ');
    expect(words('danger-full-access')).toMatch(/--allowedTools=Bash,Edit,Write,Read,/);
    expect(words('workspace-write')).toContain('--permission-mode acceptEdits');
    expect(words(null)).toContain('--permission-mode acceptEdits');
    expect(words('read-only')).toContain('--permission-mode manual');
  });

  it('invents a key only for an endpoint of one’s own that has none', () => {
    const endpoint = 'http://127.0.0.1:4000/t/a/1/';
    const secrets = { ANTHROPIC_API_KEY: { from: 'env', name: 'K' } } as const;
    const bare = claude.launch(order({ tool: 'claude', endpoint })).env;
    expect(bare).toMatchObject({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:4000/t/a/1', ANTHROPIC_API_KEY: 'none' });
    expect(claude.launch(order({ tool: 'claude', endpoint, secrets })).env).not.toHaveProperty('ANTHROPIC_API_KEY');
    expect(claude.launch(order({ tool: 'claude' })).env).not.toHaveProperty('ANTHROPIC_API_KEY');
  });
});

const ENDS: readonly (readonly [string, Partial<Evidence> & { lines?: readonly unknown[] }, Verdict])[] = [
  ['a success', { lines: [INIT, SAID, RESULT] }, 'done'],
  ['a success whose end nobody saw', { lines: [INIT, SAID, RESULT], exit: null, lost: true }, 'done'],
  ['a success whose process stayed until the watchdog', { lines: [INIT, RESULT], stop: 'silent', exit: 143 }, 'done'],
  ['a success that a person had cancelled', { lines: [INIT, SAID, RESULT], stop: 'cancelled' }, 'cancelled'],
  ['an interrupt, which exits with 0', { lines: [INIT, { ...RESULT, terminal_reason: 'aborted_tools' }] }, 'killed'],
  ['our time limit during an error', { lines: apiError('x', 'rate_limit', {}), stop: 'timeout', exit: 143 }, 'timeout'],
  ['a kill', { lines: [INIT, SAID], exit: null, signal: 9 }, 'killed'],
  ['a polite end by a signal', { lines: [INIT, SAID], exit: 143 }, 'killed'],
  ['an end nobody saw', { lines: [INIT, SAID], exit: null, lost: true }, 'lost'],
  ['our time limit', { lines: [INIT, SAID], stop: 'timeout', exit: 143 }, 'timeout'],
  ['our watchdog', { lines: [INIT, SAID], stop: 'silent', exit: 143 }, 'silent'],
  ['a restart of the agent', { lines: [INIT, SAID], stop: 'restarted', exit: 143 }, 'restarted'],
  ['a wrong flag', { exit: 1, err: "error: unknown option '--bad'\n(Did you mean --bare?)" }, 'launch'],
  ['a program that is not there', { exit: 127, err: 'sh: 1: exec: claude: not found' }, 'launch'],
  ['a conversation in use', { exit: 1, err: `Error: Session ID ${CONVERSATION} is already in use.` }, 'launch'],
  [
    '429',
    { lines: apiError('API Error: Request rejected (429)', 'rate_limit', { api_error_status: 429 }), exit: 1 },
    'rate-limit',
  ],
  [
    '401',
    { lines: apiError('Invalid API key', 'authentication_failed', { api_error_status: 401 }), exit: 1 },
    'credentials',
  ],
  [
    'no key',
    { lines: apiError('Not logged in · Please run /login', 'authentication_failed', {}), exit: 1 },
    'credentials',
  ],
  [
    '529',
    { lines: apiError('API Error: 529 Overloaded.', 'server_error', { api_error_status: 529 }), exit: 1 },
    'overloaded',
  ],
  ['500', { lines: apiError('API Error: 500', 'server_error', { api_error_status: 500 }), exit: 1 }, 'overloaded'],
  [
    'no money',
    { lines: apiError('Credit balance is too low', 'billing_error', { api_error_status: 400 }), exit: 1 },
    'quota',
  ],
  [
    'a bad request',
    { lines: apiError('API Error: 400 rate limit of images', 'invalid_request', { api_error_status: 400 }), exit: 1 },
    'failed',
  ],
  [
    'no such model',
    { lines: apiError('API Error: 404 no such model', 'unknown', { api_error_status: 404 }), exit: 1 },
    'failed',
  ],
  [
    'a refused connection',
    {
      lines: apiError('API Error: Connection refused (ECONNREFUSED)', 'server_error', {
        api_error: 'connection_failed',
      }),
      exit: 1,
    },
    'network',
  ],
  [
    'a budget passed',
    { lines: [INIT, { ...RESULT, subtype: 'error_max_budget_usd', is_error: true, result: undefined }], exit: 1 },
    'failed',
  ],
  [
    'an error of an end nobody saw',
    { lines: apiError('x', 'rate_limit', { api_error_status: 429 }), exit: null, lost: true },
    'rate-limit',
  ],
];

describe('reading what Claude Code left', () => {
  it.each(ENDS)('understands %s', (_what, seen, verdict) => {
    const reading = claude.read(evidence(seen));
    expect(reading.verdict).toBe(verdict);
    expect(reading.message === null).toBe(verdict === 'done');
  });

  it('tells the result as the answer, else the agent’s last words, and never an error’s', () => {
    expect(claude.read(evidence({ lines: [INIT, SAID, RESULT] }))).toMatchObject({
      answer: 'DONE',
      conversation: CONVERSATION,
    });
    expect(claude.read(evidence({ lines: [INIT, SAID], exit: 143 })).answer).toBe('I look.');
    const lines = [SAID, ...apiError('API Error: 500', 'server_error', { api_error_status: 500 })];
    expect(claude.read(evidence({ lines, exit: 1 }))).toMatchObject({ answer: 'I look.', message: 'API Error: 500' });
  });

  it('forgets a conversation that the CLI does not find, so that the next attempt begins a new one', () => {
    const lines = [
      {
        type: 'result',
        subtype: 'error_during_execution',
        is_error: true,
        session_id: CONVERSATION,
        errors: [`No conversation found with session ID: ${CONVERSATION}`],
      },
    ];
    const reading = claude.read(evidence({ lines, exit: 1 }));
    expect(reading).toMatchObject({ verdict: 'launch', conversation: null });
    expect(reading.message).toContain('No conversation found');
  });

  it('says that it was trying the model again when it was ended in silence', () => {
    const retry = { type: 'system', subtype: 'api_retry', attempt: 3, max_retries: 10, error_status: 401, error: 'x' };
    const { message } = claude.read(evidence({ lines: [INIT, retry], stop: 'silent', exit: 143 }));
    expect(message).toContain('trying the model again: 401 x');
  });

  it('gives a lawful reading of any lines whatever', () => {
    const type = fc.constantFrom('system', 'assistant', 'user', 'result', '__proto__');
    const shape = {
      type,
      subtype: fc.jsonValue(),
      message: fc.jsonValue(),
      result: fc.jsonValue(),
      errors: fc.jsonValue(),
    };
    const event = fc.record(
      { ...shape, is_error: fc.boolean(), session_id: fc.jsonValue() },
      { requiredKeys: ['type'] },
    );
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      event.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.array(line), fc.option(fc.nat(255)), fc.boolean(), (lines, exit, lost) => {
        expect(VERDICTS).toContain(claude.read(evidence({ lines, exit, lost })).verdict);
      }),
    );
  });
});
