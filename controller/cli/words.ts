/** The task states as words, apart from the nouns: help must not wait for the schemas to load. A test compares them. */
export const TASK_STATE_WORDS = ['queued', 'blocked', 'running', 'parked', 'completed', 'failed', 'cancelled'];
