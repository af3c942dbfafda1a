import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostFlaw, parseAddress } from '../../controller/config/address.ts';

const OBEYED = /[\s\u0000-\u001f\u007f'"`\\$&;<>|(){}*?!#~^=,/]/u;

describe('an address over SSH', () => {
  test('that is taken never holds what ssh or a shell would obey', () => {
    const nasty = fc.constantFrom(
      '-',
      '-oX=y',
      '@',
      ':',
      '[',
      ']',
      '%',
      '$(',
      '`',
      "'",
      '"',
      '\\',
      ' ',
      '\n',
      '\0',
      ',',
      'a',
      '::1',
    );
    const written = fc
      .array(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 5 })))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(written, (text) => {
        const part = parseAddress(text);
        if (part.is === 'bad') return;
        const { host, user = '', port = 1 } = part.address;
        expect([host, user].filter((word) => word.startsWith('-') || OBEYED.test(word))).toEqual([]);
        expect(port).toBeGreaterThanOrEqual(1);
        expect(port).toBeLessThanOrEqual(65_535);
      }),
      { numRuns: 500 },
    );
  });

  test('is taken apart into what it was put together from', () => {
    const host = fc.constantFrom(
      'mugen',
      'a.b-c.example',
      '10.1.2.3',
      '::1',
      '2001:db8::ffff:1.2.3.4',
      'fe80::1%eth0',
      '無限',
    );
    const user = fc.option(fc.constantFrom('root', 'a.b', 'me@corp', '_x-1'), { nil: undefined });
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
    fc.assert(
      fc.property(host, user, port, (name, who, at) => {
        const place = name.includes(':') ? `[${name}]` : name;
        const text = `${who === undefined ? '' : `${who}@`}${place}${at === undefined ? '' : `:${at}`}`;
        const address = {
          host: name,
          ...(at === undefined ? {} : { port: at }),
          ...(who === undefined ? {} : { user: who }),
        };
        expect(parseAddress(text)).toEqual({ is: 'good', address });
      }),
    );
  });

  test('may be no longer than a name can be', () => {
    expect(hostFlaw('a'.repeat(255))).toBeUndefined();
    expect(hostFlaw('a'.repeat(256))).toBeDefined();
  });
});
