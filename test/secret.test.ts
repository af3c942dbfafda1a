import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Secret, scrub } from '../controller/secret.ts';

const VALUE = 'hunter2-hunter2';

describe('a secret', () => {
  const secret = new Secret(VALUE);

  test.each<[string, () => string]>([
    ['text', () => String(secret)],
    ['a template', () => ['key', secret].join(': ')],
    ['a sum', () => `${'key: '.concat(secret.toString())}`],
    ['JSON', () => JSON.stringify({ secret, list: [secret] })],
    ['inspection', () => inspect({ deep: { secret } }, { depth: 9, showHidden: true })],
    ['its own keys', () => JSON.stringify([Object.keys(secret), Object.entries(secret), { ...secret }])],
    ['an error', () => inspect(new Error('no', { cause: secret }))],
    ['a clone', () => inspect(structuredClone({ ...secret }))],
  ])('does not show itself as %s', (_, show) => {
    expect(show()).not.toContain(VALUE);
  });

  test('is itself where the bytes leave', () => {
    expect(secret.reveal()).toBe(VALUE);
  });
});

describe('text from outside', () => {
  test.each([
    'sk-proj-abcdefghijklmnop1234',
    'sk-ant-api03-abcdefghijklmnop',
    'ghp_abcdefghijklmnopqrstuvwxyz',
    'AKIAABCDEFGHIJKLMNOP',
    'Bearer abcdefghijkl.mnop-qrst=',
  ])('loses what looks like a key: %s', (key) => {
    const clean = scrub(`before ${key} after`);
    expect(clean).toMatch(/^before .*‹secret› after$/);
    expect(clean).not.toContain(key.replace('Bearer ', ''));
  });

  test('loses the secrets we know, wherever and however often they stand', () => {
    expect(scrub(`${VALUE}:${VALUE}`, [new Secret(VALUE)])).toBe('‹secret›:‹secret›');
  });

  test('keeps words that a short or empty secret happens to hold', () => {
    expect(scrub('an apple a day', [new Secret('a'), new Secret('')])).toBe('an apple a day');
  });

  test('never holds a known secret afterwards, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), fc.string(), fc.string(), (value, before, after) => {
        fc.pre(!'‹secret›'.includes(value) && !`${before}‹secret›${after}`.includes(value));
        expect(scrub(`${before}${value}${after}`, [new Secret(value)])).not.toContain(value);
      }),
    );
  });
});
