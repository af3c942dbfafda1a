import { formatDuration } from '../clock.ts';
import type { Results } from '../operations/results.ts';
import type { Status } from '../operations/status.ts';
import type { Door } from './door.ts';
import { table } from './table.ts';
import { counted } from './words.ts';

/** Words for people. The JSON is the API; this may change freely. */

export function reportText(door: Door, results: Results): string {
  const { tasks, seconds, agents, efficiency, usage } = results;
  if (tasks.total === 0) return 'No task was open: there was nothing to wait for.';
  const rows = results.results.map((each) => [
    each.state === 'completed' ? '✓' : '✗',
    each.task,
    each.state,
    each.agent === null ? '' : String(each.agent),
    String(each.attempts),
    each.seconds === null ? '' : formatDuration(each.seconds),
    (each.error ?? each.answer ?? '').split('\n').at(0) ?? '',
  ]);
  const others = (['failed', 'cancelled', 'parked'] as const).flatMap((state) =>
    tasks[state] > 0 ? [`${tasks[state]} ${state}`] : [],
  );
  return [
    table(['', 'task', 'state', 'agent', 'tries', 'time', 'result'], rows, door.columns),
    '',
    `${tasks.completed} of ${tasks.total} completed${others.length > 0 ? `, ${others.join(', ')}` : ''} in ${formatDuration(seconds)} by ${counted(agents, 'agent')}, efficiency ${Math.round(efficiency * 100)} %`,
    ...(usage.responses === 0
      ? []
      : [
          `${counted(usage.inputTokens + usage.outputTokens, 'token')}: ${usage.inputTokens} in (${usage.cachedTokens} of them cached), ${usage.outputTokens} out, ${counted(usage.responses, 'response')}`,
        ]),
  ].join('\n');
}

/** `now`: also how long each has been busy with its task. */
export function agentsTable(agents: Status['agents'], columns: number, now?: string): string {
  const forTime = ({ task, since }: Status['agents'][number]) =>
    now === undefined || task === null ? '' : formatDuration((Date.parse(now) - Date.parse(since)) / 1000);
  const rows = agents.map((agent) => [
    String(agent.number),
    agent.node,
    agent.category ?? '',
    agent.kind,
    agent.state,
    agent.task ?? '',
    ...(now === undefined ? [] : [forTime(agent)]),
    agent.evidence,
  ]);
  const time = now === undefined ? [] : ['for'];
  return table(['agent', 'node', 'category', 'kind', 'state', 'task', ...time, 'evidence'], rows, columns);
}

export function statusText(door: Door, status: Status): string {
  const { controller, tasks } = status;
  const counts = Object.entries(tasks).flatMap(([state, count]) => (count > 0 ? [`${count} ${state}`] : []));
  const head = [
    `${status.fleet} is ${status.state}; ${controller ? `controller ${controller.pid} on ${controller.host} since ${controller.since}` : restText(status.state)}`,
    `tasks: ${counts.join(', ') || 'none'}${status.intentsWaiting > 0 ? `; ${counted(status.intentsWaiting, 'intent waits', 'intents wait')}` : ''}`,
    ...(status.unplaced > 0 ? [`${counted(status.unplaced, 'agent fits', 'agents fit')} nowhere: fleet explain`] : []),
  ];
  const nodes = status.nodes.map((node) => [
    node.name,
    node.state,
    `${node.agents.busy}/${node.agents.assigned}/${node.agents.cap}`,
    node.evidence,
  ]);
  return [
    ...head,
    ...(nodes.length > 0 ? ['', table(['node', 'state', 'busy/set/cap', 'evidence'], nodes, door.columns)] : []),
    ...(status.agents.length > 0 ? ['', agentsTable(status.agents, door.columns, status.now)] : []),
    ...legend([...status.nodes, ...status.agents].map(({ state }) => state)),
  ].join('\n');
}

function restText(state: Status['state']): string {
  if (state === 'TERMINATED') return 'stopped: fleet start begins it again';
  return 'no controller runs: what runs goes on, nothing new begins until fleet start';
}

/** States whose names do not say what is meant by them. */
const MEANINGS: Readonly<Record<string, string>> = {
  degraded: 'several connections in a row failed; it is tried on, and nothing is begun or ended there meanwhile',
  unknown: 'nobody hears of it now; it may well go on working, and what was last known of it stands beside it',
};

/** Explained where they are shown, and only then. */
function legend(states: readonly string[]): string[] {
  const shown = Object.entries(MEANINGS).filter(([state]) => states.includes(state));
  return shown.length === 0 ? [] : ['', ...shown.map(([state, means]) => `${state}: ${means}`)];
}
