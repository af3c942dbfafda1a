export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  /** What to do; null when nothing is wrong. */
  fix: string | null;
}

export function good(check: string, detail: string): Finding {
  return { check, ok: true, detail, fix: null };
}

export function bad(check: string, detail: string, fix: string): Finding {
  return { check, ok: false, detail, fix };
}

/** `12.3 GiB`, of bytes. */
export function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
