import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { codex } from '../../../controller/agent/tools/codex.ts';
import type { Scenario } from '../../../controller/rehearsal/scenario.ts';
import { describeWith, program } from '../../support/capability.ts';
import { CONVERSATION } from './evidence.ts';
import { byResponse, nastyText, Rig } from './rig.ts';

const KEY = 'sk-proj-0123456789abcdefghij';
const keyed = { secrets: { OPENAI_API_KEY: { from: 'env', name: 'OPENAI_API_KEY' } } } as const;
const sh = (line: string) => `Please do this.\n\`\`\`sh\n${line}\n\`\`\`\n`;

let rig: Rig;
const begin = async (scenario: Scenario) => {
  rig = await new Rig(codex, program('codex')).begin(scenario);
};
afterEach(async () => rig.end());

describeWith(['codex'], 'the real Codex CLI', () => {
  it.each([null, 'gpt-5.5'])(
    'does a task with model %s, shows no key to its commands, and every token is counted',
    async (model) => {
      await begin('calm');
      const prompt = sh('echo made > made.txt; echo "keys $(env | grep -c -e KEY -e sk-proj)"');
      const tried = await rig.run({ task: 'a', prompt, kind: { ...keyed, model }, secrets: { OPENAI_API_KEY: KEY } });
      expect(tried.reading).toMatchObject({ verdict: 'done', answer: 'Done. keys 0', message: null });
      expect(tried.reading.conversation).toMatch(/^[0-9a-f-]{36}$/);
      expect(readFileSync(join(rig.folder, 'work/made.txt'), 'utf8')).toBe('made\n');
      expect(tried.reading.usage).toHaveLength(2);
      expect(byResponse(tried.reading.usage)).toEqual(byResponse(rig.served('a')));
      expect(JSON.stringify(tried.launch)).not.toContain(KEY);
    },
  );

  it('is told a prompt of 100 KB byte for byte, and needs no key at an endpoint that asks for none', async () => {
    await begin('calm');
    const prompt = nastyText();
    const { reading } = await rig.run({ task: 'a', prompt });
    expect(reading.verdict).toBe('done');
    const { input } = JSON.parse(rig.bodies[0] ?? '') as { input: { content?: { text?: string }[] }[] };
    const told = input.flatMap((item) => item.content ?? []).map((part) => part.text);
    expect(told.includes(prompt)).toBe(true);
    expect(existsSync(join(rig.folder, 'work/pwned'))).toBe(false);
  });

  it('killed before the model has answered, shows a conversation and neither an answer nor a token', async () => {
    await begin('hangs');
    const { reading } = await rig.run({ task: 'a', prompt: sh('echo well'), killedAt: 'turn.started' });
    expect(reading).toMatchObject({ verdict: 'killed', answer: null, usage: [] });
    expect(reading.conversation).not.toBeNull();
  });

  it.each([
    ['with the databases it left', false],
    ['after its databases have been removed for their size', true],
  ])(
    'killed with -9 in the midst, goes on with the same conversation, %s, and each token is counted once',
    async (_, isTidied) => {
      await begin('crash');
      const first = await rig.run({ task: 'a', prompt: sh('echo once >> runs.txt; echo well') });
      expect(first.reading).toMatchObject({ verdict: 'killed', message: 'ended by signal 9, which nobody here sent' });
      expect(byResponse(first.reading.usage)).toEqual(byResponse(rig.served('a')));
      expect(first.reading.usage.length).toBeGreaterThan(0);
      const resume = first.reading.conversation;
      const home = join(rig.agentFolder, 'codex');
      const databases = () => readdirSync(home).filter((name) => /^(state|thread_history)_.*sqlite/.test(name));
      if (isTidied) {
        truncateSync(join(home, databases().find((name) => name.endsWith('.sqlite')) ?? ''), 600_000);
        execFileSync('sh', ['-c', first.launch.collect ?? ''], {
          env: { PATH: process.env.PATH, FLEET_SINCE: '0.collect' },
        });
        expect(databases()).toEqual([]);
      }
      const second = await rig.run({ task: 'a', ordinal: 2, prompt: 'Please go on.', resume });
      expect(second.reading).toMatchObject({ verdict: 'done', answer: 'Done. well', conversation: resume });
      expect(readFileSync(join(rig.folder, 'work/runs.txt'), 'utf8')).toBe('once\n');
      const counted = new Map(
        [...first.reading.usage, ...second.reading.usage].map((usage) => [usage.response, usage]),
      );
      expect(byResponse([...counted.values()])).toEqual(byResponse(rig.served('a')));
    },
  );

  it.each([
    ['rate-limits', 'rate-limit'],
    ['flaky', 'overloaded'],
  ] as const)('in the weather “%s” its first attempt ends as %s', async (scenario, verdict) => {
    await begin(scenario);
    const { reading } = await rig.run({ task: 'a', prompt: sh('echo hi') });
    expect(reading).toMatchObject({ verdict, usage: [] });
  });

  it('that could not begin says why: no program, a wrong flag, no such conversation, no key', async () => {
    await begin('calm');
    const message = async (attempt: Partial<Parameters<Rig['run']>[0]>) => {
      const { reading } = await rig.run({ task: 'a', prompt: 'hello', ...attempt });
      return `${reading.verdict}: ${reading.message}`;
    };
    expect(await message({ kind: { program: '/nowhere/codex' } })).toMatch(
      /^launch: could not begin \(exit 127\): .*not found/,
    );
    expect(await message({ kind: { args: ['--bad'] } })).toMatch(
      /^launch: could not begin \(exit 2\): error: unexpected/,
    );
    expect(await message({ resume: CONVERSATION })).toMatch(/^launch: could not begin \(exit 1\): .*no rollout found/);
    expect(await message({ kind: keyed })).toMatch(/^credentials: Missing environment variable/);
  });

  it('fills a home with databases without any model, and an agent with a copy of it does its task', async () => {
    await begin('calm');
    const { home } = rig.launchOf({ task: 'a', prompt: '' });
    const template = join(rig.folder, 'template');
    mkdirSync(template);
    execFileSync('sh', ['-c', home?.make ?? 'false'], {
      env: { ...process.env, FLEET_TEMPLATE: template },
      timeout: 30_000,
    });
    const made = readdirSync(template);
    expect(made.filter((name) => name.endsWith('.sqlite')).length).toBeGreaterThanOrEqual(4);
    expect(made.filter((name) => ['tmp', 'sessions', 'installation_id'].includes(name))).toEqual([]);
    cpSync(template, join(rig.agentFolder, home?.folder ?? ''), { recursive: true });
    const { reading } = await rig.run({ task: 'a', prompt: sh('echo well') });
    expect(reading).toMatchObject({ verdict: 'done', answer: 'Done. well' });
    expect(byResponse(reading.usage)).toEqual(byResponse(rig.served('a')));
  });
});
