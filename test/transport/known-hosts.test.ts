import { describe, expect, it } from 'vitest';
import {
  fingerprint,
  hasAuthority,
  judgeHostKey,
  knownTypes,
  parseKnownHosts,
} from '../../controller/transport/known-hosts.ts';
import { encode, hashed, keyOf, RSA } from './keys.ts';

const known = (...lines: string[]) => parseKnownHosts([{ path: '/k', text: lines.join('\n') }]);

describe('the key a host shows', () => {
  it('is trusted when it is known, by name, list, wildcard, hash, and with its port', () => {
    const lines = [
      `plain ${encode(1)}`,
      `a,b,10.0.0.? ${encode(2)} a comment`,
      `*.example,!bad.example ${encode(3)}`,
      `${hashed('hidden')} ${encode(4)}`,
      `[ported]:2222 ${encode(5)}`,
      `${hashed('[both]:22022')} ${encode(6)}`,
    ];
    const judge = (host: string, port: number, seed: number) =>
      judgeHostKey(known(...lines), host, port, keyOf(seed)).is;
    expect(judge('plain', 22, 1)).toBe('trusted');
    expect(judge('PLAIN', 22, 1)).toBe('trusted');
    expect(judge('b', 22, 2)).toBe('trusted');
    expect(judge('10.0.0.7', 22, 2)).toBe('trusted');
    expect(judge('10.0.0.77', 22, 2)).toBe('unknown');
    expect(judge('good.example', 22, 3)).toBe('trusted');
    expect(judge('bad.example', 22, 3)).toBe('unknown');
    expect(judge('hidden', 22, 4)).toBe('trusted');
    expect(judge('ported', 2222, 5)).toBe('trusted');
    expect(judge('ported', 22, 5)).toBe('unknown');
    expect(judge('both', 22022, 6)).toBe('trusted');
  });

  it('is trusted on another port when nothing is known with that port', () => {
    expect(judgeHostKey(known(`plain ${encode(1)}`), 'plain', 2222, keyOf(1)).is).toBe('trusted');
    const both = known(`plain ${encode(1)}`, `[plain]:2222 ${encode(2)}`);
    expect(judgeHostKey(both, 'plain', 2222, keyOf(1)).is).toBe('changed');
  });

  it('has changed when another of its type is known, and it is said where, with both fingerprints', () => {
    expect(judgeHostKey(known('# first', `plain ${encode(1)}`), 'plain', 22, keyOf(2))).toEqual({
      is: 'changed',
      at: '/k:2',
      known: fingerprint(keyOf(1)),
      fingerprint: fingerprint(keyOf(2)),
    });
    const two = known(`plain ${encode(1)}`, `plain ${encode(2)}`);
    expect(judgeHostKey(two, 'plain', 22, keyOf(2)).is).toBe('trusted');
  });

  it('is unknown when only keys of other types are known, which are named', () => {
    const verdict = judgeHostKey(known(`plain ${encode(1, RSA)}`), 'plain', 22, keyOf(2));
    expect(verdict).toEqual({ is: 'unknown', fingerprint: fingerprint(keyOf(2)), otherTypes: [RSA] });
    expect(knownTypes(known(`plain ${encode(1, RSA)}`), 'plain', 22)).toEqual([RSA]);
  });

  it('is never trusted when it is revoked, also where it is known, and on any port', () => {
    const lines = [`plain ${encode(1)}`, `@revoked * ${encode(1)}`];
    expect(judgeHostKey(known(...lines), 'plain', 22, keyOf(1))).toMatchObject({ is: 'revoked', at: '/k:2' });
    expect(judgeHostKey(known(`[plain]:9 ${encode(1)}`, `@revoked plain ${encode(1)}`), 'plain', 9, keyOf(1)).is).toBe(
      'trusted', // a revocation without the port means port 22, as in ssh
    );
  });

  it('is not proved by the key of an authority', () => {
    const lines = [`@cert-authority *.example ${encode(1)}`];
    expect(judgeHostKey(known(...lines), 'a.example', 22, keyOf(1)).is).toBe('unknown');
    expect(hasAuthority(known(...lines), 'a.example', 22)).toBe(true);
    expect(hasAuthority(known(...lines), 'b', 22)).toBe(false);
  });

  it('is looked for among the lines that can be read; the others are counted', () => {
    const { entries, badLines } = known(
      '',
      '# comment',
      'plain',
      'plain ssh-ed25519',
      `plain ssh-rsa ${keyOf(1).toString('base64')}`,
      `@other plain ${encode(1)}`,
      `plain ${encode(1)}`,
      '\tplain\tssh-ed25519 !!',
    );
    expect([entries.length, badLines]).toEqual([1, 5]);
  });
});
