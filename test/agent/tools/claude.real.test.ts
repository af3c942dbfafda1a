import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { claude } from '../../../controller/agent/tools/claude.ts';
import type { Scenario } from '../../../controller/rehearsal/scenario.ts';
import { describeWith, program } from '../../support/capability.ts';
import { ATTEMPT, CONVERSATION } from './evidence.ts';
import { byResponse, nastyText, Rig } from './rig.ts';

const KEY = 'sk-ant-0123456789abcdefghij';
const keyed = { secrets: { ANTHROPIC_API_KEY: { from: 'env', name: 'ANTHROPIC_API_KEY' } } } as const;
const sh = (line: string) => `Please do this.\n\`\`\`sh\n${line}\n\`\`\`\n`;

let rig: Rig;
const begin = async (scenario: Scenario) => {
  rig = await new Rig(claude, program('claude')).begin(scenario);
};
afterEach(async () => rig.end());

describeWith(['claude'], 'the real Claude Code', () => {
  it('does a task as root too, in the conversation named like the attempt, and every token is counted', async () => {
    await begin('calm');
    const prompt = sh('echo made > made.txt; echo well');
    const tried = await rig.run({ task: 'a', prompt, kind: keyed, secrets: { ANTHROPIC_API_KEY: KEY } });
    expect(tried.reading).toMatchObject({
      verdict: 'done',
      answer: 'Done. well',
      message: null,
      conversation: ATTEMPT,
    });
    expect(readFileSync(join(rig.folder, 'work/made.txt'), 'utf8')).toBe('made\n');
    expect(tried.reading.usage).toHaveLength(2);
    expect(byResponse(tried.reading.usage)).toEqual(byResponse(rig.served('a')));
    expect(JSON.stringify(tried.launch)).not.toContain(KEY);
  });

  it('is told a prompt of 100 KB byte for byte, and needs no key at an endpoint that asks for none', async () => {
    await begin('calm');
    const prompt = nastyText();
    const { reading } = await rig.run({ task: 'a', prompt });
    expect(reading.verdict).toBe('done');
    const told = rig.bodies
      .filter((body) => body !== '')
      .flatMap((body) => (JSON.parse(body) as { messages: { content: string | { text?: string }[] }[] }).messages)
      .flatMap(({ content }) => (typeof content === 'string' ? content : content.map((part) => part.text)));
    expect(told.includes(prompt)).toBe(true);
    expect(existsSync(join(rig.folder, 'work/pwned'))).toBe(false);
  });

  it('killed with -9 in the midst, goes on with the same conversation, and no token is lost or counted twice', async () => {
    await begin('crash');
    const first = await rig.run({ task: 'a', prompt: sh('echo once >> runs.txt; echo well') });
    expect(first.reading).toMatchObject({ verdict: 'killed', conversation: ATTEMPT });
    expect(byResponse(first.reading.usage)).toEqual(byResponse(rig.served('a')));
    expect(first.reading.usage.length).toBeGreaterThan(0);
    const second = await rig.run({ task: 'a', ordinal: 2, prompt: 'Please go on.', resume: ATTEMPT });
    expect(second.reading).toMatchObject({ verdict: 'done', answer: 'Done. well', conversation: ATTEMPT });
    expect(readFileSync(join(rig.folder, 'work/runs.txt'), 'utf8')).toBe('once\n');
    const counted = new Map([...first.reading.usage, ...second.reading.usage].map((usage) => [usage.response, usage]));
    expect(byResponse([...counted.values()])).toEqual(byResponse(rig.served('a')));
  });

  it('gives up on an overloaded model as overloaded', async () => {
    await begin('flaky');
    const { reading } = await rig.run({ task: 'a', prompt: sh('echo hi') });
    expect(reading).toMatchObject({ verdict: 'overloaded', usage: [], answer: null });
  });

  it('that could not begin says why: no program, a wrong flag, no such conversation, one in use', async () => {
    await begin('calm');
    const message = async (attempt: Partial<Parameters<Rig['run']>[0]>) => {
      const { reading } = await rig.run({ task: 'a', prompt: 'hello', ...attempt });
      return `${reading.verdict}: ${reading.message} ${reading.conversation}`;
    };
    expect(await message({ kind: { program: '/nowhere/claude' } })).toMatch(/^launch: could not begin \(exit 127\)/);
    expect(await message({ kind: { args: ['--bad'] } })).toMatch(
      /^launch: could not begin \(exit 1\): error: unknown option/,
    );
    expect(await message({ resume: CONVERSATION })).toMatch(/^launch: No conversation found .* null$/);
    expect(await message({})).toMatch(/^done: null/);
    expect(await message({})).toMatch(/^launch: could not begin \(exit 1\): .*already in use/);
  });
});
