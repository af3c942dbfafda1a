/**
 * A wire that takes time: `proxy.ts HOST PORT MS` passes TCP connections on and holds every byte for MS each way, the
 * three ways of a handshake included. Prints its own port on 127.0.0.1; a process of its own, so that nothing measured
 * waits for anything else.
 */
import { createConnection, createServer, type Socket } from 'node:net';

const [host = '', port = '', ms = ''] = process.argv.slice(2);
const oneWayMs = Number(ms);

/** Does things a way later, strictly in the order in which they were asked for; before `knownAt` none could be. */
function createWay(knownAt: number): (act: () => void) => void {
  const waiting: { dueAt: number; act: () => void }[] = [];
  const turn = (): void => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const ms = next.dueAt - performance.now();
      if (ms > 0) return void setTimeout(turn, Math.ceil(ms));
      waiting.shift();
      next.act();
    }
  };
  return (act) => {
    waiting.push({ dueAt: Math.max(performance.now(), knownAt) + oneWayMs, act });
    if (waiting.length === 1) turn();
  };
}

function passOn(from: Socket, to: () => Socket | undefined, knownAt: number): void {
  const later = createWay(knownAt);
  from.on('data', (chunk: Buffer) => later(() => void to()?.write(chunk)));
  from.on('end', () => later(() => void to()?.end()));
  from.on('error', () => void to()?.destroy());
  from.on('close', () => later(() => void to()?.destroy()));
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const askedAt = performance.now();
  let far: Socket | undefined;
  // This side knows of the connection after two ways, the other side after three.
  passOn(near, () => far, askedAt + 2 * oneWayMs);
  setTimeout(
    () => {
      far = createConnection({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
      passOn(far, () => near, askedAt + 3 * oneWayMs);
    },
    3 * oneWayMs - 1,
  ); // it must be there for what comes over at that very moment
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
