import { afterEach, describe, expect, it, vi } from 'vitest';
import { have, program } from './support/capability.ts';
import { describeFinding, prepare } from './support/machine.ts';
import { lastLine, reasonOf, tally } from './support/results.ts';

const report = (...files: { status?: string; message?: string; tests: [status: string, title: string][] }[]) =>
  JSON.stringify({
    testResults: files.map(({ status = 'passed', message = '', tests }) => ({
      name: '/x.test.ts',
      status,
      message,
      assertionResults: tests.map(([state, fullName]) => ({ status: state, fullName })),
    })),
  });

describe('the count of a test run', () => {
  it('is one line of passed and failed, with skipped where any were', () => {
    expect(lastLine({ passed: 12, failed: 0, skipped: 0 })).toBe('12 passed, 0 failed');
    expect(lastLine({ passed: 1, failed: 2, skipped: 3 })).toBe('1 passed, 2 failed, 3 skipped');
  });

  it('holds every test once', () => {
    const text = report(
      {
        tests: [
          ['passed', 'a'],
          ['failed', 'b'],
        ],
      },
      {
        tests: [
          ['skipped', 'c'],
          ['todo', 'd'],
        ],
      },
    );
    expect(tally(text, 1)).toMatchObject({ passed: 1, failed: 1, skipped: 2, troubles: [] });
  });

  it('takes a test that never ran for failed', () => {
    expect(tally(report({ tests: [['pending', 'a']] }), 1).failed).toBe(1);
  });

  it('takes a file that could not be read for one failure, and says why', () => {
    const counts = tally(report({ status: 'failed', message: 'no such module\nat x', tests: [] }), 1);
    expect(counts).toMatchObject({ failed: 1, troubles: ['/x.test.ts could not be run: no such module'] });
  });

  it('never takes a crash for a success', () => {
    expect(tally(undefined, null).failed).toBe(1);
    expect(tally('{"testResults": [', 0).failed).toBe(1);
    expect(tally(report({ tests: [['passed', 'a']] }), 1)).toMatchObject({ passed: 1, failed: 1 });
    expect(tally(report({ tests: [['passed', 'a']] }), null).failed).toBe(1);
    expect(tally(report({ tests: [['passed', 'a']] }), 0)).toMatchObject({ passed: 1, failed: 0 });
  });

  it('gives skipped tests with the reason their titles carry', () => {
    const text = report({
      tests: [
        ['skipped', 'real windows (needs tmux) are shown'],
        ['skipped', 'later (soon)'],
      ],
    });
    const skips = new Map([
      ['needs tmux', ['real windows (needs tmux) are shown']],
      ['no reason given', ['later (soon)']],
    ]);
    expect(tally(text, 0).skips).toEqual(skips);
    expect(reasonOf('a (needs tmux) b (needs jq, codex)')).toBe('needs jq, codex');
  });
});

describe('the programs that tests need', () => {
  afterEach(() => void vi.unstubAllEnvs());

  it('are those that the run found, at the paths it told', () => {
    vi.stubEnv('FLEET_TEST_HAVE', 'tmux,codex');
    vi.stubEnv('FLEET_TEST_CODEX', '/tools/codex');
    expect([have('codex'), have('claude')]).toEqual([true, false]);
    expect(program('codex')).toBe('/tools/codex');
    expect(() => program('claude')).toThrow(/not on this machine/);
  });

  it('are looked for in PATH where a test file is run by itself', () => {
    vi.stubEnv('FLEET_TEST_HAVE', undefined);
    vi.stubEnv('FLEET_TEST_JQ', undefined);
    vi.stubEnv('PATH', '/nowhere');
    expect(have('jq')).toBe(false);
  });

  it('are absent with a reason, never with an exception', async () => {
    vi.stubEnv('FLEET_TEST_CODEX', '/nowhere/codex');
    const [finding] = await prepare(['codex']);
    expect(finding && describeFinding(finding)).toMatch(/^codex\s+absent: \/nowhere\/codex does not run: /);
  });
});
