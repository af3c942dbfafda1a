/** The library: what a program may build on. Everything else may change with any version. */
export type { Fleet } from './config/fleet.ts';
export { ERROR_CODES, type ErrorCode, FleetError } from './errors.ts';
export type {
  Agents,
  FleetInput,
  Happening,
  Lists,
  OpenFleet,
  OpenOptions,
  Submitted,
  TaskInput,
  Tasks,
  WaitOptions,
} from './library/fleet.ts';
export { openFleet } from './library/open.ts';
export type { Report } from './operations/account.ts';
export type { Results } from './operations/results.ts';
export type { Status } from './operations/status.ts';
