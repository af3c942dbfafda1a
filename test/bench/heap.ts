import { once } from 'node:events';
import { until } from '../rig/until.ts';
import { FLEET } from './fleet.ts';
import type { Begun } from './process.ts';

/** The controller with an inspector at a port that is free, once asked for. */
export const INSPECTABLE = ['env', 'NODE_OPTIONS=--inspect-port=127.0.0.1:0', FLEET, 'start'];

const ANSWER_MS_MAX = 10_000;

/** Node's inspector listens from SIGUSR1 on. */
export async function inspectorOf(program: Begun): Promise<string> {
  program.signal('SIGUSR1');
  const said = () => /^Debugger listening on (ws:\S+)$/m.exec(program.said().err)?.[1];
  return await until('the inspector', said, ANSWER_MS_MAX);
}

/** What stands on the heap after a collection, in MB: memory that garbage cannot explain. */
export async function standingMb(inspector: string): Promise<number> {
  const socket = new WebSocket(inspector);
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const ask = async (id: number, method: string): Promise<unknown> => {
    const answered = once(socket, 'message', { signal });
    socket.send(JSON.stringify({ id, method }));
    const [message] = (await answered) as [{ data: string }];
    return JSON.parse(message.data).result;
  };
  try {
    await once(socket, 'open', { signal });
    await ask(1, 'HeapProfiler.collectGarbage');
    const { usedSize } = (await ask(2, 'Runtime.getHeapUsage')) as { usedSize: number };
    return usedSize / 1e6;
  } finally {
    socket.close();
  }
}
