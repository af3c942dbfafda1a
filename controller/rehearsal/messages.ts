import { z } from 'zod';
import {
  type Act,
  type Conversation,
  type Delivery,
  type Dialect,
  jsonAnswer,
  pieces,
  type Result,
  retryAfter,
  type ServerEvent,
  type Turn,
} from './dialect.ts';

const Part = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
  input: z.unknown().optional(),
  tool_use_id: z.string().optional(),
  is_error: z.boolean().optional(),
  content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).optional(),
});
type Part = z.infer<typeof Part>;
const Message = z.object({
  role: z.string(),
  content: z.union([z.string().transform((text): Part[] => [{ type: 'text', text }]), z.array(Part)]),
});
const Request = z.looseObject({ model: z.string(), messages: z.array(Message), stream: z.boolean().optional() });
const BashInput = z.looseObject({ command: z.string() });

const BASH_MS_MAX = 600_000;
/** Claude Code refuses a command that begins with a long sleep; this one begins with nothing. */
const NOTHING = ':\n';

/** The Anthropic Messages API, as far as the Claude Code CLI uses it. */
export const messages: Dialect = {
  idPrefix: 'msg',
  parse(body): Conversation | undefined {
    const request = Request.safeParse(body);
    if (!request.success) return undefined;
    const { model, stream } = request.data;
    const turns = request.data.messages.flatMap(({ role, content }) => content.flatMap((part) => turnOf(role, part)));
    return { model, style: 'bash', stream: stream ?? false, turns };
  },
  opening: (delivery) => [
    {
      event: 'message_start',
      data: { type: 'message_start', message: { ...shell(delivery), usage: spent(delivery, 1) } },
    },
    { event: 'ping', data: { type: 'ping' } },
  ],
  rest: (delivery) => [
    ...blockEvents(delivery),
    {
      event: 'message_delta',
      data: {
        type: 'message_delta',
        delta: { stop_reason: stopReason(delivery), stop_sequence: null },
        usage: { output_tokens: delivery.usage.outputTokens },
      },
    },
    { event: 'message_stop', data: { type: 'message_stop' } },
  ],
  whole: (delivery) => ({
    ...shell(delivery),
    content: [block(delivery)],
    stop_reason: stopReason(delivery),
    usage: spent(delivery, delivery.usage.outputTokens),
  }),
  rateLimit: (retryAfterSeconds) =>
    jsonAnswer(429, failure('rate_limit_error', 'Rate limit reached (rehearsal).'), retryAfter(retryAfterSeconds)),
  overload: () =>
    jsonAnswer(529, failure('overloaded_error', 'Overloaded (rehearsal).'), { 'x-should-retry': 'false' }),
  invalid: (status, message) => jsonAnswer(status, failure('invalid_request_error', message)),
};

function failure(type: string, message: string): unknown {
  return { type: 'error', error: { type, message } };
}

function turnOf(role: string, part: Part): Turn[] {
  if (part.type === 'tool_result') return [{ by: 'result', call: part.tool_use_id ?? '', result: resultOf(part) }];
  if (part.type === 'tool_use') return [{ by: 'call', id: part.id ?? '', act: actOf(part) }];
  const text = part.text ?? '';
  if (part.type !== 'text') return [];
  if (role === 'assistant') return [{ by: 'model', text }];
  // The CLI puts notes of its own (environment, project instructions) into user messages.
  return role === 'user' && !text.startsWith('<system-reminder>') ? [{ by: 'user', text }] : [];
}

function actOf(part: Part): Act | null {
  const input = BashInput.safeParse(part.input);
  if (part.name !== 'Bash' || !input.success || !input.data.command.startsWith(NOTHING)) return null;
  return { do: 'run', script: input.data.command.slice(NOTHING.length) };
}

/** A failed command begins with `Exit code N`; an error without it (interrupted, refused) has no known end. */
function resultOf(part: Part): Result {
  const content = part.content ?? '';
  const output = typeof content === 'string' ? content : content.map((one) => one.text ?? '').join('\n');
  if (part.is_error !== true) return { is: 'ended', exit: 0, output };
  const failed = /^Exit code (\d+)\n?/.exec(output);
  if (failed === null) return { is: 'lost', output };
  return { is: 'ended', exit: Number(failed[1]), output: output.slice(failed[0].length) };
}

function shell({ usage }: Delivery): Record<string, unknown> {
  return {
    id: usage.response,
    type: 'message',
    role: 'assistant',
    model: usage.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
  };
}

/** This API counts cached tokens beside the input, not within it. */
function spent({ usage }: Delivery, outputTokens: number): Record<string, number> {
  return {
    input_tokens: usage.inputTokens - usage.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: outputTokens,
  };
}

function stopReason({ reply }: Delivery): string {
  return reply.is === 'act' ? 'tool_use' : 'end_turn';
}

/** There is no waiting for a command here: the tool itself waits, up to its limit. */
function inputOf(act: Act): Record<string, unknown> {
  const command = act.do === 'run' ? act.script : 'true';
  return { command: `${NOTHING}${command}`, description: 'Run the task’s script', timeout: BASH_MS_MAX };
}

function block({ reply, usage }: Delivery): Record<string, unknown> {
  if (reply.is === 'text') return { type: 'text', text: reply.text };
  return { type: 'tool_use', id: `toolu_${usage.response}`, name: 'Bash', input: inputOf(reply.act) };
}

function blockEvents(delivery: Delivery): ServerEvent[] {
  const { reply } = delivery;
  const start = reply.is === 'text' ? { type: 'text', text: '' } : { ...block(delivery), input: {} };
  const deltas =
    reply.is === 'text'
      ? pieces(reply.text).map((text) => ({ type: 'text_delta', text }))
      : [{ type: 'input_json_delta', partial_json: JSON.stringify(inputOf(reply.act)) }];
  return [
    { event: 'content_block_start', data: { type: 'content_block_start', index: 0, content_block: start } },
    ...deltas.map((delta) => ({
      event: 'content_block_delta',
      data: { type: 'content_block_delta', index: 0, delta },
    })),
    { event: 'content_block_stop', data: { type: 'content_block_stop', index: 0 } },
  ];
}
