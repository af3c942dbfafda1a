import { formatDuration } from '../clock.ts';
import { printable } from '../errors.ts';
import type { AttemptReport, Report } from '../operations/account.ts';
import { scrub } from '../secret.ts';

/** The words of every report, whatever its form. What tasks and tools say is hostile: nothing of it is shown uncleaned. */

/** How an attempt went, as it is drawn: by whose fault it ended, or that it is open. */
export type Tone = 'done' | 'task' | 'wait' | 'platform' | 'owner' | 'person' | 'open';

/** In the order of legends: a sign that needs no colour, and what it means. */
export const TONES: Readonly<Record<Tone, { sign: string; words: string; short: string }>> = {
  done: { sign: '✓', words: 'done', short: 'done' },
  task: { sign: '✗', words: 'task fault', short: 'task' },
  wait: { sign: '◷', words: 'rate limit or overload', short: 'limit' },
  platform: { sign: '△', words: 'platform fault', short: 'platform' },
  owner: { sign: '¤', words: 'key or quota', short: 'key' },
  person: { sign: '⊘', words: 'ended by a person', short: 'person' },
  open: { sign: '▷', words: 'not ended', short: 'open' },
};

export function toneOf({ fault }: Pick<AttemptReport, 'fault'>): Tone {
  if (fault === null) return 'open';
  return fault === 'none' ? 'done' : fault;
}

type TaskState = Report['results'][number]['state'];

export const STATES: Readonly<Record<TaskState, { sign: string; tone: Tone }>> = {
  completed: { sign: '✓', tone: 'done' },
  failed: { sign: '✗', tone: 'task' },
  parked: { sign: '∥', tone: 'platform' },
  cancelled: { sign: '⊘', tone: 'person' },
  running: { sign: '▷', tone: 'open' },
  queued: { sign: '…', tone: 'open' },
  blocked: { sign: '…', tone: 'open' },
};

/** Looked at beyond what is shown: a key must be seen whole to be known as one. */
const LINE_MORE = 1000;

/** Harmless lines without keys, at most so many characters; a mark where something is missing. */
export function cleanLines(text: string, max: number): string {
  const clean = printable(scrub(text.slice(0, max * 2 + LINE_MORE)).toWellFormed());
  return clean.length <= max ? clean : `${clean.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The same as one line. */
export function cleanLine(text: string, max: number): string {
  return cleanLines(
    text
      .slice(0, max * 2 + LINE_MORE)
      .replace(/\s+/g, ' ')
      .trim(),
    max,
  );
}

/** `1 task`, `2 tasks`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${grouped(number)} ${number === 1 ? one : many}`;
}

/** `444,949`. */
export function grouped(number: number): string {
  return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `445 k`, `3.1 M`; small numbers as they are. */
export function rounded(number: number): string {
  if (number < 10_000) return grouped(number);
  if (number < 999_500) return `${Math.round(number / 1000)} k`;
  return number < 9_950_000 ? `${(number / 1e6).toFixed(1)} M` : `${grouped(number / 1e6)} M`;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function duration(seconds: number | null): string {
  return seconds === null ? '' : formatDuration(seconds);
}

/** `16 of 18 tasks completed, 1 failed, 1 parked`. */
export function headline({ tasks }: Report): string {
  if (tasks.total === 0) return 'No tasks';
  const others = (['failed', 'cancelled', 'parked', 'open'] as const).flatMap((state) =>
    tasks[state] > 0 ? [`${grouped(tasks[state])} ${state}`] : [],
  );
  return [`${grouped(tasks.completed)} of ${count(tasks.total, 'task')} completed`, ...others].join(', ');
}

/** The tone of the whole: the worst of its tasks. */
export function toneOfAll({ tasks }: Report): Tone {
  if (tasks.failed > 0) return 'task';
  if (tasks.parked > 0) return 'platform';
  if (tasks.cancelled > 0) return 'person';
  return tasks.open > 0 || tasks.total === 0 ? 'open' : 'done';
}

/** `2026-11-21 16:20:11 to 16:20:20 UTC`. */
export function period({ beganAt, endedAt }: Report): string {
  if (beganAt === null) return 'nothing began';
  const from = moment(beganAt);
  if (endedAt === null) return `${from} UTC, nothing ended yet`;
  const to = moment(endedAt);
  return `${from} to ${to.slice(0, 10) === from.slice(0, 10) ? to.slice(11) : to} UTC`;
}

/** `2026-11-21 16:20:11` of an ISO time. */
export function moment(time: string): string {
  return `${time.slice(0, 10)} ${time.slice(11, 19)}`;
}

/** What is left out, as a sentence; null where nothing is. */
export function omission({ omitted }: Report): string | null {
  const parts = [
    ...(omitted.tasks > 0 ? [count(omitted.tasks, 'older task')] : []),
    ...(omitted.attempts > 0 ? [count(omitted.attempts, 'older attempt')] : []),
  ];
  return parts.length === 0 ? null : `Too much for one report: ${parts.join(' and ')} left out, and not counted.`;
}

/** `51 h 11 m of work, 167 × one agent`: what one agent would have needed, and how much faster the fleet was. */
export function work({ nodes, seconds: makespan }: Report): string {
  const seconds = nodes.reduce((sum, node) => sum + node.seconds, 0);
  const times = seconds / Math.max(0.001, makespan);
  return `${duration(seconds)} of work, ${times < 10 ? times.toFixed(1) : grouped(times)} × one agent`;
}

/** Where the agents were, and how many of them had something to do. */
export function whereabouts({ nodes, agents }: Report): string {
  if (nodes.length === 0) return 'none has worked';
  const worked = nodes.reduce((sum, node) => sum + node.agents, 0);
  const where = `on ${count(nodes.length, 'node')}`;
  return worked < agents ? `${grouped(worked)} worked, ${where}` : where;
}

/** How long its attempts took; nothing while none has ended. */
export function timeOf({ state, seconds }: Report['results'][number]): string {
  return state === 'running' && seconds === 0 ? '' : duration(seconds);
}

/** How many retries there were for each reason, the most first. */
export function retryCounts({ retries }: Report): { tone: Tone | null; count: number }[] {
  const tones = Map.groupBy(retries, ({ fault }) => (fault === null ? null : toneOf({ fault })));
  return [...tones].map(([tone, its]) => ({ tone, count: its.length })).sort((a, b) => b.count - a.count);
}

/** Where a task's text is its id again, it is said once. */
export function titleOf({ task, title }: { task: string; title: string }): string {
  return title === task ? '' : title;
}

export const DEFINITIONS = [
  'Efficiency: the time that attempts took ÷ (agents × the time from the first beginning to the last end).',
  'Waited: since a task could begin (handed in, its last need completed, or its try before ended) until it began.',
  'Rate limits and overload, platform faults (lost, silent, network, launch, killed, disk) and a task’s own faults have retries of their own.',
] as const;
