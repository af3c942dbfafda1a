/** Fields by where they stand: a path with `*` for any name or index, and the fields there. */
export type LaterFields = Readonly<Record<string, readonly string[]>>;

/** Fields of the fleet file that are designed but not built: refused by name. */
export const LATER_FLEET_FIELDS: LaterFields = {
  '': ['budget', 'budgets', 'limits', 'prices', 'gateway', 'schedule', 'windows', 'ledger', 'notify'],
  'nodes.*': ['ssm', 'ec2', 'power', 'window', 'idleMinutesMax'],
  'kinds.*.env.*': ['ssm', 'parameter'],
  tasks: ['files', 'workspace', 'budget', 'cacheable', 'review', 'success'],
};

/** The same of a task. */
export const LATER_TASK_FIELDS: LaterFields = {
  '': ['files', 'workspace', 'budget', 'cacheable', 'review', 'success', 'requirements', 'payload'],
};
