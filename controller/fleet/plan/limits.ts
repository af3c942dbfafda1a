import type { ReadyTask } from '../../ledger/view.ts';

/** The brake: of the tasks that come back after a fault of the platform, only so many begin in a minute. */
export function brake(
  ready: readonly ReadyTask[],
  restartsLastMinute: number,
  restartsPerMinute: number,
): { ready: ReadyTask[]; held: ReadyTask[] } {
  let left = Math.max(0, restartsPerMinute - restartsLastMinute);
  const passed: ReadyTask[] = [];
  const held: ReadyTask[] = [];
  for (const task of ready) {
    if (!task.isRestart) passed.push(task);
    else if (left > 0) {
      left -= 1;
      passed.push(task);
    } else held.push(task);
  }
  return { ready: passed, held };
}
