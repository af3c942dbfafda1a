/**
 * A stand-in for the model, as a process of its own. Prints two addresses: the model itself, and a way to it that holds
 * every answer that follows a tool's result. There it prints `held N` as they come; SIGUSR1 lets all of them go.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { machineClock } from '../../controller/machine.ts';
import { startRehearsalModel } from '../../controller/rehearsal/model.ts';

/** Short: what is measured is the CLIs and whoever runs them. */
const THINK_MS = { min: 1, max: 20 };

const model = await startRehearsalModel({ scenario: 'calm', clock: machineClock, seed: 1, thinkMs: THINK_MS });
const say = (line: string): void => void process.stdout.write(`${line}\n`);

let held = 0;
const freed = new Promise((resolve) => process.once('SIGUSR1', resolve));

async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (/"type":\s*"(function|custom_tool)_call_output"/.test(body.toString('utf8'))) {
    held += 1;
    say(`held ${held}`);
    await freed;
  }
  const { method, headers, url = '/' } = incoming;
  const onward = request(`${model.url}${url}`, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.on('error', () => outgoing.destroy()).pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy()).end(body);
}

const server = createServer((incoming, outgoing) => {
  pass(incoming, outgoing).catch(() => void outgoing.destroy());
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
say(`${model.url} http://127.0.0.1:${(server.address() as AddressInfo).port}`);
