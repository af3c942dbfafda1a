/** The task states as words, apart from the nouns: help must not wait for the schemas to load. A test compares them. */
export const TASK_STATE_WORDS = ['queued', 'blocked', 'running', 'parked', 'completed', 'failed', 'cancelled'];

/** `1 task`, `2 tasks`, `0 tasks`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
