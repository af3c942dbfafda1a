import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { keyType } from './known-hosts.ts';

/** A public key that an agent can sign with. */
export interface AgentKey {
  type: string;
  key: Buffer;
  comment: string;
}

const REQUEST = Buffer.from([0, 0, 0, 1, 11]);
const ANSWER = 12;
const ANSWER_BYTES_MAX = 262_144;
const WAIT_MS_MAX = 5000;

/** The keys an agent holds, of every type; the reason when it does not answer. ssh2 passes silently over what it lacks. */
export function askAgent(path: string): Promise<readonly AgentKey[] | { why: string }> {
  const { promise, resolve } = Promise.withResolvers<readonly AgentKey[] | { why: string }>();
  const socket = connect(path);
  let answer: Buffer = Buffer.alloc(0);
  const end = (result: readonly AgentKey[] | { why: string }) => {
    socket.destroy();
    resolve(result);
  };
  socket.setTimeout(WAIT_MS_MAX, () => end({ why: `no answer within ${WAIT_MS_MAX / 1000} s` }));
  socket.on('error', (error: NodeJS.ErrnoException) => end({ why: error.code ?? error.message }));
  socket.on('close', () => end({ why: 'it ended the connection' }));
  socket.on('data', (chunk) => {
    answer = Buffer.concat([answer, chunk]);
    const length = answer.length >= 4 ? answer.readUInt32BE(0) : 0;
    if (length > ANSWER_BYTES_MAX) end({ why: 'too long an answer' });
    else if (length > 0 && answer.length >= 4 + length) end(parseKeys(answer.subarray(4, 4 + length)));
  });
  socket.write(REQUEST);
  return promise;
}

/** Byte 12, a count, then pairs of key and comment; a string is a length and its bytes. */
function parseKeys(answer: Buffer): readonly AgentKey[] | { why: string } {
  if (answer[0] !== ANSWER || answer.length < 5) return { why: 'it refused' };
  const fields: Buffer[] = [];
  for (let at = 5; at + 4 <= answer.length; ) {
    const length = answer.readUInt32BE(at);
    fields.push(answer.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields.flatMap((key, index) =>
    index % 2 === 0 ? [{ type: keyType(key), key, comment: fields[index + 1]?.toString('utf8') ?? '' }] : [],
  );
}
