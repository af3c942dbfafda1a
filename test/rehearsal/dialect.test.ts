import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Act, type Delivery, type Dialect, eventStream, pieces } from '../../controller/rehearsal/dialect.ts';
import { messages } from '../../controller/rehearsal/messages.ts';
import { responses } from '../../controller/rehearsal/responses.ts';

const usage = { response: 'r1', model: 'm', inputTokens: 1000, cachedTokens: 256, outputTokens: 20 };
const deliver = (act: Act, style: string): Delivery => ({ reply: { is: 'act', act }, style, usage });
const text = (said: string, style = 'functions'): Delivery => ({ reply: { is: 'text', text: said }, style, usage });
const last = (dialect: Dialect, delivery: Delivery) => dialect.rest(delivery).at(-1)?.data;

function itemOf(delivery: Delivery): Record<string, unknown> {
  const done = responses.rest(delivery).find((event) => event.event === 'response.output_item.done');
  return done?.data.item as Record<string, unknown>;
}

const scripts = fc.string({ unit: 'grapheme', maxLength: 200 });

describe('the Responses API', () => {
  test('a call of ours is read back as what it was, in both tool styles', () => {
    const acts = fc.oneof(
      scripts.map((script): Act => ({ do: 'run', script })),
      fc.nat().map((session): Act => ({ do: 'wait', session })),
    );
    fc.assert(
      fc.property(acts, fc.constantFrom('functions', 'code'), (act, style) => {
        const item = itemOf(deliver(act, style));
        expect(item.type).toBe(style === 'code' ? 'custom_tool_call' : 'function_call');
        const read = responses.parse({ model: 'm', input: [item] });
        expect(read?.turns).toEqual([{ by: 'call', id: 'call_r1', act }]);
      }),
    );
  });

  test('the tool style is told by where the tools are listed', () => {
    const input = [{ role: 'user', content: 'hi' }];
    expect(responses.parse({ model: 'm', input, tools: [{ type: 'function' }] })?.style).toBe('functions');
    expect(responses.parse({ model: 'm', input: [{ type: 'additional_tools' }, ...input] })?.style).toBe('code');
  });

  const outputs: [string, unknown, unknown][] = [
    [
      'an end',
      { type: 'function_call_output', output: 'Wall time: 0.1\nProcess exited with code 3\nOutput:\na\nOutput:\nb\n' },
      { is: 'ended', exit: 3, output: 'a\nOutput:\nb\n' },
    ],
    [
      'a command that goes on',
      { type: 'function_call_output', output: 'Wall time: 25\nProcess running with session ID 77\nOutput:\n' },
      { is: 'running', session: 77 },
    ],
    ['a lost call', { type: 'function_call_output', output: 'aborted' }, { is: 'lost', output: 'aborted' }],
    [
      'an end told by code',
      {
        type: 'custom_tool_call_output',
        output: [{ text: 'Script completed' }, { text: '{"exit_code":0}' }, { text: 'ok\n' }],
      },
      { is: 'ended', exit: 0, output: 'ok\n' },
    ],
    [
      'a command that goes on, told by code',
      { type: 'custom_tool_call_output', output: [{ text: 'Script completed' }, { text: '{"session_id":5}' }] },
      { is: 'running', session: 5 },
    ],
    ['code that was lost', { type: 'custom_tool_call_output', output: 'aborted' }, { is: 'lost', output: 'aborted' }],
  ];
  test.each(outputs)('%s is understood', (_, item, result) => {
    const read = responses.parse({ model: 'm', input: [{ ...(item as object), call_id: 'c' }] });
    expect(read?.turns).toEqual([{ by: 'result', call: 'c', result }]);
  });

  test('the last event carries the usage, cached tokens within the input', () => {
    expect(last(responses, text('Done.'))).toMatchObject({
      type: 'response.completed',
      response: {
        id: 'r1',
        usage: { input_tokens: 1000, input_tokens_details: { cached_tokens: 256 }, output_tokens: 20 },
      },
    });
  });

  test('an answer streams in pieces that make the whole', () => {
    const events = responses.rest(text('A long answer that does not fit into one single piece.'));
    const deltas = events.filter((event) => event.event === 'response.output_text.delta');
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.map((event) => event.data.delta).join('')).toBe(
      'A long answer that does not fit into one single piece.',
    );
  });

  test('a rate limit gives advice only when told to', () => {
    expect(responses.rateLimit(null).headers).not.toHaveProperty('retry-after');
    expect(responses.rateLimit(1).headers).toHaveProperty('retry-after', '1');
  });

  test('what is no request is refused', () => {
    for (const body of [undefined, null, 3, {}, { model: 'm' }, { input: [] }]) {
      expect(responses.parse(body)).toBeUndefined();
      expect(messages.parse(body)).toBeUndefined();
    }
  });
});

describe('the Messages API', () => {
  test('a call of ours is read back as what it was', () => {
    fc.assert(
      fc.property(scripts, (script) => {
        const body = messages.whole(deliver({ do: 'run', script }, 'bash')) as { content: unknown };
        const read = messages.parse({ model: 'm', messages: [{ role: 'assistant', content: body.content }] });
        expect(read?.turns).toEqual([{ by: 'call', id: 'toolu_r1', act: { do: 'run', script } }]);
      }),
    );
  });

  test('a command never begins with a sleep, which the CLI would refuse', () => {
    const block = messages.whole(deliver({ do: 'run', script: 'sleep 60; echo hi' }, 'bash'));
    expect(block).toMatchObject({ content: [{ input: { command: ':\nsleep 60; echo hi' } }], stop_reason: 'tool_use' });
  });

  const results: [string, unknown, unknown][] = [
    ['a good end', { content: 'ok' }, { is: 'ended', exit: 0, output: 'ok' }],
    [
      'a good end in parts',
      { content: [{ type: 'text', text: 'ok' }], is_error: false },
      { is: 'ended', exit: 0, output: 'ok' },
    ],
    ['a bad end', { content: 'Exit code 3\nhi', is_error: true }, { is: 'ended', exit: 3, output: 'hi' }],
    [
      'a lost call',
      { content: '[Tool call interrupted]', is_error: true },
      { is: 'lost', output: '[Tool call interrupted]' },
    ],
  ];
  test.each(results)('%s is understood', (_, part, result) => {
    const content = [{ type: 'tool_result', tool_use_id: 't', ...(part as object) }];
    const read = messages.parse({ model: 'm', messages: [{ role: 'user', content }] });
    expect(read?.turns).toEqual([{ by: 'result', call: 't', result }]);
  });

  test('notes of the CLI are not taken for what the person said', () => {
    const content = [
      { type: 'text', text: '<system-reminder>\n```sh\nrm x\n```\n</system-reminder>' },
      { type: 'text', text: 'hello' },
    ];
    const read = messages.parse({
      model: 'm',
      messages: [
        { role: 'user', content },
        { role: 'system', content: 'no' },
      ],
    });
    expect(read?.turns).toEqual([{ by: 'user', text: 'hello' }]);
  });

  test('the start tells the input and the end the output, cached tokens beside the input', () => {
    const delivery = text('Done.', 'bash');
    expect(messages.opening(delivery)[0]?.data).toMatchObject({
      message: { id: 'r1', usage: { input_tokens: 744, cache_read_input_tokens: 256 } },
    });
    const delta = messages.rest(delivery).find((event) => event.event === 'message_delta');
    expect(delta?.data).toMatchObject({ usage: { output_tokens: 20 }, delta: { stop_reason: 'end_turn' } });
    expect(last(messages, delivery)).toEqual({ type: 'message_stop' });
  });
});

test('an event stream is one block of two lines per event', () => {
  expect(eventStream([{ event: 'a', data: { n: 1 } }])).toBe('event: a\ndata: {"n":1}\n\n');
});

test('pieces make the whole again, and never cut a character in two', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 9 }), (whole, size) => {
      expect(pieces(whole, size).join('')).toBe(whole);
      expect(pieces(whole, size).every((piece) => piece.isWellFormed())).toBe(true);
    }),
  );
});
