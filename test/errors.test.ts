import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { resultOf } from '../controller/cli/commands/exec.ts';
import type { Door } from '../controller/cli/door.ts';
import { buildProgram } from '../controller/cli/program.ts';
import { loadFleet } from '../controller/config/load.ts';
import { loadTasks } from '../controller/config/plan.ts';
import { ERROR_CODES, type ErrorCode, FleetError, toFleetError } from '../controller/errors.ts';
import { requireState } from '../controller/fleet/state.ts';
import { takeLock } from '../controller/ledger/lock.ts';
import { openReader } from '../controller/ledger/sqlite.ts';
import { openLink } from '../controller/node/link.ts';
import { noController } from '../controller/operations/ask.ts';
import { selectNodes } from '../controller/operations/selector.ts';
import { hostKeyFailure, noSshFailure, saidFailure } from '../controller/transport/ssh-failure.ts';
import type { Transport } from '../controller/transport/transport.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

describe('an error a person meets', () => {
  test('has the shape {code, message, hint} at every door, and nothing else', () => {
    const error = new FleetError('locked', 'held by another', {
      hint: 'Stop it.',
      target: 'fleet',
      cause: new Error('inner'),
    });
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'locked', message: 'held by another', hint: 'Stop it.' });
    expect(JSON.parse(JSON.stringify(new FleetError('usage', 'no')))).toEqual({
      code: 'usage',
      message: 'no',
      hint: null,
    });
  });

  test.each(CODES)('%s says what it means, and ends the program with 1 to 4', (code) => {
    const error = new FleetError(code, 'text');
    expect([1, 2, 3, 4]).toContain(error.exit);
    expect(ERROR_CODES[code].means).toMatch(/^[A-Z“].*\.$/);
    expect(error.retryable).toBe(ERROR_CODES[code].retryable);
  });

  test('names only subcommands that exist in what it tells people to do', () => {
    const nobody = { out: () => {}, say: () => {} } as unknown as Door;
    const subcommands = buildProgram(nobody, '', () => {}).commands.map((command) => command.name());
    const texts = CODES.flatMap((code) => [ERROR_CODES[code].act, ERROR_CODES[code].example.hint]);
    const named = texts.flatMap((text) =>
      [...text.matchAll(/(?<![Tt]he )\bfleet ([a-z]+)\b/g)].map(([, name]) => name ?? ''),
    );
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !subcommands.includes(name))).toEqual([]);
  });

  test('ends with the code that was promised for its sort', () => {
    const exits = (exit: number) => CODES.filter((code) => ERROR_CODES[code].exit === exit).toSorted();
    expect(exits(1)).toEqual([]); // what a task or a check came to is no error of the call
    expect(exits(4)).toEqual(['locked', 'owned-by-another', 'unlawful']);
    expect(exits(2)).toContain('cycle');
    expect(exits(3)).toContain('unreachable');
  });

  test('keeps its cause for --debug', () => {
    const cause = new Error('inner');
    expect(new FleetError('bug', 'outer', { cause }).cause).toBe(cause);
    expect('cause' in new FleetError('bug', 'outer')).toBe(false);
  });
});

/** What a node that follows another ledger answers to our greeting. */
const OWNED: Transport = {
  run: async () => ({ is: 'cancelled' }),
  terminal: () => [],
  close: async () => {},
  open: async (_, onLine) => {
    const over = Promise.withResolvers<string>();
    setImmediate(() => onLine('H 1 1'));
    const write = () => onLine('A 1 {"ok":false,"code":"owned","message":"0d5f8a 77"}');
    return { write, forward: async () => 0, close: () => over.resolve('closed'), ended: over.promise };
  },
};

async function linkRefusal(): Promise<unknown> {
  const setting = {
    fleet: 'x',
    node: 'mugen',
    transport: OWNED,
    program: { text: '', hash: 'x' },
    clock,
    secondsMax: 5,
  };
  const identity = { ledger: 'a', machine: 'b', epoch: 0, takeOver: false };
  return await openLink(setting, identity, { onRecord: () => {}, onReport: () => {} });
}

/** The product itself, brought to fail with each code. */
const FAILING: Readonly<Record<ErrorCode, (folder: string) => unknown>> = {
  usage: () => selectNodes([], []),
  'config-invalid': (cwd) => {
    writeFileSync(join(cwd, 'fleet.yaml'), 'name: miyabi\nagent: {}\n');
    return loadFleet({ env: { HOME: cwd }, cwd });
  },
  'plan-invalid': (cwd) => loadPlanText(cwd, 'tasks:\n- { id: a, rum: x, prompt: y }\n'),
  cycle: (cwd) => loadPlanText(cwd, 'tasks:\n- { id: a, prompt: x, needs: [b] }\n- { id: b, prompt: x, needs: [a] }\n'),
  'not-found': () =>
    selectNodes(
      ['mugen', 'majin'].map((name) => ({ name, labels: [] })),
      ['mugem'],
    ),
  'prerequisite-missing': () => thrown(noSshFailure('a terminal on mugen')),
  'no-access': () => thrown(toFleetError(systemError('EACCES', 'mkdir'))),
  unlawful: () => requireState('DRAINING', ['READY', 'RUNNING', 'SCALING'], 'reload'),
  locked: async (folder) => {
    const since = Date.UTC(2027, 0, 15, 8);
    const lock = await takeLock(folder, since);
    onTestFinished(() => lock.release());
    return await takeLock(folder, since);
  },
  'owned-by-another': linkRefusal,
  unreachable: () => thrown(saidFailure(MUGEN, 'ECONNREFUSED connect ECONNREFUSED 10.0.0.7:22')),
  'host-untrusted': () => thrown(hostKeyFailure(MUGEN, { is: 'unknown', fingerprint: 'SHA256:5tW3…', otherTypes: [] })),
  'login-refused': () => thrown(saidFailure(MUGEN, 'Permission denied (publickey).')),
  protocol: () => thrown(resultOf('mugen', { is: 'too-long', bytes: 1 }).error),
  'time-limit': () => thrown(resultOf('mugen', { is: 'timed-out', seconds: 600, stdout: '', stderr: '' }).error),
  'no-controller': () => thrown(noController('pause')),
  'ledger-unreadable': (folder) => {
    writeFileSync(join(folder, 'ledger.db'), 'this is no ledger, whatever its name says'.repeat(50));
    return openReader(join(folder, 'ledger.db'));
  },
  'disk-full': () => thrown(toFleetError(systemError('ENOSPC', 'write'))),
  bug: () => thrown(toFleetError(new TypeError('x is not a function'))),
};

const clock = { now: Date.now, monotonic: () => performance.now(), sleep: async (ms: number) => delay(ms) };
const MUGEN = (() => {
  const address = { host: 'mugen', port: null, user: null, identity: null, knownHosts: null, jump: null, config: null };
  return {
    ...address,
    hostName: 'mugen',
    port: 22,
    user: 'ubuntu',
    alias: null,
    address: { ...address, client: 'auto' as const },
  };
})();

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, syscall, path: '/srv/fleet/inbox' });
}

function thrown(error: unknown): never {
  throw error;
}

function loadPlanText(cwd: string, text: string): Promise<unknown> {
  writeFileSync(join(cwd, 'plan.yaml'), text);
  return loadTasks({ paths: ['plan.yaml'], cwd, stdin: (async function* () {})() });
}

describe('the examples of docs/errors.md', () => {
  test.each(CODES)('of %s is what the product says, word for word', async (code) => {
    const folder = mkdtempSync(join(tmpdir(), 'errors-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const error = await Promise.resolve()
      .then(() => FAILING[code](folder))
      .catch((failure: unknown) => failure);
    const told = JSON.parse(JSON.stringify(error).replaceAll(folder, '/srv/fleet')) as Record<string, string>;
    const here = (text = '') => text.replace(`process ${process.pid} on ${hostname()},`, 'process 4711 on desk,');
    const { message, hint } = ERROR_CODES[code].example;
    expect({ ...told, message: here(told.message) }).toEqual({ code, message, hint });
  });
});

describe('what was thrown by somebody else', () => {
  test('is a bug, with its message and what to do', () => {
    expect(toFleetError(new TypeError('x is not a function'))).toMatchObject({
      code: 'bug',
      message: 'x is not a function',
      exit: 3,
    });
    expect(toFleetError(Object.assign(new Error('no'), { code: 'EACCES' }))).toMatchObject({ code: 'bug' }); // of no file
    expect(toFleetError('text').message).toBe('text');
    expect(toFleetError(undefined).hint).toContain('report');
  });

  test('is left as it is when it is ours', () => {
    const error = new FleetError('usage', 'no');
    expect(toFleetError(error)).toBe(error);
  });
});
