import { inspect } from 'node:util';

const REDACTED = '‹secret›';

/** A value that shows itself only to the wire: printing, JSON, templates and inspection all give a mark instead. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Call it only where the bytes leave for the node. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/** Replaces what looks like a key or a token in text that came from outside (logs, error texts). */
export function scrub(text: string, known: readonly Secret[] = []): string {
  let clean = text;
  for (const secret of known) {
    const value = secret.reveal();
    if (value.length >= 6) clean = clean.replaceAll(value, REDACTED);
  }
  return clean
    .replace(/\b(sk-(?:ant-|proj-)?[A-Za-z0-9_-]{12,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16})\b/g, REDACTED)
    .replace(/\b([Bb]earer\s+)[A-Za-z0-9._~+/-]{8,}=*/g, `$1${REDACTED}`);
}
