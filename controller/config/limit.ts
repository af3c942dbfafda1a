/** Largest fleet file. */
export const FLEET_BYTES_MAX = 262_144;
/** Largest outputs of a stack. */
export const STACK_BYTES_MAX = 1_048_576;
/** Largest file a secret is read from. */
export const SECRET_BYTES_MAX = 65_536;
/** Largest task file. */
export const PLAN_BYTES_MAX = 8 * 1_048_576;
/** Most tasks handed in at once. */
export const PLAN_TASKS_MAX = 100_000;
/** Most task files in a folder. */
export const PLAN_FILES_MAX = 10_000;
