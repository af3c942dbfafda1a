import { describe, expect, test } from 'vitest';
import { quote, shellLine } from '../../controller/transport/command.ts';

describe('a shell word', () => {
  test('stays readable where it may', () => {
    for (const word of ['ls', '/usr/bin/env', 'a-b_c.d:e=f@g%h+i,j']) expect(quote(word)).toBe(word);
  });

  test('cannot hold a NUL byte, and says so', () => {
    expect(() => quote('a\0b')).toThrow('NUL');
    expect(() => shellLine(['echo', '\0'])).toThrow(RangeError);
  });
});
