import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  type AttemptState,
  FAULT_OF,
  isOpen,
  VERDICTS,
} from '../../controller/task/attempt.ts';
import {
  Duration,
  isSettled,
  mayBecome,
  Name,
  PROMPT_BYTES_MAX,
  Priority,
  TASK_STATES,
  TaskSpec,
  type TaskState,
} from '../../controller/task/task.ts';

const refusals = (spec: unknown) => {
  const result = TaskSpec.safeParse(spec);
  return result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
};

describe('the state of a task', () => {
  const LAWFUL: Readonly<Record<TaskState, readonly TaskState[]>> = {
    queued: ['running', 'parked', 'cancelled'],
    blocked: ['queued', 'parked', 'cancelled'],
    running: ['queued', 'parked', 'completed', 'failed', 'cancelled'],
    parked: ['queued', 'blocked', 'completed', 'failed', 'cancelled'],
    completed: [],
    failed: ['queued', 'blocked'],
    cancelled: ['queued', 'blocked'],
  };

  test.each(TASK_STATES)('%s goes only where it may', (from) => {
    expect(TASK_STATES.filter((to) => mayBecome(from, to))).toEqual(LAWFUL[from]);
  });

  test('completed is for ever: a task completes at most once', () => {
    for (const to of TASK_STATES) expect(mayBecome('completed', to)).toBe(false);
  });

  test('is settled when nothing more happens by itself', () => {
    expect(TASK_STATES.filter(isSettled)).toEqual(['parked', 'completed', 'failed', 'cancelled']);
  });
});

describe('the state of an attempt', () => {
  test('is over once, and an end may come without a start', () => {
    const from = (state: AttemptState) => ATTEMPT_TRANSITIONS[state].toSorted();
    expect(from('intended')).toEqual(['cancelled', 'ended', 'lost', 'started']);
    expect(from('started')).toEqual(['cancelled', 'ended', 'lost']);
    for (const state of ATTEMPT_STATES) expect(from(state).length > 0).toBe(isOpen(state));
  });

  test('ends with a verdict that says whose fault it was, and none is nobody’s', () => {
    const blamed = (fault: string) => VERDICTS.filter((verdict) => FAULT_OF[verdict] === fault);
    expect(blamed('none')).toEqual(['done']);
    expect(blamed('task')).toEqual(['failed', 'timeout', 'memory']);
    expect(blamed('platform')).toEqual(['lost', 'silent', 'network', 'launch', 'killed', 'disk']);
    expect(blamed('wait')).toEqual(['rate-limit', 'overloaded']);
    expect(blamed('owner')).toEqual(['credentials', 'quota']);
    expect(blamed('person')).toEqual(['cancelled', 'restarted']);
  });
});

describe('the words of a task', () => {
  test.each<[unknown, number]>([
    ['30m', 1800],
    ['1h30m', 5400],
    [90, 90],
    ['30d', 30 * 86_400],
  ])('a timeout of %j is %d seconds', (value, seconds) => {
    expect(Duration.parse(value)).toBe(seconds);
  });

  test.each([0, '0', '0s', -1, 1.5, '31d', 'soon', '', null, true])('a timeout of %j is refused', (value) => {
    expect(Duration.safeParse(value).success).toBe(false);
  });

  test('a priority is a word or P0 to P3, and medium is P2', () => {
    expect(['P0', 'P1', 'P2', 'P3', 'high', 'medium', 'low'].map((word) => Priority.parse(word))).toEqual([
      0, 1, 2, 3, 1, 2, 3,
    ]);
    for (const word of ['p0', 'HIGH', 'P4', '', 1, '__proto__']) expect(Priority.safeParse(word).success).toBe(false);
  });

  test('a name is safe in a file name, a tmux target and a shell word', () => {
    for (const good of ['a', 'A-1_b.c', '0', 'x'.repeat(64)]) expect(Name.safeParse(good).success).toBe(true);
    for (const bad of ['', '.', '-a', '_a', 'a b', 'a/b', 'a\n', 'a:b', 'あ', 'a$', 'x'.repeat(65)])
      expect(Name.safeParse(bad).success).toBe(false);
  });
});

describe('a task that is asked for', () => {
  test('takes its prompt byte for byte', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (prompt) => {
        fc.pre(!prompt.includes('\0') && prompt.trim() !== '');
        expect(TaskSpec.parse({ prompt }).prompt).toBe(prompt);
      }),
    );
  });

  test('is refused with a NUL byte, which no process can be given', () => {
    expect(refusals({ prompt: 'a\0b' })).toEqual(['prompt: must not hold a NUL byte']);
    expect(refusals({ prompt: 'x', env: { A: '\0' } })).toEqual(['env.A: must not hold a NUL byte']);
    expect(refusals({ run: '\0' })).toContain('run: must not hold a NUL byte');
  });

  test('is refused when it says nothing to do', () => {
    for (const spec of [{}, { prompt: '' }, { prompt: ' \n' }, { prompt: '', run: ' ' }])
      expect(refusals(spec)).toHaveLength(1);
    expect(refusals({ run: 'true' })).toEqual([]);
  });

  test('is refused when its prompt is larger than a mebibyte, counted in bytes', () => {
    expect(refusals({ prompt: 'あ'.repeat(PROMPT_BYTES_MAX / 3) })).toEqual([]);
    expect(refusals({ prompt: `${'あ'.repeat(PROMPT_BYTES_MAX / 3)}xx` })).toEqual([
      `prompt: must be at most ${PROMPT_BYTES_MAX} bytes`,
    ]);
  });

  test('may not set what the fleet sets, nor a variable that is none', () => {
    expect(refusals({ prompt: 'x', env: { FLEET_TASK: 'y' } })).toEqual([
      'env: names beginning with FLEET_ are set by the fleet',
    ]);
    for (const name of ['', '1A', 'A-B', 'A=B', 'A B'])
      expect(refusals({ prompt: 'x', env: { [name]: 'y' } })).toHaveLength(1);
  });

  test('is refused with a field nobody knows, and every problem is said at once', () => {
    expect(refusals({ prompt: 'x', prio: 'high', timeout: 'soon', agents: [0], retries: 21 })).toHaveLength(4);
  });
});
