import type { Usage } from '../../task/attempt.ts';

/** One line a tool printed, when it was a JSON object. Nothing in it is trusted. */
export type EventLine = Readonly<Record<string, unknown>>;

const ANSWER_CHARS_MAX = 4_000;
const USAGE_ENTRIES_MAX = 20_000;
const TOKENS_MAX = 1_000_000_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The lines of a text that are JSON objects; prose, half lines and binary rubbish are passed over. */
export function eventsOf(text: string): EventLine[] {
  return text.split('\n').flatMap((line) => {
    const event = line.startsWith('{') ? parse(line) : undefined;
    return isObject(event) ? [event] : [];
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is EventLine {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands at a path of keys; undefined where the path ends early. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (here, key) => (isObject(here) && Object.hasOwn(here, key) ? here[key] : undefined),
    value,
  );
}

export function textAt(value: unknown, ...path: readonly string[]): string | null {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : null;
}

/** The id of a conversation, if it is a UUID: any other word would make a tool begin a new one, or read it as a flag. */
export function conversationAt(value: unknown, ...path: readonly string[]): string | null {
  const id = textAt(value, ...path);
  return id !== null && isConversation(id) ? id.toLowerCase() : null;
}

export function isConversation(id: string): boolean {
  return UUID.test(id);
}

/** At most `max` characters from the beginning, whole code points, a mark where something is missing. */
export function cutEnd(text: string, max = ANSWER_CHARS_MAX): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** At most `max` characters from the end, whole code points, a mark where something is missing. */
export function cutStart(text: string, max = ANSWER_CHARS_MAX): string {
  return text.length <= max ? text : `…${text.slice(text.length - max + 1).replace(/^[\uDC00-\uDFFF]/, '')}`;
}

/** A text that says something, cut to the length of an answer; null for none. */
export function answerOf(text: string | null): string | null {
  const said = text?.trim() ?? '';
  return said === '' ? null : cutEnd(said);
}

/**
 * Usage as the tools' `collect` lines print it, `{response, model, input, cached, output}` each, one entry per
 * response. A response printed twice counts once, with what was said last.
 */
export function usageOf(text: string): Usage[] {
  const usage = new Map<string, Usage>();
  for (const line of eventsOf(text)) {
    const response = textAt(line, 'response');
    if (response === null || response === '' || response.length > 200 || usage.size >= USAGE_ENTRIES_MAX) continue;
    const model = textAt(line, 'model');
    usage.set(response, {
      response,
      model: model === null || model === '' ? null : cutEnd(model, 200),
      inputTokens: tokensAt(line, 'input'),
      cachedTokens: tokensAt(line, 'cached'),
      outputTokens: tokensAt(line, 'output'),
    });
  }
  return [...usage.values()];
}

function tokensAt(line: EventLine, key: string): number {
  const count = at(line, key);
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= TOKENS_MAX ? count : 0;
}
