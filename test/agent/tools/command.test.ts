import { describe, expect, it } from 'vitest';
import { command } from '../../../controller/agent/tools/command.ts';
import { TOOLS, toolOf } from '../../../controller/agent/tools/index.ts';
import type { Evidence } from '../../../controller/agent/tools/tool.ts';
import type { Verdict } from '../../../controller/task/attempt.ts';
import { evidence, order } from './evidence.ts';

describe('launching a command', () => {
  it('runs the task’s own line, else the kind’s, through sh', () => {
    const kind = { tool: 'command', run: 'npm run lint', env: { CI: '1' } } as const;
    expect(command.launch(order(kind)).words).toEqual(['sh', '-c', 'npm run lint']);
    expect(command.launch(order(kind, { run: 'echo "$1"' })).words).toEqual(['sh', '-c', 'echo "$1"']);
    expect(command.launch(order({ ...kind, args: ['-a', 'b c'] })).words).toEqual([
      'sh',
      '-c',
      'npm run lint',
      'sh',
      '-a',
      'b c',
    ]);
    expect(command.launch(order(kind))).toMatchObject({ env: { CI: '1' }, gated: false, home: null, collect: null });
  });

  it('fails when nobody said what to run, instead of succeeding at nothing', () => {
    expect(command.launch(order({ tool: 'command' })).words.at(-1)).toMatch(/exit 127$/);
  });

  it('reads the prompt on standard input where the task has one', () => {
    expect(command.launch(order({ tool: 'command' })).stdin).toBe('prompt');
    expect(command.launch(order({ tool: 'command' }, { promptFile: '' })).stdin).toBe('none');
  });
});

const ENDS: readonly (readonly [string, Partial<Evidence>, Verdict, string | null])[] = [
  ['exit 0', { exit: 0, err: 'a warning' }, 'done', null],
  ['exit 1', { exit: 1, err: 'first\nlast line\n\n' }, 'failed', 'exit 1: last line'],
  ['exit 3 without a word', { exit: 3 }, 'failed', 'exit 3'],
  [
    '127',
    { exit: 127, err: 'sh: 1: nope: not found' },
    'failed',
    'program not found (exit 127): sh: 1: nope: not found',
  ],
  ['126', { exit: 126 }, 'failed', 'program may not be run (exit 126)'],
  ['a kill from outside', { exit: null, signal: 9 }, 'killed', 'ended by signal 9, which nobody here sent'],
  ['a kill told as an exit code', { exit: 143 }, 'killed', 'ended by signal 15, which nobody here sent'],
  ['a crash of its own', { exit: null, signal: 11 }, 'failed', 'crashed with signal 11'],
  ['an end nobody saw', { exit: null, lost: true }, 'lost', 'nobody saw its end'],
  ['exit 0 after our time limit', { exit: 0, stop: 'timeout' }, 'timeout', 'reached its time limit'],
  ['a cancel', { exit: 143, stop: 'cancelled' }, 'cancelled', 'cancelled'],
];

describe('reading what a command left', () => {
  it.each(ENDS)('understands %s', (_what, seen, verdict, message) => {
    expect(command.read(evidence(seen))).toMatchObject({ verdict, message, conversation: null, usage: [] });
  });

  it('answers with its last lines, at most 4,000 characters', () => {
    const { answer } = command.read(evidence({ out: `${'🎌'.repeat(3_000)}\nlast!\n` }));
    expect(answer?.length).toBeLessThanOrEqual(4_000);
    expect(answer?.isWellFormed()).toBe(true);
    expect(answer).toMatch(/^….*\nlast!$/su);
    expect(command.read(evidence({ out: ' \n' })).answer).toBeNull();
  });
});

describe('the tools', () => {
  it('stand in the table under their own names, and only those with a conversation can go on with it', () => {
    for (const [name, tool] of Object.entries(TOOLS)) expect(tool.name).toBe(name);
    expect(toolOf({ tool: 'codex' })).toMatchObject({ resumable: true, talks: true });
    expect(toolOf({ tool: 'claude' })).toMatchObject({ resumable: true, talks: true });
    expect(toolOf({ tool: 'command' })).toMatchObject({ resumable: false, talks: false });
  });
});
