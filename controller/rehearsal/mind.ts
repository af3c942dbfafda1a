import type { Reply, Result, Turn } from './dialect.ts';

const ANSWER_LETTERS_MAX = 400;
const RUNS_MAX = 10;

/** Kills the CLI that runs it, as a crash would: the shell of a tool call is a direct child of the CLI. */
export const CRASH_SCRIPT = 'sleep 0.5; kill -9 $PPID';

/**
 * What the stand-in says next: it runs the last ```sh block it was given, once in a conversation, then tells the last
 * line of the output. With `crashing`, the first thing it runs is a command that kills the CLI.
 */
export function think(turns: readonly Turn[], crashing: boolean): Reply {
  const script = lastScript(turns);
  if (script === undefined) return { is: 'text', text: echo(turns) };
  const result = lastResult(turns, script);
  if (result !== undefined) return react(result);
  if (turns.filter((turn) => isRun(turn, script)).length >= RUNS_MAX) return react({ is: 'lost', output: 'Given up.' });
  const crash = crashing && !turns.some((turn) => isRun(turn, CRASH_SCRIPT));
  return { is: 'act', act: { do: 'run', script: crash ? CRASH_SCRIPT : script } };
}

function react(result: Result): Reply {
  switch (result.is) {
    case 'running':
      return { is: 'act', act: { do: 'wait', session: result.session } };
    case 'lost':
      return {
        is: 'text',
        text: `The command could not be run. ${cut(result.output.trim().split('\n')[0])}`.trimEnd(),
      };
    case 'ended': {
      const said = cut(result.output.trimEnd().split('\n').at(-1)?.trim());
      const opening = result.exit === 0 ? 'Done.' : `The command failed with exit code ${result.exit}.`;
      return { is: 'text', text: `${opening} ${said}`.trimEnd() };
    }
  }
}

/** The script of the last fenced `sh` block of the last user message that has one; a resume prompt has none. */
export function lastScript(turns: readonly Turn[]): string | undefined {
  for (const turn of turns.toReversed()) {
    if (turn.by !== 'user') continue;
    const blocks = [...turn.text.matchAll(/^```sh[ \t]*\r?\n([\s\S]*?)^```[ \t]*\r?$/gm)];
    const script = blocks.at(-1)?.[1]?.trimEnd();
    if (script !== undefined && script !== '') return script;
  }
  return undefined;
}

/**
 * What the latest run of this script has come to; undefined when it never ran, or when its end was lost with the CLI.
 * Only a user message after it (a resume) tells a lost run from a refused one, and trying a refused one again would
 * never end.
 */
function lastResult(turns: readonly Turn[], script: string): Result | undefined {
  const begun = turns.findLastIndex((turn) => isRun(turn, script));
  if (begun < 0) return undefined;
  const after = turns.slice(begun);
  const at = after.findLastIndex((turn) => turn.by === 'result');
  const found = after[at];
  if (found?.by !== 'result') return undefined;
  const resumed = after.slice(at).some((turn) => turn.by === 'user');
  return resumed && found.result.is !== 'ended' ? undefined : found.result;
}

function isRun(turn: Turn, script: string): boolean {
  return turn.by === 'call' && turn.act?.do === 'run' && turn.act.script === script;
}

function cut(text: string | undefined): string {
  return (text ?? '').slice(0, ANSWER_LETTERS_MAX);
}

function echo(turns: readonly Turn[]): string {
  const asked = turns.findLast((turn) => turn.by === 'user');
  const first = asked?.by === 'user' ? (asked.text.trim().split('\n')[0] ?? '') : '';
  return `Noted: ${cut(first)}`.trimEnd();
}

/** Tokens as a real model would count them, roughly: from the bytes of the request and the letters of the reply. */
export function countTokens(bodyBytes: number, turns: readonly Turn[], reply: Reply) {
  const inputTokens = Math.ceil(bodyBytes / 4);
  const begun = turns.some((turn) => turn.by === 'call' || turn.by === 'model');
  const cachedTokens = Math.floor((inputTokens * (begun ? 0.9 : 0.5)) / 128) * 128;
  return { inputTokens, cachedTokens, outputTokens: 8 + Math.ceil(JSON.stringify(reply).length / 4) };
}
