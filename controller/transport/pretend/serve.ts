import { journal, later, type Machine, numberWord, type Order } from './machine.ts';
import { askToEnd, emptyFolder, endFormerBoots, killTool, sweepUnclaimed, work } from './work.ts';

/** One conversation of a pretend machine: the line protocol of the node program's `serve`, word for word. */

export interface Server {
  /** Bytes from the controller. */
  take(chunk: Buffer): void;
  /** Its input closed. */
  end(): void;
}

interface Conversation {
  machine: Machine;
  /** Which controller's way it came by. */
  from: string;
  say(line: string): void;
  epoch: number | null;
  isOver: boolean;
  leave(): void;
  hear(line: string): void;
}

const PROTOCOL = 1;
const PROGRAM_WANTED = 'N';
const LENGTH_CHARS = 6;
const REPORT_MS = 2000;
const RETOLD_REPORTS = 10;
const CHUNK_CHARS = 3800;

/** `programBytes`: of the program that comes first where there is none. `over` is called once, when the server process is gone. */
export function openServer(
  machine: Machine,
  { from, programBytes }: { from: string; programBytes: number },
  say: (line: string) => void,
  over: (why: string) => void,
): Server {
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  let wanted = machine.hasProgram ? 0 : programBytes;
  const conversation: Conversation = {
    machine,
    from,
    say: (line) => {
      if (!conversation.isOver) say(line);
    },
    epoch: null,
    isOver: false,
    leave: () => {
      if (conversation.isOver) return;
      conversation.isOver = true;
      machine.listeners.delete(conversation.hear);
      over('ended with code 0');
    },
    hear: (line) => conversation.say(`J ${line}`),
  };
  const speak = () => conversation.say(wanted > 0 ? PROGRAM_WANTED : `H ${PROTOCOL} 1`);
  speak();
  return {
    take: (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      if (wanted > 0 && rest.length < wanted) return;
      if (wanted > 0) {
        rest = rest.subarray(wanted);
        wanted = 0;
        machine.hasProgram = true;
        speak();
      }
      for (let request = cutRequest(rest); request && !conversation.isOver; request = cutRequest(rest)) {
        rest = request.rest;
        obey(conversation, request.words, request.payload);
      }
    },
    end: conversation.leave,
  };
}

/** The next whole request: its words and, for a start, the bytes after it. */
function cutRequest(bytes: Buffer): { words: string[]; payload: string[]; rest: Buffer } | undefined {
  const length = Number(bytes.subarray(0, LENGTH_CHARS).toString('latin1'));
  let offset = LENGTH_CHARS + length;
  if (bytes.length < offset) return undefined;
  const words = bytes.subarray(LENGTH_CHARS, offset).toString('utf8').split(' ');
  const sizes = words[1] === 'start' ? words.slice(13, 18).map(Number) : [];
  if (bytes.length < offset + sizes.reduce((sum, size) => sum + size, 0)) return undefined;
  const payload = sizes.map((size) => {
    offset += size;
    return bytes.subarray(offset - size, offset).toString('utf8');
  });
  return { words, payload, rest: bytes.subarray(offset) };
}

type Answer = { ok: true; [key: string]: unknown } | { ok: false; code: string; message: string };

function refusal(code: string, message: string): Answer {
  return { ok: false, code, message };
}

function obey(conversation: Conversation, [id = '', verb, ...words]: string[], payload: string[]): void {
  if (verb === undefined) return;
  const tell = (answer: Answer) => conversation.say(`A ${id} ${JSON.stringify(answer)}`);
  if (verb === 'hello') {
    tell(hello(conversation, words));
  } else if (conversation.epoch === null) {
    tell(refusal('protocol', 'greet first'));
    conversation.leave();
  } else if (conversation.epoch !== conversation.machine.epoch) {
    tell(refusal('fenced', 'another controller took over'));
    conversation.leave();
  } else {
    tell(answerTo(conversation, id, verb, words, payload));
  }
}

function answerTo(
  conversation: Conversation,
  id: string,
  verb: string,
  words: readonly string[],
  payload: readonly string[],
): Answer {
  const { machine, from } = conversation;
  if (verb === 'start' || verb === 'stop')
    machine.deeds.push({ verb, attempt: words[0] ?? '', from, owner: machine.owner });
  switch (verb) {
    case 'start':
      return startAttempt(machine, words, payload);
    case 'stop':
      return { ok: true, was: stopAttempt(machine, words) };
    case 'evidence':
      tellEvidence(conversation, id, words[0] ?? '');
      return { ok: true };
    case 'agents':
      return { ok: true };
    case 'ack':
      for (const attempt of words) if (machine.folders.get(attempt)?.end) machine.open.delete(attempt);
      return { ok: true };
    case 'sessions':
      if (!machine.hasTmux) return refusal('tmux', 'tmux is not installed');
      for (const name of words) machine.sessions.add(name);
      return { ok: true };
    case 'unsessions':
      for (const name of words) machine.sessions.delete(name);
      return { ok: true };
    default:
      return refusal('protocol', 'unknown word');
  }
}

/** Takes the machine: one owner, one live conversation, a higher epoch. */
function hello(conversation: Conversation, words: readonly string[]): Answer {
  const { machine } = conversation;
  const [ledger = '', controller = '', epoch = '0', takeOver = '0'] = words;
  const owner = `${ledger} ${controller}`;
  if (machine.owner !== '' && machine.owner !== owner && takeOver !== '1') return refusal('owned', machine.owner);
  machine.deeds.push({ verb: 'hello', attempt: '', from: conversation.from, owner: machine.owner });
  machine.owner = owner;
  machine.epoch = Math.max(machine.epoch, Number(epoch)) + 1;
  if (machine.endServer !== conversation.leave) machine.endServer?.();
  machine.endServer = conversation.leave;
  const isFirst = conversation.epoch === null;
  conversation.epoch = machine.epoch;
  endFormerBoots(machine);
  machine.listeners.add(conversation.hear);
  tellFolders(conversation, 'all');
  if (isFirst) reportAgain(conversation);
  const { vcpu, memoryKiB, name } = machine.setting;
  return {
    ok: true,
    protocol: PROTOCOL,
    epoch: machine.epoch,
    boot: machine.boot,
    root: `/pretend/${name}`,
    vcpu,
    memoryKiB,
    tmux: machine.hasTmux ? '3.4' : '',
    jq: true,
    cgroup: true,
  };
}

/** One line for each attempt that is not acknowledged; after the greeting only those that ended are told again. */
function tellFolders({ machine, say }: Conversation, which: 'all' | 'ended'): void {
  for (const [attempt, { agent }] of machine.open) {
    const record = machine.folders.get(attempt)?.end;
    if (record) say(`F ${record}`);
    else if (which === 'all') say(`F open ${attempt} ${numberWord(agent)}`);
  }
}

function reportAgain(conversation: Conversation, count = 1): void {
  later(conversation.machine, REPORT_MS, () => {
    if (conversation.isOver) return;
    tellReport(conversation);
    if (count % RETOLD_REPORTS === 0) tellFolders(conversation, 'ended');
    reportAgain(conversation, count + 1);
  });
}

function tellReport({ machine, say }: Conversation): void {
  const { clock, memoryKiB } = machine.setting;
  say(`R node ${Math.floor(clock.monotonic() / 1000)} 0.50 ${memoryKiB}`);
  for (const [attempt, { agent }] of machine.open) {
    const folder = machine.folders.get(attempt);
    if (!folder?.end) say(`R attempt ${attempt} ${numberWord(agent)} ${folder?.out.length ?? 0} 0`);
  }
  say(machine.hasTmux ? `R sessions ${[...machine.sessions].join(' ')}` : 'R tmux absent');
}

/** The same attempt may be sent again: its lock makes that harmless. */
function startAttempt(machine: Machine, words: readonly string[], payload: readonly string[]): Answer {
  const [attempt = '', agent = '', hash = '', boot = '', limit = '0', silence = '0', gate = '0', tool = ''] = words;
  if (boot !== machine.boot) return { ok: true, was: 'boot' };
  const known = machine.locks.get(attempt);
  if (known === 'buried') return { ok: true, was: 'buried' };
  if (known !== undefined && known !== hash) return refusal('mismatch', 'this attempt was sent with another content');
  if (known !== undefined && machine.folders.get(attempt)?.claimed) {
    const record = machine.folders.get(attempt)?.end;
    if (record) journal(machine, record);
    return { ok: true, was: 'same', attempt };
  }
  if (machine.isDiskFull) {
    machine.locks.delete(attempt);
    machine.folders.delete(attempt);
    return refusal('disk', 'no room for the attempt');
  }
  const order = { ...orderOf(attempt, Number(agent), payload[0] ?? '', payload[1] ?? ''), tool, isGated: gate === '1' };
  machine.locks.set(attempt, hash);
  machine.folders.set(attempt, emptyFolder(order));
  for (const [other, { agent: holder }] of machine.open)
    if (holder === order.agent && machine.folders.get(other)?.end) machine.open.delete(other);
  machine.open.set(attempt, { agent: Number(agent), limitSeconds: Number(limit), silenceSeconds: Number(silence) });
  work(machine, order);
  sweepUnclaimed(machine, attempt);
  return { ok: true, was: known === undefined ? 'new' : 'same', attempt }; // named for who listens in
}

function orderOf(attempt: string, agent: number, run: string, prompt: string): Omit<Order, 'tool' | 'isGated'> {
  const task = /^export .*\bFLEET_TASK=(\S*)/m.exec(run)?.[1] ?? '';
  return { attempt, agent, task, prompt, resumes: /\bresume ([0-9a-f-]{36})\b/.exec(run)?.[1] ?? null };
}

function stopAttempt(
  machine: Machine,
  [attempt = '', reason = '', orphan]: readonly string[],
): 'absent' | 'buried' | 'ended' | 'stopping' {
  const known = machine.locks.get(attempt);
  if (orphan === 'orphan' && known === undefined && !machine.open.has(attempt)) return 'absent';
  if (known === undefined) {
    machine.locks.set(attempt, 'buried');
    killTool(machine, attempt); // its folder may have been removed while it ran: nothing is buried alive
  }
  if (known === undefined || known === 'buried') return 'buried';
  const record = machine.folders.get(attempt)?.end;
  if (record) {
    journal(machine, record);
    return 'ended';
  }
  askToEnd(machine, attempt, reason);
  return 'stopping';
}

function tellEvidence(conversation: Conversation, id: string, attempt: string): void {
  const folder = conversation.machine.folders.get(attempt);
  for (const name of ['out', 'err', 'usage'] as const) {
    const text = Buffer.from(folder?.[name] ?? '').toString('base64');
    for (let offset = 0; offset < text.length; offset += CHUNK_CHARS)
      conversation.say(`B ${id} ${name} ${text.slice(offset, offset + CHUNK_CHARS)}`);
  }
}
