import { describe, expect, test } from 'vitest';
import { type Answer, judge, usualTool, withoutTwins } from '../../controller/cli/commands/init/ask.ts';
import type { DraftNode } from '../../controller/config/draft.ts';
import { readSurvey } from '../../controller/node/survey.ts';

const HOST: DraftNode = { host: 'mugen', config: null, vcpu: null, memoryGiB: null, notes: [] };
const TIMES = { asked: 1_800_000_000_000, answered: 1_800_000_000_500 };

/** What a machine said, some lines changed. */
function surveyOf(different: Readonly<Record<string, string>> = {}) {
  const said = {
    now: '1800000000',
    user: '1000 ubuntu',
    bash: '5.2.15(1)-release',
    tmux: 'tmux 3.3a',
    vcpu: '16',
    'MemTotal:': '65832345',
    'MemAvailable:': '60000000',
    disk: '13107200 4096 1000000 2000000',
    writable: '',
    ...different,
  };
  const lines = Object.entries(said).flatMap(([key, value]) =>
    value.split('|').map((one) => `fleet-survey ${key} ${one}`),
  );
  const survey = readSurvey([...lines, 'fleet-survey end', ''].join('\n'));
  if (!survey) throw new Error('this is no survey');
  return survey;
}

describe('a host that answered', () => {
  test('is written with its vCPUs, and its memory down to a tenth', () => {
    const { node, isUsable, tools } = judge(HOST, surveyOf({ missing: 'claude' }), TIMES);
    expect({ isUsable, tools }).toEqual({ isUsable: true, tools: ['codex'] });
    expect(node).toMatchObject({ vcpu: 16, memoryGiB: 62.7, notes: [] });
  });

  test('says what it lacks, and is a node all the same', () => {
    const { node, isUsable } = judge(HOST, surveyOf({ missing: 'tmux|codex|claude' }), TIMES);
    expect(isUsable).toBe(true);
    expect(node.notes.join('\n')).toMatch(/^tmux: missing\. .*tmux/);
    expect(node.notes.join('\n')).toContain('no coding CLI (codex, claude)');
  });

  test('and is not Linux is no node', () => {
    const { node, isUsable } = judge(HOST, surveyOf({ 'MemTotal:': '', 'MemAvailable:': '', vcpu: '' }), TIMES);
    expect(isUsable).toBe(false);
    expect(node.notes).toEqual(['mugen does not look like Linux, which a node has to be.']);
  });

  const answer = (host: string, place: string | null, tools: string[] = []): Answer => ({
    node: { ...HOST, host },
    isUsable: true,
    tools,
    place,
  });

  test('under a second name is written as a comment that names the first', () => {
    const all = withoutTwins([answer('a', 'boot 1'), answer('b', null), answer('c', 'boot 1'), answer('d', null)]);
    expect(all.map(({ isUsable }) => isUsable)).toEqual([true, true, false, true]);
    expect(all[2]?.node.notes).toEqual(['c is the same machine as a.']);
  });

  test('decides with the others what agents run by default: what most of them have, else Codex', () => {
    expect(usualTool([])).toBe('codex');
    expect(usualTool([answer('a', null, ['claude', 'codex'])])).toBe('codex');
    expect(usualTool([answer('a', null, ['claude']), answer('b', null, ['codex', 'claude'])])).toBe('claude');
  });
});
