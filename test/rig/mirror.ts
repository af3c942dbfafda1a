import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * What machines of a rig install from, as they reach nothing else: this machine's archive of packages, as a proxy, and
 * its registry of npm packages below /npm/. What never changes under its name is fetched once and kept.
 */
export interface Mirror extends AsyncDisposable {
  /** `http://ADDRESS:PORT`: a proxy for apt. */
  readonly proxy: string;
  /** For npm packages. */
  readonly registry: string;
}

const FETCH_MS_MAX = 10 * 60_000;
const LASTS = /\.(deb|tgz)$/;

export async function openMirror(address: string): Promise<Mirror> {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'miyabi-fleet', 'rig', 'mirror');
  await mkdir(folder, { recursive: true });
  const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim().replace(/\/$/, '');
  const fetching = new Map<string, Promise<string>>();
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(502);
      response.end(String(error));
    });
  });
  const keep = (url: string): Promise<string> => {
    const path = join(folder, createHash('sha256').update(url).digest('hex'));
    const going = fetching.get(path) ?? fetchTo(url, path).finally(() => fetching.delete(path));
    fetching.set(path, going);
    return going;
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = request.url ?? '/';
    const url = asked.startsWith('/npm/') ? registry + asked.slice('/npm'.length) : asked;
    if (!/^https?:/.test(url)) return void response.writeHead(404).end();
    if (LASTS.test(url)) return pipeline(createReadStream(await keep(url)), response);
    const range = request.headers.range;
    const from = await fetch(url, {
      ...(range === undefined ? {} : { headers: { range } }),
      signal: AbortSignal.timeout(FETCH_MS_MAX),
    });
    response.writeHead(from.status, { 'content-type': from.headers.get('content-type') ?? 'application/octet-stream' });
    response.end(Buffer.from(await from.arrayBuffer()));
  }
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const at = server.address();
  const proxy = `http://${address}:${typeof at === 'object' && at !== null ? at.port : 0}`;
  return {
    proxy,
    registry: `${proxy}/npm`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Whole or not there: several runs may share the folder. */
async function fetchTo(url: string, path: string): Promise<string> {
  if ((await stat(path).catch(() => undefined)) !== undefined) return path;
  const from = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS_MAX) });
  if (!from.ok || from.body === null) throw new Error(`${url}: ${from.status}`);
  const draft = `${path}.${randomUUID()}`;
  try {
    await pipeline(Readable.fromWeb(from.body), createWriteStream(draft));
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return path;
}
