import type { Kind } from '../../../agent/agent.ts';

export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  /** What to do; null when nothing is wrong. What stands in backticks is to be typed as it is. */
  fix: string | null;
}

export function good(check: string, detail: string): Finding {
  return { check, ok: true, detail, fix: null };
}

export function bad(check: string, detail: string, fix: string): Finding {
  return { check, ok: false, detail, fix };
}

/** Nothing is broken by it, but it could be better. */
export function wish(check: string, detail: string, fix: string): Finding {
  return { check, ok: true, detail, fix };
}

/** Where a node stands in its fleet, to say what to change. */
export interface Entry {
  /** The machine that asks. */
  isHere: boolean;
  /** The fleet file, and the node's place in it: `nodes[2]`; null where a stack made it. */
  file: string | null;
  path: string | null;
  kinds: readonly Kind[];
  /** Where tasks work there by default; null: each agent's own folder. */
  folder: string | null;
}

/** Where commands are typed, and what lets them be root there. */
export interface Spot {
  /** `on mugen`, `here`. */
  where: string;
  /** `sudo `; empty where root is logged in, or where there is no sudo. */
  sudo: string;
}

/** This machine; whoever types knows who they are. */
export const HERE: Spot = { where: 'here', sudo: '' };

export function typed({ where }: Spot, command: string): string {
  return `${where}: \`${command}\``;
}

/** A line to set in the fleet file, its field named from the top: `agents.count: 6`. */
export function edited(file: string | null, line: string): string {
  return `in ${file ?? 'a fleet.yaml (fleet init writes one)'}: \`${line}\``;
}

export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** `12.3 GiB`, of bytes. */
export function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
