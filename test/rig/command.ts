import { type ExecFileOptionsWithStringEncoding, execFile } from 'node:child_process';

/** How a program on this machine ended. */
export interface Ended {
  /** Its exit code; null when a signal ended it, also when it ran out of time. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CommandLimits {
  /** Given on standard input, then closed. */
  input?: string;
  /** Longest time in ms (a minute where absent); then it is killed. */
  msMax?: number;
  env?: NodeJS.ProcessEnv;
}

const MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** Runs a program on this machine. It fails only when there is no such program. */
export function run(words: readonly string[], limits: CommandLimits = {}): Promise<Ended> {
  const [program = '', ...rest] = words;
  const { input = '', msMax = MS_MAX, env = process.env } = limits;
  const options: ExecFileOptionsWithStringEncoding = {
    encoding: 'utf8',
    env,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: msMax,
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, rest, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : (error.code ?? null);
      if (typeof code === 'string') reject(new Error(`${program}: ${error?.message}`, { cause: error }));
      else resolve({ code, stdout, stderr });
    });
    child.stdin?.on('error', () => {}); // whoever does not read its input need not
    child.stdin?.end(input);
  });
}

/** What a program printed. Throws with its own words where it did not end well. */
export async function must(words: readonly string[], limits: CommandLimits = {}): Promise<string> {
  const { code, stdout, stderr } = await run(words, limits);
  if (code === 0) return stdout;
  const said = `${stderr}\n${stdout}`.trim().slice(-2_000);
  throw new Error(`${words.join(' ').slice(0, 500)} ended with ${code ?? 'a signal'}: ${said}`);
}
