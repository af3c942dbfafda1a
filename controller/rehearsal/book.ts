import type { Usage } from '../task/attempt.ts';
import type { Situation } from './scenario.ts';

/** Usage of one response that was sent to its last byte. */
export interface Served {
  task: string;
  ordinal: number;
  usage: Usage;
}

/** Who a request is about, read from its path. */
export interface Route {
  task: string;
  ordinal: number;
  /** What follows the prefix, without the query: `/v1/responses`. */
  path: string;
}

const TASKS_MAX = 100_000;
const SERVED_MAX = 500_000;

/** `/t/TASK/ORDINAL/v1/...`; any other prefix counts as a task of its own, at its first attempt. */
export function parseRoute(url: string): Route {
  const path = url.split('?', 1)[0] ?? '';
  const fleet = /^\/t\/([^/]{1,200})\/(\d{1,6})(\/.*)$/.exec(path);
  if (fleet !== null) return { task: fleet[1] ?? '', ordinal: Math.max(1, Number(fleet[2])), path: fleet[3] ?? '' };
  const other = /^(.{0,200}?)(\/(?:v1|api)\/.*)$/.exec(path);
  return { task: other?.[1] || '/', ordinal: 1, path: other?.[2] ?? path };
}

/** The prefix of an attempt's requests, to be put behind the model's URL. A task's name is safe in a path as it is. */
export function routePrefix(task: string, ordinal: number): string {
  return `/t/${task}/${ordinal}`;
}

/** What the model remembers: which tasks it met in which order, how often, and what it served. */
export class Book {
  readonly #ranks = new Map<string, number>();
  readonly #requests = new Map<string, number>();
  readonly #served: Served[] = [];

  /** Counts a request in and says where it stands. */
  enter({ task, ordinal }: Route): Situation {
    const rank = this.#ranks.get(task) ?? this.#ranks.size;
    const key = `${task}/${ordinal}`;
    const request = (this.#requests.get(key) ?? 0) + 1;
    if (this.#requests.size < TASKS_MAX || this.#requests.has(key)) {
      this.#ranks.set(task, rank);
      this.#requests.set(key, request);
    }
    return { rank, ordinal, request };
  }

  record(served: Served): void {
    this.#served.push(served);
    if (this.#served.length > SERVED_MAX) this.#served.shift();
  }

  served(): readonly Served[] {
    return [...this.#served];
  }
}
