import { describe, expect, test } from 'vitest';
import { Book, parseRoute, routePrefix } from '../../controller/rehearsal/book.ts';
import { startRehearsalModel } from '../../controller/rehearsal/model.ts';
import { cleanUpAfter, clock, startModel } from './run.ts';

cleanUpAfter();

const ask = { model: 'm', stream: true, input: [{ role: 'user', content: 'Hello.' }] };
const post = (url: string, body: unknown, signal?: AbortSignal) =>
  fetch(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });

describe('the rehearsal model', () => {
  test('answers both APIs under the prefix of an attempt, and notes what it served', async () => {
    const model = await startModel('calm');
    const base = `${model.url}${routePrefix('t-1', 2)}/v1`;
    const codex = await post(`${base}/responses`, ask);
    expect(await codex.text()).toMatch(/^event: response\.created\n[\s\S]*event: response\.completed\n[^\n]*\n\n$/);
    const claude = await post(`${base}/messages?beta=true`, { model: 'c', stream: true, messages: [] });
    expect(await claude.text()).toMatch(/^event: message_start\n[\s\S]*event: message_stop\n/);
    await (await post(`${base}/responses`, ask)).text();
    const { usage, ...who } = model.served()[0] ?? {};
    expect([who, usage]).toEqual([{ task: 't-1', ordinal: 2 }, expect.objectContaining({ model: 'm' })]);
    expect(new Set(model.served().map((one) => one.usage.response)).size).toBe(3);
  });

  test('answers at once, in one piece, who did not ask for a stream', async () => {
    const model = await startModel('calm');
    const messages = [{ role: 'user', content: 'Hello.' }];
    const answer = await post(`${model.url}/any/prefix/v1/messages`, { model: 'c', messages });
    expect(await answer.json()).toMatchObject({ content: [{ text: 'Noted: Hello.' }], stop_reason: 'end_turn' });
    const whole = await post(`${model.url}/v1/responses`, { ...ask, stream: false });
    expect(await whole.json()).toMatchObject({ status: 'completed', model: 'm' });
  });

  test('knows the small paths, and refuses what is not its own', async () => {
    const model = await startModel('calm');
    const status = async (path: string, init: RequestInit) => (await fetch(`${model.url}${path}`, init)).status;
    expect(await status('/t/a/1/api/hello', { method: 'HEAD' })).toBe(200);
    expect(await status('/t/a/1/v1/models', {})).toBe(404);
    expect(await status('/t/a/1/v1/responses', {})).toBe(404);
    expect(await status('/', { method: 'POST', body: 'x' })).toBe(404);
    expect(await status('/v1/responses', { method: 'POST', body: 'no JSON' })).toBe(400);
    expect(await status('/v1/responses', { method: 'POST', body: '{}' })).toBe(400);
    const count = await post(`${model.url}/v1/messages/count_tokens`, '12345678');
    expect(await count.json()).toEqual({ input_tokens: 2 });
    expect(model.served()).toEqual([]);
  });

  test('does not count an answer that nobody waited for', async () => {
    const { promise: held, resolve: hold } = Promise.withResolvers<void>();
    const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
    const slow = {
      ...clock,
      sleep: (_: number, signal?: AbortSignal) => {
        hold();
        return new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(wake())));
      },
    };
    const model = await startModel('calm', { clock: slow });
    const leave = new AbortController();
    const asked = post(`${model.url}/v1/responses`, ask, leave.signal)
      .then((answer) => answer.text())
      .catch((error: Error) => error.name);
    await held;
    leave.abort();
    expect(await asked).toBe('AbortError');
    await woken;
    expect(model.served()).toEqual([]);
  });

  test('thinks equally long about the same request with the same seed, within its limits', async () => {
    const slept: number[] = [];
    const quick = { ...clock, sleep: async (ms: number) => void slept.push(ms) };
    for (const seed of [1, 1, 2]) {
      const model = await startModel('calm', { clock: quick, seed, thinkMs: { min: 300, max: 900 } });
      await (await post(`${model.url}/t/a/1/v1/responses`, ask)).text();
    }
    expect(slept[0]).toBe(slept[1]);
    expect(slept[0]).not.toBe(slept[2]);
    expect(slept.every((ms) => ms >= 300 && ms < 900)).toBe(true);
  });

  test('holds a request that hangs until it is closed', async () => {
    const { promise: held, resolve: hold } = Promise.withResolvers<void>();
    const model = await startModel('hangs', { onAction: ({ action }) => action.do === 'hold' && hold() });
    const asked = post(`${model.url}/t/a/1/v1/responses`, ask).catch((error: Error) => error.name);
    await held;
    expect((await post(`${model.url}/t/a/2/v1/responses`, ask)).status).toBe(200);
    await model.close();
    expect(await asked).toBe('TypeError');
  });

  test('says that its port is taken', async () => {
    const model = await startModel('calm');
    const port = Number(new URL(model.url).port);
    await expect(startRehearsalModel({ scenario: 'calm', clock, seed: 1, port })).rejects.toMatchObject({
      code: 'usage',
    });
  });
});

describe('the path of a request', () => {
  test.each([
    ['/t/web-7/3/v1/responses', { task: 'web-7', ordinal: 3, path: '/v1/responses' }],
    ['/t/web-7/3/v1/messages?beta=true', { task: 'web-7', ordinal: 3, path: '/v1/messages' }],
    ['/t/web-7/0/api/hello', { task: 'web-7', ordinal: 1, path: '/api/hello' }],
    ['/some/prefix/v1/responses', { task: '/some/prefix', ordinal: 1, path: '/v1/responses' }],
    ['/v1/responses', { task: '/', ordinal: 1, path: '/v1/responses' }],
    ['/else', { task: '/', ordinal: 1, path: '/else' }],
  ])('%s tells whose it is', (url, route) => {
    expect(parseRoute(url)).toEqual(route);
  });

  test('is made so that it is read back', () => {
    expect(parseRoute(`${routePrefix('a.b_c-1', 12)}/v1/responses`)).toMatchObject({ task: 'a.b_c-1', ordinal: 12 });
  });
});

test('tasks are ranked in the order they were met, requests counted in each attempt', () => {
  const book = new Book();
  const enter = (task: string, ordinal: number) => book.enter({ task, ordinal, path: '' });
  expect([enter('a', 1), enter('b', 1), enter('a', 1), enter('a', 2)]).toEqual([
    { rank: 0, ordinal: 1, request: 1 },
    { rank: 1, ordinal: 1, request: 1 },
    { rank: 0, ordinal: 1, request: 2 },
    { rank: 0, ordinal: 2, request: 1 },
  ]);
});
