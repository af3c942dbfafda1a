import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'vitest';
import type { Served } from '../../controller/rehearsal/book.ts';
import { startRehearsalModel } from '../../controller/rehearsal/model.ts';

/** A request as the model's side sees it. */
export interface Seen {
  url: string;
  authorization: string | undefined;
  body: string;
}

/** What a provider says of a wrong key: it shows only the ends of it. */
const REFUSAL = JSON.stringify({
  error: {
    message: 'Incorrect API key provided: sk-****beef.',
    type: 'invalid_request_error',
    code: 'invalid_api_key',
  },
});

/**
 * A stand-in for the model that keeps what it was sent. Requests for the task `refused` are answered with 401. It goes
 * with the test.
 */
export async function anEndpoint(
  context: TestContext,
): Promise<{ url: string; seen: Seen[]; served: () => readonly Served[] }> {
  const clock = { now: Date.now, monotonic: () => performance.now(), sleep: async (ms: number) => delay(ms) };
  const model = await startRehearsalModel({ scenario: 'calm', clock, seed: 1, thinkMs: { min: 200, max: 400 } });
  const seen: Seen[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method, headers, url = '/' } = incoming;
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks);
      seen.push({ url, authorization: headers.authorization, body: body.toString('utf8') });
      if (url.startsWith('/t/refused/'))
        return outgoing.writeHead(401, { 'content-type': 'application/json' }).end(REFUSAL);
      const onward = request(`${model.url}${url}`, { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.on('error', () => outgoing.destroy()).pipe(outgoing);
      }).on('error', () => outgoing.destroy());
      onward.end(body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await model.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/{task}/{ordinal}`,
    seen,
    served: model.served,
  };
}
