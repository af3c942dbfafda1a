import { StringDecoder } from 'node:string_decoder';
import { LINE_BYTES_MAX } from './transport.ts';

/** Cuts a byte stream into lines of at most LINE_BYTES_MAX characters; the rest of a longer one is dropped. */
export function splitLines(onLine: (line: string) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let dropping = false;
  return (chunk) => {
    const parts = (rest + decoder.write(chunk)).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      if (!dropping) onLine(part);
      dropping = false;
    }
    if (rest.length <= LINE_BYTES_MAX) return;
    if (!dropping) onLine(rest.slice(0, LINE_BYTES_MAX));
    dropping = true;
    rest = '';
  };
}
