import { type FileHandle, open } from 'node:fs/promises';

/** What became of reading a file. Being absent, being unreadable and being empty are different things. */
export type FileReading =
  | { is: 'read'; bytes: Uint8Array; mode: number; isPlain: boolean }
  | { is: 'absent' }
  | { is: 'unreadable'; reason: string };

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission to read it',
  EPERM: 'no permission to read it',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links go in a circle',
  ENAMETOOLONG: 'its name is too long',
  EMFILE: 'too many open files',
  EIO: 'the disk gave an error',
};

/** Reads a file, but one byte over `bytesMax` at most: a reader can tell that it was too long. */
export async function readBounded(path: string, bytesMax: number): Promise<FileReading> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const status = await handle.stat();
    if (status.isDirectory()) return { is: 'unreadable', reason: 'it is a folder' };
    const chunks = handle.createReadStream({ end: bytesMax, autoClose: false });
    const bytes = await collect(chunks, bytesMax);
    return { is: 'read', bytes, mode: status.mode & 0o777, isPlain: status.isFile() };
  } catch (error) {
    return failureOf(error);
  } finally {
    await handle?.close();
  }
}

/** The bytes of a stream, one byte over `bytesMax` at most. */
export async function collect(stream: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > bytesMax) break;
  }
  return Buffer.concat(chunks).subarray(0, bytesMax + 1);
}

/** The failure of a file operation as a value; anything else is thrown on. */
export function failureOf(error: unknown): { is: 'absent' } | { is: 'unreadable'; reason: string } {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') throw error;
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return { is: 'absent' };
  return { is: 'unreadable', reason: REASONS[error.code] ?? error.code };
}
