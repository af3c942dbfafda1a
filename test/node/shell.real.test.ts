import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runScript, secretScript } from '../../controller/node/shell.ts';
import { Secret } from '../../controller/secret.ts';
import { anyText } from '../transport/text.ts';

const shell = (script: string) =>
  execFileSync('sh', ['-s'], {
    input: script,
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });

describe('the script that becomes the tool', () => {
  test('gives every variable and word exactly, and the folder it works in', () => {
    fc.assert(
      fc.property(fc.array(anyText(30), { minLength: 20, maxLength: 40 }), (values) => {
        const env = Object.fromEntries(values.map((text, index) => [`V${index}`, text]));
        const names = values.map((_, index) => `"$V${index}"`).join(' ');
        const words = ['sh', '-c', `pwd; printf '%s\\0' ${names} "$@"`, 'sh', ...values];
        expect(shell(runScript(env, tmpdir(), words))).toBe(
          `${tmpdir()}\n${[...values, ...values].map((text) => `${text}\0`).join('')}`,
        );
      }),
      { numRuns: 10 },
    );
  });

  test('tells of a folder that cannot be entered with the folder’s name and exit 78', () => {
    const folder = "/no such/it's $HOME";
    try {
      shell(runScript({}, folder, ['true']));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ status: 78 });
      expect(String((error as { stderr: string }).stderr)).toContain(`fleet: cannot enter the work folder ${folder}`);
    }
  });

  test('does not take a folder that begins with a dash for an option', () => {
    expect(() => shell(runScript({}, '-P', ['true']))).toThrow(/cannot enter the work folder -P/);
  });
});

test('the shell reads a secret back exactly', () => {
  const secrets = { KEY: new Secret("it's $(secret) `here`\n") };
  expect(shell(`${secretScript(secrets)}printf %s "$KEY"`)).toBe("it's $(secret) `here`\n");
});
