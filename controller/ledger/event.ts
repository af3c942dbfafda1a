/** Everything that is recorded as having happened. One row each in the ledger's `event` table, in order. */
export const EVENT_KINDS = [
  'fleet_state',
  'task_accepted',
  'task_started',
  'task_completed',
  'task_failed',
  'task_retried',
  'task_parked',
  'task_heard',
  'task_unblocked',
  'task_cancelled',
  'attempt_intended',
  'attempt_started',
  'attempt_ended',
  'attempt_stopping',
  'agent_paused',
  'agent_resumed',
  'node_up',
  'node_down',
  'intent_obeyed',
  'intent_refused',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export interface FleetEvent {
  at: number;
  kind: EventKind;
  task?: string;
  attempt?: string;
  agent?: number;
  node?: string;
  /** Further facts; small, never a prompt, never a secret. */
  data?: Readonly<Record<string, unknown>>;
}
