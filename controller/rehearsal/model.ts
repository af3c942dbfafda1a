import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import { FleetError } from '../errors.ts';
import { Book, parseRoute, type Route, type Served } from './book.ts';
import {
  type Conversation,
  type Delivery,
  type Dialect,
  eventStream,
  type HttpAnswer,
  STREAM_HEADERS,
} from './dialect.ts';
import { messages } from './messages.ts';
import { countTokens, think } from './mind.ts';
import { responses } from './responses.ts';
import { type Action, decide, draw, type Scenario, type Situation } from './scenario.ts';

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const CONNECTIONS_MAX = 4000;
const KEEP_ALIVE_MS = 120_000;
const THINK_MS = { min: 300, max: 900 } as const;

export interface RehearsalOptions {
  scenario: Scenario;
  clock: Clock;
  /** The same seed thinks equally long about the same request. */
  seed: number;
  host?: string;
  /** 0, the default, takes any free port. */
  port?: number;
  /** How long it seems to think before each reply, in milliseconds. */
  thinkMs?: { min: number; max: number };
  /** Told about each response that was sent to its last byte. */
  onServed?: (served: Served) => void;
  /** Told what is going to be done with each request. */
  onAction?: (request: { task: string; ordinal: number; request: number; action: Action }) => void;
}

export interface RehearsalModel {
  /** `http://HOST:PORT`; an attempt's requests go to this plus `routePrefix(task, ordinal)`. */
  url: string;
  served(): readonly Served[];
  /** Ends every open request, then the server. */
  close(): Promise<void>;
}

/** Starts a stand-in for the model APIs of Codex and Claude Code. Rejects with `usage` when the port is taken. */
export async function startRehearsalModel(options: RehearsalOptions): Promise<RehearsalModel> {
  const book = new Book();
  const run = randomBytes(4).toString('hex');
  let responsesBegun = 0;
  const nextId = (dialect: Dialect) => `${dialect.idPrefix}_${run}_${++responsesBegun}`;
  const server = createServer((request, response) => {
    answer({ options, book, nextId }, request, response).catch((error: unknown) => {
      // One broken request must not end the rehearsal of the others.
      if (response.headersSent) response.destroy(error instanceof Error ? error : undefined);
      else send(response, responses.invalid(500, String(error)));
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const host = options.host ?? '127.0.0.1';
  await listen(server, host, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}`,
    served: () => book.served(),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new FleetError('usage', `Port ${port} is taken.`, { cause, hint: 'Choose another port, or 0 for any.' });
  }
}

interface World {
  options: RehearsalOptions;
  book: Book;
  nextId(dialect: Dialect): string;
}

async function answer(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const route = parseRoute(request.url ?? '/');
  if (route.path === '/api/hello') return send(response, { status: 200, headers: {}, body: '' });
  const dialect = dialectOf(route);
  const body = await readBody(request);
  if (dialect === undefined || request.method !== 'POST') {
    return send(response, responses.invalid(404, `Nothing at ${request.method} ${route.path}.`));
  }
  if (body === undefined) return send(response, dialect.invalid(413, 'The request is too long.'));
  if (route.path.endsWith('/count_tokens')) return sendCount(response, body.length);
  const conversation = dialect.parse(parseJson(body));
  if (conversation === undefined) return send(response, dialect.invalid(400, 'Not a request of this API.'));
  const at = world.book.enter(route);
  const action = decide(world.options.scenario, at);
  world.options.onAction?.({ task: route.task, ordinal: route.ordinal, request: at.request, action });
  const reply = think(conversation.turns, action.do === 'crash');
  const tokens = countTokens(body.length, conversation.turns, reply);
  const usage = { response: world.nextId(dialect), model: conversation.model, ...tokens };
  const delivery: Delivery = { reply, style: conversation.style, usage };
  await perform(action, { world, route, at, dialect, conversation, delivery, response });
}

function dialectOf(route: Route): Dialect | undefined {
  if (route.path === '/v1/responses') return responses;
  return route.path === '/v1/messages' || route.path === '/v1/messages/count_tokens' ? messages : undefined;
}

interface Exchange {
  world: World;
  route: Route;
  at: Situation;
  dialect: Dialect;
  conversation: Conversation;
  delivery: Delivery;
  response: ServerResponse;
}

async function perform(action: Action, exchange: Exchange): Promise<void> {
  const { dialect, delivery, response } = exchange;
  switch (action.do) {
    case 'hold':
      await once(response, 'close');
      return;
    case 'rate-limit':
      return send(response, dialect.rateLimit(action.retryAfterSeconds));
    case 'overload':
      return send(response, dialect.overload(delivery.usage.response));
    case 'cut':
      response.writeHead(200, STREAM_HEADERS);
      // Destroyed only once the bytes are out, so that the other side sees a stream that began.
      response.write(eventStream(dialect.opening(delivery)), () => response.destroy());
      return;
    case 'answer':
    case 'crash':
      return deliver(exchange);
  }
}

async function deliver(exchange: Exchange): Promise<void> {
  const { world, route, dialect, conversation, delivery, response } = exchange;
  response.once('finish', () => {
    const served: Served = { task: route.task, ordinal: route.ordinal, usage: delivery.usage };
    world.book.record(served);
    world.options.onServed?.(served);
  });
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (conversation.stream) {
    response.writeHead(200, STREAM_HEADERS);
    response.write(eventStream(dialect.opening(delivery)));
  }
  await world.options.clock.sleep(thinkMsOf(exchange), gone.signal);
  if (gone.signal.aborted) return;
  if (conversation.stream) response.end(eventStream(dialect.rest(delivery)));
  else send(response, { status: 200, headers: JSON_HEADERS, body: JSON.stringify(dialect.whole(delivery)) });
}

function thinkMsOf({ world, route, at }: Exchange): number {
  const { min, max } = world.options.thinkMs ?? THINK_MS;
  return min + (max - min) * draw(`${world.options.seed} ${route.task} ${at.ordinal} ${at.request}`);
}

const JSON_HEADERS = { 'content-type': 'application/json' } as const;

function sendCount(response: ServerResponse, bodyBytes: number): void {
  const body = JSON.stringify({ input_tokens: Math.ceil(bodyBytes / 4) });
  send(response, { status: 200, headers: JSON_HEADERS, body });
}

function send(response: ServerResponse, { status, headers, body }: HttpAnswer): void {
  response.writeHead(status, headers).end(body);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The whole body; undefined when it is too long. Reads to the end either way, so that the refusal can be heard. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  return bytes <= BODY_BYTES_MAX ? Buffer.concat(chunks) : undefined;
}
