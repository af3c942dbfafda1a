import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  agentFolder,
  agentWord,
  attachWords,
  orderHash,
  placeProgram,
  promptFile,
  type StartOrder,
  startRequest,
  workFolder,
} from '../../controller/node/shell.ts';
import { Secret } from '../../controller/secret.ts';
import { anyText } from '../transport/text.ts';

const ID = '0199a5f0-0000-7000-8000-00000000002a';

function order(different: Partial<StartOrder> = {}): StartOrder {
  return {
    attempt: ID,
    agent: 7,
    boot: 'boot',
    timeoutSeconds: 60,
    silenceSeconds: 0,
    tool: 'command',
    launch: { words: ['true'], env: {}, stdin: 'prompt', gated: false, home: null, collect: null },
    run: 'exec true\n',
    prompt: 'do it',
    secrets: {},
    ...different,
  };
}

describe('what goes over the wire to begin an attempt', () => {
  test('is safe words, and bytes of exactly the lengths they say', () => {
    const text = anyText(50);
    fc.assert(
      fc.property(text, text, text, (run, prompt, secret) => {
        const { words, payload } = startRequest(order({ run, prompt, secrets: { KEY: new Secret(secret) } }));
        expect(words.join(' ')).toMatch(/^[A-Za-z0-9 ._-]+$/);
        const lengths = words.slice(-5).map(Number);
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(Buffer.byteLength(payload));
        const bytes = Buffer.from(payload);
        expect(bytes.subarray(lengths[0], (lengths[0] ?? 0) + (lengths[1] ?? 0))).toEqual(Buffer.from(prompt));
      }),
    );
  });

  test('rounds limits up to whole seconds, so that a short one is not none', () => {
    expect(startRequest(order({ timeoutSeconds: 0.2, silenceSeconds: 1.5 })).words.slice(5, 7)).toEqual(['1', '2']);
  });

  test('carries secrets only in their own part', () => {
    const secrets = { KEY: new Secret('the secret') };
    expect(startRequest(order({ secrets })).words.join(' ')).not.toContain('secret');
    expect(JSON.stringify(order({ secrets }))).not.toContain('the secret');
  });
});

describe('the hash of an attempt', () => {
  const hash = orderHash(order());

  test('is the same for the same content, whatever the secrets: a new key is no new attempt', () => {
    expect(orderHash(order({ secrets: { KEY: new Secret('one') } }))).toBe(hash);
    expect(orderHash(order({ secrets: { KEY: new Secret('two') } }))).toBe(hash);
  });

  test.each<[string, Partial<StartOrder>]>([
    ['script', { run: 'exec false\n' }],
    ['prompt', { prompt: 'do it ' }],
    ['tool', { tool: 'codex' }],
    ['input', { launch: { ...order().launch, stdin: 'none' } }],
    ['collecting', { launch: { ...order().launch, collect: 'ls' } }],
  ])('is another with another %s', (_, different) => {
    expect(orderHash(order(different))).not.toBe(hash);
  });
});

test('an agent has one folder and one number of at least three digits', () => {
  expect([1, 42, 10_000].map(agentWord)).toEqual(['001', '042', '10000']);
  expect(agentFolder('/r', 7)).toBe('/r/agents/007');
  expect(workFolder('/r', 7)).toBe('/r/agents/007/work');
  expect(promptFile('/r', ID)).toBe(`/r/attempts/${ID}.prompt`);
});

test('the program is put in place by its hash, with its text as input and never in the words', () => {
  const command = placeProgram('miyabi', 'abc123', 'echo secret-text');
  expect(command.input).toBe('echo secret-text');
  expect(command.words.join(' ')).not.toContain('secret-text');
  expect(command.words.join(' ')).toContain('fleet-node-abc123');
});

test('a window is opened by its exact name, and read-only where asked', () => {
  expect(attachWords('miyabi', 'miyabi-007', true).join(' ')).toContain('attach-session -r -t "=miyabi-007"');
  expect(attachWords('miyabi', 'miyabi-007', false).join(' ')).not.toContain('-r ');
});
