import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codex } from '../../../controller/agent/tools/codex.ts';
import type { Evidence } from '../../../controller/agent/tools/tool.ts';
import { VERDICTS, type Verdict } from '../../../controller/task/attempt.ts';
import { CONVERSATION, evidence, order } from './evidence.ts';

const STARTED = { type: 'thread.started', thread_id: CONVERSATION };
const TURN = { type: 'turn.started' };
const SAID = { type: 'item.completed', item: { id: 'item_1', type: 'agent_message', text: 'DONE' } };
const COMPLETED = { type: 'turn.completed', usage: { input_tokens: 2000, output_tokens: 100 } };
const failed = (message: string) => ({ type: 'turn.failed', error: { message } });
const trouble = (message: string) => ({ type: 'error', message });

describe('launching Codex', () => {
  it('gives it a home and a temporary folder of the agent’s own, and the prompt on standard input', () => {
    const launch = codex.launch(order({ tool: 'codex', env: { LANG: 'C', CODEX_HOME: '/root/.codex' } }));
    expect(launch.env).toEqual({ LANG: 'C', CODEX_HOME: '/srv/agents/007/codex', TMPDIR: '/srv/agents/007/tmp' });
    expect(launch).toMatchObject({ stdin: 'prompt', gated: true });
    expect(launch.words.at(-1)).toBe('-');
    expect(launch.words).not.toContain('/srv/attempts/1/prompt');
  });

  it('puts every flag before the word resume, because resume forgets the sandbox', () => {
    const kind = { tool: 'codex', args: ['-c', 'x=1'], sandbox: 'danger-full-access', model: 'gpt-5.5' } as const;
    const { words } = codex.launch(order(kind, { resume: CONVERSATION }));
    expect(words.slice(-5)).toEqual(['-c', 'x=1', 'resume', CONVERSATION, '-']);
    expect(words.join(' ')).toContain('-C /srv/work -s danger-full-access -m gpt-5.5 ');
  });

  it('refuses to go on with anything but a UUID, which would silently begin a new conversation', () => {
    expect(() => codex.launch(order({ tool: 'codex' }, { resume: 'last' }))).toThrow(RangeError);
  });

  it('works in the folder alone where the kind names no sandbox', () => {
    expect(codex.launch(order({ tool: 'codex' })).words.join(' ')).toContain('-s workspace-write');
  });

  it('goes to an endpoint of one’s own without WebSockets, naming the key’s variable only where there is a key', () => {
    const endpoint = 'http://127.0.0.1:4000/t/a/1';
    const bare = codex.launch(order({ tool: 'codex', endpoint })).words.join(' ');
    expect(bare).toContain('base_url="http://127.0.0.1:4000/t/a/1/v1",wire_api="responses",supports_websockets=false}');
    const secrets = { OPENAI_API_KEY: { from: 'env', name: 'OPENAI_API_KEY' } } as const;
    const keyed = codex.launch(order({ tool: 'codex', endpoint: `${endpoint}/`, secrets })).words.join(' ');
    expect(keyed).toContain('supports_websockets=false,env_key="OPENAI_API_KEY"}');
    expect(codex.launch(order({ tool: 'codex' })).words.join(' ')).not.toContain('model_provider=');
  });

  it('takes another template for another program, and the same for the same', () => {
    const name = (program: string | null) => codex.launch(order({ tool: 'codex', program })).home?.name;
    expect(name('/opt/codex-1/codex')).not.toBe(name('/opt/codex-2/codex'));
    expect(name(null)).toBe(name(null));
    expect(name(null)).toMatch(/^codex-[0-9a-f]{12}$/);
  });
});

/** What was seen, and what it means. The error texts are the CLI's own. */
const ENDS: readonly (readonly [string, Partial<Evidence> & { lines?: readonly unknown[] }, Verdict])[] = [
  ['a completed turn', { lines: [STARTED, TURN, SAID, COMPLETED] }, 'done'],
  [
    'a completed turn whose end nobody saw',
    { lines: [STARTED, TURN, SAID, COMPLETED], lost: true, exit: null },
    'done',
  ],
  ['a completed turn, then a kill', { lines: [STARTED, TURN, SAID, COMPLETED], exit: 137, signal: 9 }, 'done'],
  [
    'a completed turn, then our own time limit',
    { lines: [STARTED, TURN, COMPLETED], stop: 'timeout', exit: 143 },
    'done',
  ],
  [
    'a completed turn that a person had cancelled',
    { lines: [STARTED, TURN, COMPLETED], stop: 'cancelled' },
    'cancelled',
  ],
  ['a turn begun after a completed one', { lines: [STARTED, TURN, COMPLETED, TURN], exit: null, lost: true }, 'lost'],
  ['nothing after the turn began', { lines: [STARTED, TURN], exit: null, lost: true }, 'lost'],
  ['no exit code and no signal', { lines: [STARTED, TURN], exit: null }, 'lost'],
  ['a kill from outside', { lines: [STARTED, TURN], exit: null, signal: 9 }, 'killed'],
  ['a kill told as a shell’s exit code', { lines: [STARTED, TURN], exit: 137 }, 'killed'],
  ['an interrupt: exit 1 and no event', { lines: [STARTED, TURN], exit: 1 }, 'killed'],
  ['our time limit', { lines: [STARTED, TURN], stop: 'timeout', exit: 143, signal: 15 }, 'timeout'],
  ['our watchdog', { lines: [STARTED, TURN], stop: 'silent', exit: 143 }, 'silent'],
  ['a restart of the agent', { lines: [STARTED, TURN], stop: 'restarted', exit: 143 }, 'restarted'],
  ['the fleet’s stop', { lines: [STARTED, TURN], stop: 'shutdown', exit: 143 }, 'restarted'],
  [
    'a wrong flag',
    { exit: 2, err: "error: unexpected argument '--bad' found\n\nFor more information, try '--help'." },
    'launch',
  ],
  ['a program that is not there', { exit: 127, err: 'sh: 1: exec: codex: not found\n' }, 'launch'],
  ['no events at all with exit 0', {}, 'launch'],
  [
    'a conversation that is not there',
    {
      exit: 1,
      err: `Error: thread/resume: thread/resume failed: no rollout found for thread id ${CONVERSATION} (code -32600)`,
    },
    'launch',
  ],
];

/** The last message of a failed turn, and whose fault it is. */
const FAILURES: readonly (readonly [string, Verdict])[] = [
  ['exceeded retry limit, last status: 429 Too Many Requests, request id: x', 'rate-limit'],
  ['rate limit exceeded: try again in 2.0s', 'rate-limit'],
  ['We’re currently experiencing high demand, which may cause temporary errors.', 'overloaded'],
  ['Selected model is at capacity. Please try a different model.', 'overloaded'],
  ['Quota exceeded. Check your plan and billing details.', 'quota'],
  ['You’ve hit your usage limit. Upgrade or try again at 5:07 AM.', 'quota'],
  ['unexpected status 401 Unauthorized: no such key, url: http://h/v1/responses', 'credentials'],
  ['unexpected status 403 Forbidden: no', 'credentials'],
  ['Missing environment variable: `OPENAI_API_KEY`.', 'credentials'],
  ['stream disconnected before completion: Transport error: network error', 'network'],
  ['stream disconnected before completion: idle timeout waiting for SSE', 'network'],
  ['Connection failed: error sending request', 'network'],
  ['Codex ran out of room in the model’s context window. Start a new thread.', 'failed'],
  ['Incomplete response returned, reason: max_output_tokens', 'failed'],
  ['{"error":{"message":"Unknown parameter","type":"invalid_request_error"}}', 'failed'],
  ['', 'failed'],
];

describe('reading what Codex left', () => {
  it.each(ENDS)('understands %s', (_what, seen, verdict) => {
    const reading = codex.read(evidence(seen));
    expect(reading.verdict).toBe(verdict);
    expect(reading.message === null).toBe(verdict === 'done');
  });

  it.each(FAILURES)('knows whose fault “%s” is', (message, verdict) => {
    expect(codex.read(evidence({ lines: [STARTED, TURN, failed(message)], exit: 1 })).verdict).toBe(verdict);
    expect(codex.read(evidence({ lines: [STARTED, TURN, failed(message)], exit: null, lost: true })).verdict).toBe(
      verdict,
    );
  });

  it('takes an error event for a retry and not for an end', () => {
    const lines = [STARTED, TURN, trouble('Reconnecting... 1/5 (429)'), SAID, COMPLETED];
    expect(codex.read(evidence({ lines })).verdict).toBe('done');
  });

  it('says what a silent turn was waiting for', () => {
    const lines = [STARTED, TURN, trouble('Reconnecting... waiting for network (refused)')];
    const { message } = codex.read(evidence({ lines, stop: 'silent', exit: 143 }));
    expect(message).toContain('it last said: Reconnecting... waiting for network (refused)');
  });

  it('shows a provider’s JSON answer as its sentence, and no key', () => {
    const lines = [STARTED, TURN, failed('{"error":{"message":"bad\\nkey sk-proj-abcdefghijklmnop1234"}}')];
    expect(codex.read(evidence({ lines, exit: 1 })).message).toBe('bad key ‹secret›');
  });

  it('tells the last message as the answer, cut to 4,000 characters, and the conversation', () => {
    const long = { type: 'item.completed', item: { type: 'agent_message', text: `${'あ'.repeat(3_998)}🎌🎌🎌` } };
    const reading = codex.read(evidence({ lines: [STARTED, TURN, SAID, long, COMPLETED] }));
    expect(reading.conversation).toBe(CONVERSATION);
    expect(reading.answer).toHaveLength(3_999);
    expect(reading.answer?.isWellFormed()).toBe(true);
  });

  it('knows no conversation by a name that is no UUID', () => {
    const lines = [{ type: 'thread.started', thread_id: '--last' }, TURN, COMPLETED];
    expect(codex.read(evidence({ lines })).conversation).toBeNull();
  });

  it.each([
    ['rate limit exceeded: Please try again in 2.5s.', 2.5],
    ['rate limit exceeded, try again in 1m30s', 90],
    ['rate limit exceeded, retry after 20 seconds', 20],
    ['rate limit exceeded, try again in 120ms', 0.12],
    ['You’ve hit your usage limit, try again at 5:07 AM.', null],
  ])('reads how long “%s” asks us to wait', (message, seconds) => {
    const reading = codex.read(evidence({ lines: [STARTED, TURN, failed(message)], exit: 1 }));
    expect(reading.retryAfterSeconds).toBe(seconds);
  });

  it('finds its way through prose, half lines, binary and a line of a megabyte', () => {
    const noise = [
      'not json',
      '{"type":"turn.comp',
      '[1]',
      'null',
      '\0\u0001\uFFFD',
      `{"x":"${'y'.repeat(1_200_000)}"}`,
    ];
    const lines = [...noise, STARTED, ...noise, TURN, ...noise, SAID, ...noise, COMPLETED, '{"type":"turn.fai'];
    const reading = codex.read(evidence({ lines }));
    expect(reading).toMatchObject({ verdict: 'done', answer: 'DONE', conversation: CONVERSATION });
  });

  it('gives a lawful reading of any lines whatever', () => {
    const type = fc.constantFrom(
      'thread.started',
      'turn.completed',
      'turn.failed',
      'item.completed',
      'error',
      '__proto__',
    );
    const event = fc.record({ type, item: fc.jsonValue(), error: fc.jsonValue(), thread_id: fc.jsonValue() });
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      event.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.array(line), fc.array(line), fc.option(fc.nat(255)), (lines, usage, exit) => {
        const reading = codex.read(evidence({ lines, exit, usage: usage.join('\n') }));
        expect(VERDICTS).toContain(reading.verdict);
        expect(reading.answer?.length ?? 0).toBeLessThanOrEqual(4_000);
      }),
    );
  });
});

describe('counting Codex’s tokens', () => {
  it('takes each response once, and passes over what is no count', () => {
    const usage = [
      '{"response":"r1","model":"gpt-5.5","input":10,"cached":4,"output":1}',
      '{"response":"r1","model":"gpt-5.5","input":10,"cached":4,"output":2}',
      '{"response":"r2","model":"","input":-1,"cached":1.5,"output":"7"}',
      '{"response":"","input":1}',
      'onse":"r3","input":1}',
      '{"response":7}',
    ];
    expect(codex.read(evidence({ usage: usage.join('\n') })).usage).toEqual([
      { response: 'r1', model: 'gpt-5.5', inputTokens: 10, cachedTokens: 4, outputTokens: 2 },
      { response: 'r2', model: null, inputTokens: 0, cachedTokens: 0, outputTokens: 0 },
    ]);
  });
});
