import type { Usage } from '../task/attempt.ts';

/** What was said so far, whatever the API: the only thing the stand-in's mind looks at. */
export type Turn =
  | { by: 'user'; text: string }
  | { by: 'model'; text: string }
  | { by: 'call'; id: string; act: Act | null }
  | { by: 'result'; call: string; result: Result };

/** A tool call of ours; calls of any other shape are kept as null. */
export type Act = { do: 'run'; script: string } | { do: 'wait'; session: number };

/** What a tool call gave back. `running` is the number of a command that goes on; `lost` means nobody saw its end. */
export type Result =
  | { is: 'ended'; exit: number; output: string }
  | { is: 'running'; session: number }
  | { is: 'lost'; output: string };

export type Reply = { is: 'text'; text: string } | { is: 'act'; act: Act };

export interface Conversation {
  model: string;
  /** How the reply's tool call has to look; each dialect has its own words. */
  style: string;
  stream: boolean;
  turns: readonly Turn[];
}

export interface ServerEvent {
  event: string;
  data: Readonly<Record<string, unknown>>;
}

/** One reply on its way: its usage holds its id. */
export interface Delivery {
  reply: Reply;
  style: string;
  usage: Usage & { model: string };
}

export interface HttpAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
}

/** One model API: reading its requests and writing its answers, as values. */
export interface Dialect {
  /** Begins the ids of responses. */
  idPrefix: string;
  /** Undefined when the body is not a request of this API. */
  parse(body: unknown): Conversation | undefined;
  /** What is sent at once. */
  opening(delivery: Delivery): readonly ServerEvent[];
  /** What is sent after the thinking; the last event ends the response. */
  rest(delivery: Delivery): readonly ServerEvent[];
  /** The whole answer at once, for a request that did not ask for a stream. */
  whole(delivery: Delivery): unknown;
  rateLimit(retryAfterSeconds: number | null): HttpAnswer;
  overload(responseId: string): HttpAnswer;
  invalid(status: number, message: string): HttpAnswer;
}

/** The events as server-sent-event text. */
export function eventStream(events: readonly ServerEvent[]): string {
  return events.map((one) => `event: ${one.event}\ndata: ${JSON.stringify(one.data)}\n\n`).join('');
}

export const STREAM_HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' } as const;

export function jsonAnswer(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

/** The advice of a 429, in whole seconds; none where null. */
export function retryAfter(seconds: number | null): Readonly<Record<string, string>> {
  return seconds === null ? {} : { 'retry-after': String(seconds) };
}

/** Text in pieces of at most `size` characters, as a model streams it. Never cuts a surrogate pair. */
export function pieces(text: string, size = 24): string[] {
  const letters = [...text];
  const cut: string[] = [];
  for (let at = 0; at < letters.length; at += size) cut.push(letters.slice(at, at + size).join(''));
  return cut.length === 0 ? [''] : cut;
}
