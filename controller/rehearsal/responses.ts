import { z } from 'zod';
import {
  type Act,
  type Conversation,
  type Delivery,
  type Dialect,
  eventStream,
  jsonAnswer,
  pieces,
  type Result,
  retryAfter,
  type ServerEvent,
  STREAM_HEADERS,
  type Turn,
} from './dialect.ts';

/** How a model runs a command: by a plain function call, or by JavaScript given to one custom tool. */
const FUNCTIONS = 'functions';
const CODE = 'code';

const Text = z.object({ text: z.string() }).partial();
const Output = z.union([z.string(), z.array(Text)]);
const Item = z.looseObject({
  type: z.string().optional(),
  role: z.string().optional(),
  content: Output.optional(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  input: z.string().optional(),
  output: Output.optional(),
});
type Item = z.infer<typeof Item>;
const Request = z.looseObject({
  model: z.string(),
  input: z.union([z.string().transform((content): Item[] => [{ role: 'user', content }]), z.array(Item)]),
  stream: z.boolean().optional(),
});

/** How long the tool waits for a command: first as long as a model does by itself, then below the limit of `exec`. */
const RUN_MS = 10_000;
const WAIT_MS = 25_000;
const OUTPUT_TOKENS_MAX = 2000;

/** The OpenAI Responses API, as far as the Codex CLI uses it. */
export const responses: Dialect = {
  idPrefix: 'resp',
  parse(body): Conversation | undefined {
    const request = Request.safeParse(body);
    if (!request.success) return undefined;
    const { model, input, stream } = request.data;
    const style = input.some((item) => item.type === 'additional_tools') ? CODE : FUNCTIONS;
    return { model, style, stream: stream ?? false, turns: input.flatMap(turnOf) };
  },
  opening: ({ usage }) => [
    lifecycle('response.created', usage.response, { model: usage.model, status: 'in_progress', output: [] }),
  ],
  rest: (delivery) => [
    ...itemEvents(delivery),
    lifecycle('response.completed', delivery.usage.response, finished(delivery)),
  ],
  whole: (delivery) => ({ id: delivery.usage.response, object: 'response', ...finished(delivery) }),
  rateLimit: (retryAfterSeconds) =>
    jsonAnswer(429, failure('rate_limit_exceeded', 'Rate limit reached (rehearsal).'), retryAfter(retryAfterSeconds)),
  overload: (id) => ({
    status: 200,
    headers: STREAM_HEADERS,
    body: eventStream([
      lifecycle('response.created', id, { status: 'in_progress', output: [] }),
      lifecycle('response.failed', id, {
        status: 'failed',
        error: { code: 'server_is_overloaded', message: 'The model is overloaded (rehearsal).' },
      }),
    ]),
  }),
  invalid: (status, message) => jsonAnswer(status, failure('invalid_request_error', message)),
};

function failure(code: string, message: string): unknown {
  return { error: { message, type: code, code, param: null } };
}

function turnOf(item: Item): Turn[] {
  const kind = item.type ?? 'message';
  const call = item.call_id ?? '';
  if (kind === 'message' && item.role === 'user') return [{ by: 'user', text: plain(item.content) }];
  if (kind === 'message' && item.role === 'assistant') return [{ by: 'model', text: plain(item.content) }];
  if (kind === 'function_call') return [{ by: 'call', id: call, act: actOfArguments(item.name, item.arguments) }];
  if (kind === 'custom_tool_call') return [{ by: 'call', id: call, act: actOfSource(item.input ?? '') }];
  if (kind === 'function_call_output') return [{ by: 'result', call, result: resultOfText(plain(item.output)) }];
  if (kind === 'custom_tool_call_output') return [{ by: 'result', call, result: resultOfParts(item.output) }];
  return [];
}

function plain(content: z.infer<typeof Output> | undefined): string {
  if (content === undefined || typeof content === 'string') return content ?? '';
  return content.map((part) => part.text ?? '').join('\n');
}

const Arguments = z.object({ cmd: z.string().optional(), session_id: z.number().optional() });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function actOfArguments(name: string | undefined, text: string | undefined): Act | null {
  const given = Arguments.safeParse(parseJson(text ?? ''));
  if (!given.success) return null;
  const { cmd, session_id: session } = given.data;
  if (name === 'exec_command' && cmd !== undefined) return { do: 'run', script: cmd };
  return name === 'write_stdin' && session !== undefined ? { do: 'wait', session } : null;
}

/** The tool and its arguments for an act; the same for both styles. */
function toolOf(act: Act): { name: string; arguments: string } {
  const limit = { max_output_tokens: OUTPUT_TOKENS_MAX };
  return act.do === 'run'
    ? { name: 'exec_command', arguments: JSON.stringify({ cmd: act.script, yield_time_ms: RUN_MS, ...limit }) }
    : { name: 'write_stdin', arguments: JSON.stringify({ session_id: act.session, yield_time_ms: WAIT_MS, ...limit }) };
}

const SOURCE_END = '); text(JSON.stringify({ exit_code: r.exit_code, session_id: r.session_id })); text(r.output);';

function sourceOf(act: Act): string {
  const tool = toolOf(act);
  return `const r = await tools.${tool.name}(${tool.arguments}${SOURCE_END}`;
}

function actOfSource(source: string): Act | null {
  const parts = /^const r = await tools\.(\w+)\(/.exec(source);
  if (parts === null || !source.endsWith(SOURCE_END)) return null;
  return actOfArguments(parts[1], source.slice(parts[0].length, -SOURCE_END.length));
}

function resultOfText(text: string): Result {
  const cut = text.indexOf('\nOutput:\n');
  const [head, output] = cut < 0 ? [text, ''] : [text.slice(0, cut), text.slice(cut + '\nOutput:\n'.length)];
  const exit = /^Process exited with code (-?\d+)$/m.exec(head)?.[1];
  if (exit !== undefined) return { is: 'ended', exit: Number(exit), output };
  const session = /^Process running with session ID (\d+)$/m.exec(head)?.[1];
  return session === undefined ? { is: 'lost', output: text } : { is: 'running', session: Number(session) };
}

const Status = z.object({ exit_code: z.number().optional(), session_id: z.number().optional() });

/** What our JavaScript printed comes back as a header, the status, and the output. */
function resultOfParts(content: z.infer<typeof Output> | undefined): Result {
  if (!Array.isArray(content)) return { is: 'lost', output: plain(content) };
  const status = Status.safeParse(parseJson(content[1]?.text ?? ''));
  if (!status.success) return { is: 'lost', output: plain(content) };
  const { exit_code: exit, session_id: session } = status.data;
  if (exit !== undefined) return { is: 'ended', exit, output: plain(content.slice(2)) };
  return session === undefined ? { is: 'lost', output: plain(content) } : { is: 'running', session };
}

function lifecycle(event: string, id: string, fields: Readonly<Record<string, unknown>>): ServerEvent {
  return { event, data: { type: event, response: { id, object: 'response', ...fields } } };
}

function finished(delivery: Delivery): Record<string, unknown> {
  const { usage } = delivery;
  return {
    model: usage.model,
    status: 'completed',
    output: [outputItem(delivery)],
    usage: {
      input_tokens: usage.inputTokens,
      input_tokens_details: { cached_tokens: usage.cachedTokens },
      output_tokens: usage.outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.inputTokens + usage.outputTokens,
    },
  };
}

function outputItem({ reply, style, usage }: Delivery): { id: string; [field: string]: unknown } {
  const id = usage.response;
  if (reply.is === 'text') {
    const content = [{ type: 'output_text', text: reply.text, annotations: [] }];
    return { type: 'message', role: 'assistant', id: `msg_${id}`, status: 'completed', content };
  }
  const call = { id: `item_${id}`, call_id: `call_${id}`, status: 'completed' };
  if (style === CODE) {
    return { type: 'custom_tool_call', ...call, name: 'exec', namespace: 'functions', input: sourceOf(reply.act) };
  }
  return { type: 'function_call', ...call, ...toolOf(reply.act) };
}

function itemEvents(delivery: Delivery): ServerEvent[] {
  const item = outputItem(delivery);
  const done: ServerEvent = {
    event: 'response.output_item.done',
    data: { type: 'response.output_item.done', output_index: 0, item },
  };
  if (delivery.reply.is !== 'text') return [done];
  const at = { item_id: item.id, output_index: 0, content_index: 0 };
  return [
    {
      event: 'response.output_item.added',
      data: {
        type: 'response.output_item.added',
        output_index: 0,
        item: { ...item, status: 'in_progress', content: [] },
      },
    },
    ...pieces(delivery.reply.text).map((delta) => ({
      event: 'response.output_text.delta',
      data: { type: 'response.output_text.delta', ...at, delta },
    })),
    done,
  ];
}
