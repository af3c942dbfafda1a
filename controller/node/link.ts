import type { Clock } from '../clock.ts';
import { type ErrorCode, FleetError } from '../errors.ts';
import type { StopReason } from '../task/attempt.ts';
import type { Stream, Transport } from '../transport/transport.ts';
import { Answer, Greeting, PROTOCOL } from './greeting.ts';
import { type AttemptRecord, parseRecord } from './journal.ts';
import type { NodeProgram } from './program.ts';
import { parseReportLine, type ReportLine } from './report.ts';
import { agentWord, frame, PROGRAM_WANTED, type StartOrder, serveWords, startRequest, stopRequest } from './shell.ts';

/** Who we are to a node: it follows one ledger on one machine, and refuses others. */
export interface Identity {
  ledger: string;
  machine: string;
  /** Highest epoch we know of. */
  epoch: number;
  takeOver: boolean;
}

/** What an agent may take of its node at most. 0: no limit. */
export interface Limits {
  memoryBytes: number;
  processes: number;
}

/** The live conversation with one node. Every request fails with `unreachable` when the conversation ends. */
export interface Link {
  readonly greeting: Greeting;
  /** Makes what agents need before their first attempt, at once: quicker than one by one. */
  prepare(agents: readonly number[], limits: Limits): Promise<void>;
  start(order: StartOrder): Promise<'new' | 'same' | 'buried' | 'boot'>;
  /** `isOrphan`: nothing of ours is on its way there, so one that is not there need not be buried. */
  stop(attempt: string, reason: StopReason, isOrphan?: boolean): Promise<'buried' | 'ended' | 'stopping' | 'absent'>;
  evidence(attempt: string): Promise<{ out: string; err: string; usage: string }>;
  acknowledge(attempts: readonly string[]): Promise<void>;
  openSessions(names: readonly string[]): Promise<void>;
  closeSessions(names: readonly string[]): Promise<void>;
  /** Makes a port of the node lead to a place that is reached from here; see Stream. */
  forward: Stream['forward'];
  close(): void;
  readonly ended: Promise<string>;
}

export interface LinkEvents {
  onRecord(record: AttemptRecord): void;
  onReport(line: ReportLine): void;
}

export interface LinkSetting {
  fleet: string;
  node: string;
  transport: Transport;
  program: NodeProgram;
  clock: Clock;
  /** Longest wait for one answer. */
  secondsMax: number;
}

const LOST_HINT = 'It is tried again; fleet doctor tells what is wrong with the node.';
const EVIDENCE_BYTES_MAX = 2_000_000;
const EVIDENCE_NAMES = ['out', 'err', 'usage'] as const;

interface Pending {
  resolve(answer: Answer): void;
  reject(error: FleetError): void;
  /** By name: texts, and bytes that may end within a character. */
  parts: Map<string, Buffer[]>;
  bytes: number;
}

/** Puts the program in place, opens the stream and greets. Throws a FleetError: unreachable, owned-by-another, protocol. */
export async function openLink(setting: LinkSetting, identity: Identity, events: LinkEvents): Promise<Link> {
  const { transport, fleet, program, node } = setting;
  const wire = await openWire(setting, events, (onLine) => transport.open(serveWords(fleet, program), onLine));
  try {
    return { ...requests(wire), greeting: await greet(wire, identity, node) };
  } catch (error) {
    wire.close(); // a refusing node would keep its end open, one for each try
    throw error;
  }
}

async function greet(wire: Wire, { ledger, machine, epoch, takeOver }: Identity, node: string): Promise<Greeting> {
  const answer = await wire.ask(['hello', ledger, machine, String(epoch), takeOver ? '1' : '0']);
  const greeting = Greeting.safeParse(answer);
  if (greeting.success && greeting.data.protocol === PROTOCOL) return greeting.data;
  throw new FleetError('protocol', `node ${node} greets in a form that this version does not know`, {
    hint: 'Use the version of fleet that set it up; or begin there anew: fleet remove NODE, then fleet start.',
    target: node,
  });
}

type Wire = Awaited<ReturnType<typeof openWire>>;

function requests(wire: Wire): Omit<Link, 'greeting'> {
  const was = (answer: Answer) => (answer.ok ? (answer.was ?? '') : '');
  return {
    prepare: async (agents, { memoryBytes, processes }) => {
      for (let index = 0; index < agents.length; index += 500)
        await wire.ask([
          'agents',
          String(memoryBytes),
          String(processes),
          ...agents.slice(index, index + 500).map(agentWord),
        ]);
    },
    start: async (order) => {
      const { words, payload } = startRequest(order);
      return was(await wire.ask(words, payload)) as Awaited<ReturnType<Link['start']>>;
    },
    stop: async (attempt, reason, isOrphan = false) =>
      was(await wire.ask(stopRequest(attempt, reason, isOrphan))) as Awaited<ReturnType<Link['stop']>>,
    evidence: async (attempt) => {
      const parts = new Map<string, Buffer[]>();
      for (const name of EVIDENCE_NAMES) parts.set(name, []);
      await wire.ask(['evidence', attempt], '', parts);
      const text = (name: string) => Buffer.concat(parts.get(name) ?? []).toString('utf8');
      return { out: text('out'), err: text('err'), usage: text('usage') };
    },
    acknowledge: async (attempts) => {
      for (let index = 0; index < attempts.length; index += 50)
        await wire.ask(['ack', ...attempts.slice(index, index + 50)]);
    },
    openSessions: async (names) => {
      for (let index = 0; index < names.length; index += 100)
        await wire.ask(['sessions', ...names.slice(index, index + 100)]);
    },
    closeSessions: async (names) => {
      for (let index = 0; index < names.length; index += 100)
        await wire.ask(['unsessions', ...names.slice(index, index + 100)]);
    },
    forward: wire.forward,
    close: () => wire.close(),
    ended: wire.ended,
  };
}

/** Numbers requests, matches answers, and rejects all that is open when the stream ends. */
async function openWire(
  setting: LinkSetting,
  events: LinkEvents,
  open: (onLine: (line: string) => void) => Promise<Stream>,
) {
  const { node, clock, secondsMax } = setting;
  const pending = new Map<string, Pending>();
  let counter = 0;
  let over: string | undefined;
  const lost = (reason: string) =>
    new FleetError('unreachable', `node ${node}: ${reason}`, { target: node, hint: LOST_HINT });
  const served = Promise.withResolvers<void>();
  let isServed = false;
  // Nothing is sent before the program speaks: what placed it would take our words for its own text.
  const first = { stream: undefined as Stream | undefined, isWanted: false };
  const bring = () => first.stream?.write(setting.program.text);
  const takeFirst = (line: string) => {
    if (line === PROGRAM_WANTED) {
      if (first.isWanted) return; // brought once, however often it asks
      first.isWanted = true; // a quick node asks before we hold the stream
      bring();
    } else if (line.startsWith('H ')) served.resolve();
    isServed ||= line.startsWith('H ');
  };
  const stream = await open((line) => (isServed ? takeLine(line, pending, events) : takeFirst(line)));
  first.stream = stream;
  if (first.isWanted) bring();
  const ended = stream.ended.then((reason) => {
    over = reason;
    served.reject(lost(reason));
    for (const request of pending.values()) request.reject(lost(reason));
    pending.clear();
    return reason;
  });
  await within(clock, secondsMax, served.promise, () => {
    stream.close();
    return lost(`its program did not begin within ${secondsMax} s`);
  });
  const ask = async (words: readonly string[], payload = '', parts = new Map<string, Buffer[]>()): Promise<Answer> => {
    if (over !== undefined) throw lost(over);
    counter += 1;
    const id = String(counter);
    const answered = new Promise<Answer>((resolve, reject) => {
      pending.set(id, { resolve, reject, parts, bytes: 0 });
      stream.write(frame(id, words, payload));
    });
    const answer = await within(clock, secondsMax, answered, () => {
      pending.delete(id);
      stream.close();
      return lost(`it did not answer within ${secondsMax} s (asked to ${words[0]})`);
    });
    if (!answer.ok) throw refusal(node, answer);
    return answer;
  };
  return { ask, forward: stream.forward, close: () => stream.close(), ended };
}

/** What `work` gives, or the failure that `late` makes when it takes longer. */
async function within<T>(clock: Clock, seconds: number, work: Promise<T>, late: () => FleetError): Promise<T> {
  const done = new AbortController();
  const limit = clock.sleep(seconds * 1000, done.signal).then(() => {
    if (!done.signal.aborted) throw late();
    return work;
  });
  return Promise.race([work, limit]).finally(() => done.abort());
}

function takeLine(line: string, pending: Map<string, Pending>, events: LinkEvents): void {
  const mark = line.slice(0, 2);
  const rest = line.slice(2);
  if (mark === 'J ' || mark === 'F ') {
    const record = parseRecord(rest);
    if (record) events.onRecord(record);
  } else if (mark === 'R ') {
    const report = parseReportLine(rest);
    if (report) events.onReport(report);
  } else if (mark === 'A ' || mark === 'B ' || mark === 'T ') {
    const space = rest.indexOf(' ');
    const id = rest.slice(0, space);
    const request = pending.get(id);
    if (!request) return;
    if (mark === 'A ') {
      pending.delete(id);
      request.resolve(parseAnswer(rest.slice(space + 1)));
    } else takePart(request, mark === 'B ', rest.slice(space + 1));
  }
}

/** Only what was asked for, and only so much of it: lines beyond are as good as not said. */
function takePart(request: Pending, isEncoded: boolean, text: string): void {
  const space = text.indexOf(' ');
  const chunks = request.parts.get(text.slice(0, space));
  request.bytes += text.length + 1;
  if (!chunks || request.bytes > EVIDENCE_BYTES_MAX) return;
  const part = text.slice(space + 1);
  if (isEncoded) chunks.push(Buffer.from(part, 'base64'));
  else chunks.push(Buffer.from(chunks.length === 0 ? part : `\n${part}`)); // a text comes line by line
}

function parseAnswer(text: string): Answer {
  try {
    return Answer.parse(JSON.parse(text));
  } catch {
    return { ok: false, code: 'protocol', message: `an answer that does not parse: ${text.slice(0, 100)}` };
  }
}

const MISSING_HINT = 'fleet doctor tells the command that installs it.';
/** What a node refuses with: our code, and what to do. */
const REFUSALS: Readonly<Record<string, { code: ErrorCode; hint: string }>> = {
  fenced: { code: 'locked', hint: 'One controller drives a node at a time. To have it back: fleet start --take-over.' },
  disk: { code: 'disk-full', hint: 'Free 1 GiB on the disk of its home folder; fleet doctor tells what is full.' },
  tmux: { code: 'prerequisite-missing', hint: MISSING_HINT },
  prerequisite: { code: 'prerequisite-missing', hint: MISSING_HINT },
  busy: { code: 'unreachable', hint: 'It is tried again: what was there before does not end yet.' },
};

function refusal(node: string, answer: { code: string; message: string }): FleetError {
  if (answer.code === 'owned') {
    const hint = 'Go on where that one is; or take the node: fleet start --take-over.';
    return new FleetError('owned-by-another', `node ${node} follows another ledger (${answer.message.split(' ')[0]})`, {
      hint,
      target: node,
    });
  }
  const { code, hint } = REFUSALS[answer.code] ?? { code: 'protocol', hint: LOST_HINT };
  return new FleetError(code, `node ${node}: ${answer.message}`, { target: node, hint });
}
