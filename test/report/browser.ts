import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'vitest';
import { program } from '../support/capability.ts';

/** A real browser with one page, driven through its own pipe (Chrome DevTools Protocol). */

const ANSWER_MS_MAX = 30_000;
const FLAGS = [
  '--headless=new',
  '--no-sandbox', // tests run as root in containers, too
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--hide-scrollbars',
  '--remote-debugging-pipe',
];

export interface Page {
  /** Addresses that the page asked for, its own first. */
  requests: readonly string[];
  /** What it wrote to the console, and what went wrong in it. */
  complaints: readonly string[];
  /** The value of an expression in the page. */
  ask(expression: string): Promise<unknown>;
  /** A PNG of what a person sees. */
  picture(): Promise<Buffer>;
}

export interface Look {
  scheme: 'light' | 'dark';
  width?: number;
  height?: number;
}

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

interface Wire {
  call(method: string, params?: object, session?: string): Promise<Record<string, unknown>>;
  messages: readonly Message[];
  until(method: string): Promise<void>;
}

/** Opens an address as a person does; the browser ends with the test. */
export async function openPage(context: TestContext, address: string, look: Look): Promise<Page> {
  const wire = await beginBrowser(context);
  const { targetId } = await wire.call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await wire.call('Target.attachToTarget', { targetId, flatten: true });
  const call = (method: string, params: object = {}) => wire.call(method, params, String(sessionId));
  for (const domain of ['Network', 'Page', 'Runtime', 'Log']) await call(`${domain}.enable`);
  const { scheme, width = 1280, height = 1600 } = look;
  await call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  await call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  const loaded = wire.until('Page.loadEventFired');
  await call('Page.navigate', { url: address });
  await loaded;
  const told = (...methods: string[]) => wire.messages.filter(({ method }) => methods.includes(method ?? ''));
  return {
    get requests() {
      return told('Network.requestWillBeSent').map(
        ({ params }) => (params as { request: { url: string } }).request.url,
      );
    },
    get complaints() {
      return told('Log.entryAdded', 'Runtime.consoleAPICalled', 'Runtime.exceptionThrown').map(({ params }) =>
        JSON.stringify(params),
      );
    },
    ask: async (expression) => {
      const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true });
      if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
      return (result as { value: unknown }).value;
    },
    picture: async () => Buffer.from(String((await call('Page.captureScreenshot', { format: 'png' })).data), 'base64'),
  };
}

async function beginBrowser(context: TestContext): Promise<Wire> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-browser-'));
  const child = spawn(program('chromium'), [...FLAGS, `--user-data-dir=${folder}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: folder },
  });
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  });
  const [, , , input, output] = child.stdio as unknown as [null, null, null, Writable, Readable];
  input.on('error', () => {}); // it ended by itself
  const wire = openWire(input, output, ended);
  context.onTestFinished(async () => {
    await Promise.race([wire.call('Browser.close').catch(() => {}), ended]);
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  return wire;
}

/** Messages are JSON, a NUL after each. */
function openWire(input: Writable, output: Readable, ended: Promise<void>): Wire {
  const messages: Message[] = [];
  const listeners = new Set<(message: Message) => void>();
  let rest = '';
  let last = 0;
  output.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\0');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      messages.push(message);
      for (const listen of listeners) listen(message);
    }
  });
  const hear = (what: string, isIt: (message: Message) => boolean): Promise<Message> =>
    new Promise((resolve, reject) => {
      const fail = (why: string) => settle(() => reject(new Error(`the browser: ${what}: ${why}`)));
      const limit = setTimeout(() => fail(`no answer within ${ANSWER_MS_MAX} ms`), ANSWER_MS_MAX);
      const listen = (message: Message) => isIt(message) && settle(() => resolve(message));
      const settle = (how: () => void) => {
        clearTimeout(limit);
        listeners.delete(listen);
        how();
      };
      listeners.add(listen);
      void ended.then(() => fail('it ended'));
    });
  return {
    messages,
    until: async (method) => void (await hear(method, (message) => message.method === method)),
    call: async (method, params = {}, sessionId?) => {
      const id = ++last;
      const answer = hear(method, (message) => message.id === id);
      input.write(`${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`);
      const { result, error } = await answer;
      if (error) throw new Error(`the browser: ${method}: ${error.message}`);
      return result ?? {};
    },
  };
}
