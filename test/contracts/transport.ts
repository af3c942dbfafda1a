import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { Secret } from '../../controller/secret.ts';
import type { Command } from '../../controller/transport/command.ts';
import { stdoutOf } from '../../controller/transport/outcome.ts';
import { LINE_BYTES_MAX, type Transport } from '../../controller/transport/transport.ts';

/** One way to a node that is this machine, so that what happens there can be seen from here. */
export interface TransportBench {
  open(): Transport;
  /** To a place where nobody listens; null where there is no such thing. */
  openNowhere: (() => Transport) | null;
  close(): Promise<void>;
}

const WAIT = { timeout: 30_000, interval: 50 };

/** Words of every process of this machine, by its number. */
function allProcesses(): { pid: number; words: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return { pid: Number(name), words: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() };
      } catch {
        return { pid: Number(name), words: '' }; // gone
      }
    });
}

const allWords = () => allProcesses().map(({ words }) => words);

/** Ends a sleep that was drawn here and outlived its link, as it should. */
function endSleep(words: readonly string[]): void {
  for (const found of allProcesses()) if (found.words === words.join(' ')) process.kill(found.pid, 'SIGKILL');
}

/** A sleep that is told from every other one. */
function drawSleep(): { words: string[]; isAsleep(): boolean } {
  const seconds = `${7000 + Math.floor(Math.random() * 1000)}.${Math.floor(Math.random() * 1e9)}`;
  return { words: ['sleep', seconds], isAsleep: () => allWords().includes(`sleep ${seconds}`) };
}

const command = (words: readonly string[], different: Partial<Command> = {}): Command => ({
  words,
  secondsMax: 60,
  bytesMax: 10_000_000,
  ...different,
});
const sh = (script: string, different: Partial<Command> = {}) => command(['sh', '-c', script], different);

async function listen(context: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  context.onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Sends a text and half-closes; gives everything that came back. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
    socket.end(text);
  });
}

export function describeTransport(name: string, openBench: () => Promise<TransportBench>): void {
  describe(name, { timeout: 120_000 }, () => {
    let bench: TransportBench;
    beforeAll(async () => {
      bench = await openBench();
    }, 120_000);
    afterAll(() => bench?.close());

    const open = (context: TestContext) => {
      const transport = bench.open();
      context.onTestFinished(() => transport.close());
      return transport;
    };
    const read = async (context: TestContext, words: readonly string[], different: Partial<Command> = {}) => {
      const outcome = await open(context).run(command(words, different));
      return stdoutOf(outcome) ?? outcome;
    };

    describe('runs a command', () => {
      test('with exactly its words', async (context) => {
        const words = [
          '',
          "it's",
          '"$HOME"',
          '`id`',
          '\\',
          '\\n',
          'a\nb\n',
          '日本\u{1F600}',
          '-n',
          '--',
          '!!',
          '*',
          '~',
          '# x',
          ' ',
          '%s',
          '|1|',
        ];
        expect(await read(context, ['printf', '[%s]', ...words])).toBe(words.map((word) => `[${word}]`).join(''));
      });

      test('with its input whole, 1 MB of it, and with none', async (context) => {
        const text = `${'x'.repeat(999)}\n`.repeat(1000);
        expect(await read(context, ['cat'], { input: text })).toBe(text);
        expect(await read(context, ['cat'])).toBe('');
      });

      test('with a secret input that no process shows in its words', async (context) => {
        const secret = `s3cret-${Math.random()}`;
        const running = read(context, ['sh', '-c', 'cat; sleep 1'], { input: new Secret(secret) });
        for (let look = 0; look < 10; look += 1) {
          expect(allWords().filter((words) => words.includes(secret))).toEqual([]);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        expect(await running).toBe(secret);
      });

      test('and tells its code, both outputs apart, and that it was killed', async (context) => {
        const transport = open(context);
        expect(await transport.run(sh('echo out; echo err >&2; exit 7'))).toEqual({
          is: 'exited',
          code: 7,
          signal: null,
          stdout: 'out\n',
          stderr: 'err\n',
        });
        expect(await transport.run(sh('exit 255'))).toMatchObject({ is: 'exited', code: 255 });
        const killed = await transport.run(sh('kill -9 $$'));
        expect(killed).toMatchObject({ is: 'exited' });
        expect(stdoutOf(killed)).toBeUndefined();
      });

      test('that does not read its input, and that is no failure', async (context) => {
        expect(await read(context, ['true'], { input: 'x'.repeat(5_000_000) })).toBe('');
      });

      test('whose program is not there: a failure, never an exception', async (context) => {
        expect(await read(context, ['/no/such/program'])).not.toBeTypeOf('string');
      });

      test('no longer than its time, and ends it with its children on the node', async (context) => {
        const sleeps = [drawSleep(), drawSleep()];
        const script = sleeps.map(({ words }) => words.join(' ')).join(' & ');
        const outcome = await open(context).run(sh(`echo begun; ${script}`, { secondsMax: 3 }));
        expect(outcome).toMatchObject({ is: 'timed-out', seconds: 3, stdout: 'begun\n' });
        await expect.poll(() => sleeps.some(({ isAsleep }) => isAsleep()), WAIT).toBe(false);
      });

      test('with no more output than allowed, and ends it on the node', async (context) => {
        const { words, isAsleep } = drawSleep();
        const script = `${words.join(' ')} & head -c 200000000 /dev/zero; wait`;
        const before = process.memoryUsage().rss;
        expect(await open(context).run(sh(script, { bytesMax: 100_000 }))).toMatchObject({ is: 'too-long' });
        expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
        await expect.poll(isAsleep, WAIT).toBe(false);
      });

      test('until nobody wants it any more, also before it began', async (context) => {
        const transport = open(context);
        const { words, isAsleep } = drawSleep();
        const stop = new AbortController();
        const running = transport.run(command(words), stop.signal);
        await expect.poll(isAsleep, WAIT).toBe(true);
        stop.abort();
        expect(await running).toEqual({ is: 'cancelled' });
        await expect.poll(isAsleep, WAIT).toBe(false);
        expect(await transport.run(command(words), stop.signal)).toEqual({ is: 'cancelled' });
        expect(isAsleep()).toBe(false);
      });
    });

    describe('holds a conversation', () => {
      test('of lines, both ways, and the other side sees it closed', async (context) => {
        const lines: string[] = [];
        const script = 'while read -r line; do echo "got $line"; done; echo bye';
        const stream = await open(context).open(['sh', '-c', script], (line) => void lines.push(line));
        stream.write('one\ntwo ü\n');
        await expect.poll(() => lines, WAIT).toEqual(['got one', 'got two ü']);
        stream.close();
        expect(await stream.ended).toBe('ended with code 0');
        expect(lines.at(-1)).toBe('bye');
        stream.write('too late\n');
        stream.close();
      });

      test('whose long lines are cut', async (context) => {
        const lines: number[] = [];
        const script = `head -c ${LINE_BYTES_MAX * 3} /dev/zero | tr '\\0' x; echo; echo short`;
        const stream = await open(context).open(['sh', '-c', script], (line) => void lines.push(line.length));
        await stream.ended;
        await expect.poll(() => lines, WAIT).toEqual([LINE_BYTES_MAX, 5]);
      });

      test('that takes 40 writes of 100 KB', async (context) => {
        const lines: string[] = [];
        const text = `${'y'.repeat(99_999)}\n`;
        const stream = await open(context).open(['sh', '-c', 'wc -c'], (line) => void lines.push(line.trim()));
        for (let count = 0; count < 40; count += 1) stream.write(text);
        stream.close();
        await stream.ended;
        await expect.poll(() => lines, WAIT).toEqual([String(40 * text.length)]);
      });

      test('and tells by what it ended', async (context) => {
        const transport = open(context);
        const stream = await transport.open(['sh', '-c', 'echo no room >&2; exit 5'], () => {});
        expect(await stream.ended).toBe('no room');
        expect(await (await transport.open(['sh', '-c', 'exit 6'], () => {})).ended).toBe('ended with code 6');
      });

      test('beside commands, and beside another node', async (context) => {
        const [transport, other] = [open(context), open(context)];
        const lines: string[] = [];
        const streams = await Promise.all(
          [transport, other].map((one, index) => one.open(['cat'], (line) => void lines.push(`${index}${line}`))),
        );
        const runs = await Promise.all(
          Array.from({ length: 8 }, (_, index) => transport.run(sh(`echo ${index}; sleep 0.1`))),
        );
        expect(runs.map(stdoutOf)).toEqual(runs.map((_, index) => `${index}\n`));
        for (const stream of streams) stream.write('here\n');
        await expect.poll(() => lines.sort(), WAIT).toEqual(['0here', '1here']);
        for (const stream of streams) stream.close();
        await Promise.all(streams.map(({ ended }) => ended));
      });

      test('and another one after it', async (context) => {
        const transport = open(context);
        for (const word of ['first', 'second']) {
          const lines: string[] = [];
          const stream = await transport.open(['cat'], (line) => void lines.push(line));
          stream.write(`${word}\n`);
          await expect.poll(() => lines, WAIT).toEqual([word]);
          stream.close();
          await stream.ended;
        }
      });

      test('that its transport ends when it is closed', async (context) => {
        const transport = open(context);
        const stream = await transport.open(['cat'], () => {});
        await transport.close();
        stream.close(); // where closing a transport leaves its conversations
        expect(await stream.ended).toBeTypeOf('string');
      });
    });

    test('closed while a command runs, what goes over it ends as unreachable', async (context) => {
      if (bench.openNowhere === null) return; // nothing goes over anything
      const transport = open(context);
      const { words, isAsleep } = drawSleep();
      context.onTestFinished(() => endSleep(words));
      const running = transport.run(command(words));
      await expect.poll(isAsleep, WAIT).toBe(true);
      await transport.close();
      expect(await running).toMatchObject({ is: 'unreachable', failure: { code: 'unreachable' } });
    });

    describe('forwards a port of the node', () => {
      test('to a place reached from here, 1 MB both ways, many at once', async (context) => {
        const target = await listen(context, (socket) => socket.pipe(socket));
        const stream = await open(context).open(['cat'], () => {});
        context.onTestFinished(() => stream.close());
        const port = await stream.forward(0, { host: '127.0.0.1', port: target });
        const text = 'z'.repeat(1_000_000);
        const answers = await Promise.all([text, 'a', 'b', text].map((one) => exchange(port, one)));
        expect(answers.map((answer) => answer.length)).toEqual([1_000_000, 1, 1, 1_000_000]);
      });

      test('whose connections end when nobody is there, and the next one goes', async (context) => {
        const target = await listen(context, (socket) => socket.destroy());
        const stream = await open(context).open(['cat'], () => {});
        context.onTestFinished(() => stream.close());
        const port = await stream.forward(0, { host: '127.0.0.1', port: target });
        for (let count = 0; count < 3; count += 1) {
          expect(await exchange(port, 'x').catch(() => '')).toBe('');
        }
      });
    });

    test('says that nobody is there', async (context) => {
      if (bench.openNowhere === null) return; // a node that is this machine is always there
      const transport = bench.openNowhere();
      context.onTestFinished(() => transport.close());
      const outcome = await transport.run(sh('true'));
      expect(outcome).toMatchObject({ is: 'unreachable', failure: { code: 'unreachable' } });
      await expect(transport.open(['cat'], () => {})).rejects.toMatchObject({ code: 'unreachable' });
    });
  });
}
