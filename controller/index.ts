/** The library: what a program may build on. Everything else may change with any version. */
export type { Agent, Kind } from './agent/agent.ts';
export type { Clock } from './clock.ts';
export type { Fleet } from './config/fleet.ts';
export { loadFleet, readEnvironment } from './config/load.ts';
export { loadTasks } from './config/plan.ts';
export { ERROR_CODES, type ErrorCode, FleetError } from './errors.ts';
export { putIntent } from './ledger/inbox.ts';
export { openSqlite } from './ledger/sqlite.ts';
export type { Node } from './node/node.ts';
export { OPERATIONS, type OperationName } from './operations/index.ts';
export type { Attempt } from './task/attempt.ts';
export { type Task, TaskSpec } from './task/task.ts';
