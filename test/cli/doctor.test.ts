import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Finding } from '../../controller/cli/commands/doctor/finding.ts';
import { judgeSeen } from '../../controller/cli/commands/doctor/fleet.ts';
import { type Expectation, judgeNode } from '../../controller/cli/commands/doctor/node.ts';
import { readSurvey, type Survey } from '../../controller/node/survey.ts';

const NOW = 1_800_000_000_000;
const HEALTHY: Survey = {
  now: NOW,
  user: 'ubuntu',
  isRoot: false,
  missing: [],
  bash: '5.2.15(1)-release',
  tmux: 'tmux 3.3a',
  vcpu: 16,
  memoryKiB: 32 * 2 ** 20,
  availableKiB: 30 * 2 ** 20,
  disk: { freeBytes: 50 * 2 ** 30, freeInodes: 1_000_000, inodes: 2_000_000 },
  isWritable: true,
  processesMax: 100_000,
  filesMax: 1024,
  groupProcessesMax: 10_000,
  killsAtLogout: false,
  lingers: false,
  fleet: null,
};
const WANTED: Expectation = { tools: ['codex'], agents: 12, owner: 'ours m1', asked: NOW - 100, answered: NOW + 900 };
const KEPT = { owner: null, open: 0, attempts: 0, agents: 0, windows: 0, kib: 0 };

function judge(survey: Partial<Survey>, wanted: Partial<Expectation> = {}): Finding[] {
  return judgeNode('mugen', { ...HEALTHY, ...survey }, { ...WANTED, ...wanted });
}

const wrong = (findings: readonly Finding[]) => findings.filter(({ ok }) => !ok);

describe('a node that answered', () => {
  test('has nothing wrong when it is as it should be', () => {
    const findings = judge({});
    expect(wrong(findings)).toEqual([]);
    expect(findings.map(({ check }) => check.replace('node mugen: ', ''))).toEqual([
      'programs',
      'home',
      'disk',
      'memory',
      'clock',
      'owner',
      'limits',
      'logout',
    ]);
    expect(findings.filter(({ fix }) => fix !== null)).toEqual([]);
  });

  test.each<[string, Partial<Survey>, string, RegExp, RegExp]>([
    ['lacks a program', { missing: ['flock'] }, 'flock', /^missing$/, /apt-get install util-linux/],
    [
      'lacks the CLI of its agents',
      { missing: ['codex'] },
      'codex',
      /^missing$/,
      /@openai\/codex.*kinds\.NAME\.program/,
    ],
    ['has an old bash', { bash: '3.2.57(1)-release' }, 'bash', /3\.2\.57/, /4\.0 or newer/],
    ['has an old tmux', { tmux: 'tmux 2.9a' }, 'tmux', /2\.9a/, /3\.0 or newer/],
    [
      'has a home that is read-only',
      { isWritable: false },
      'home',
      /not be written by ubuntu/,
      /home folder of its own/,
    ],
    [
      'has a full disk',
      { disk: { freeBytes: 2 ** 29, freeInodes: 1e6, inodes: 2e6 } },
      'disk',
      /^0\.5 GiB free/,
      /1 GiB/,
    ],
    [
      'has no inodes left',
      { disk: { freeBytes: 2 ** 40, freeInodes: 9, inodes: 2e6 } },
      'inodes',
      /only 9 more files/,
      /Remove/,
    ],
    ['has no memory left', { availableKiB: 1000 }, 'memory', /0\.0 GiB of 32\.0 GiB/, /maxAgents/],
    ['has a clock that is ahead', { now: NOW + 10_000 }, 'clock', /^9 s ahead of/, /NTP/],
    ['has a clock that is behind', { now: NOW - 3_600_000 }, 'clock', /^3599 s behind/, /NTP/],
    [
      'is another ledger’s',
      { fleet: { ...KEPT, owner: 'theirs m1' } },
      'owner',
      /another ledger \(theirs\)/,
      /--take-over/,
    ],
    [
      'is that of a copy of this ledger',
      { fleet: { ...KEPT, owner: 'ours m2' } },
      'owner',
      /a copy of this ledger/,
      /--take-over/,
    ],
    ['allows few processes', { processesMax: 599 }, 'limits', /599 processes of the user, 600 needed for 12/, /nproc/],
    ['allows few open files', { filesMax: 64 }, 'limits', /64 open files/, /nofile/],
    ['is in a small control group', { groupProcessesMax: 512 }, 'limits', /512 processes of its control/, /TasksMax/],
    ['kills at log-out', { killsAtLogout: true, fleet: KEPT }, 'logout', /does not linger/, /enable-linger ubuntu/],
  ])('and %s is told so, with what to do', (_, survey, check, detail, fix) => {
    expect(wrong(judge(survey))).toEqual([
      {
        check: `node mugen: ${check}`,
        ok: false,
        detail: expect.stringMatching(detail),
        fix: expect.stringMatching(fix),
      },
    ]);
  });

  test.each<[string, Partial<Survey>]>([
    ['this fleet owns it', { fleet: { ...KEPT, owner: 'ours m1' } }],
    ['jq is missing', { missing: ['jq'] }],
    ['its tmux is of no usual version', { tmux: 'tmux master' }],
    ['its file system makes inodes as they are needed', { disk: { freeBytes: 2 ** 40, freeInodes: 0, inodes: 0 } }],
    ['root is spared at log-out', { killsAtLogout: true, isRoot: true, fleet: KEPT }],
    ['its user lingers', { killsAtLogout: true, lingers: true, fleet: KEPT }],
    ['lingering may yet be turned on by the first greeting', { killsAtLogout: true }],
    ['there is no systemd and no limit', { killsAtLogout: null, lingers: null, processesMax: null, filesMax: null }],
    ['its clock is 5 s off', { now: NOW + 5900 }],
    ['it says little', { now: null, disk: null, memoryKiB: null, availableKiB: null, groupProcessesMax: null }],
  ])('is not blamed where %s', (_, survey) => {
    expect(wrong(judge(survey))).toEqual([]);
  });

  test('is not blamed for the time that an answer takes', () => {
    const slow = { asked: NOW - 20_000, answered: NOW + 20_000 };
    expect(wrong(judge({}, slow))).toEqual([]);
    expect(wrong(judge({ now: NOW + 26_000 }, slow))).toHaveLength(1);
  });
});

describe('what the controller sees', () => {
  const node = (name: string, state: 'up' | 'degraded' | 'unknown') => ({
    name,
    state,
    via: 'ssh',
    vcpu: 8,
    agents: { cap: 8, assigned: 6, busy: 0 },
    evidence: 'handshake timed out',
    lastSeen: '2027-01-15T08:00:00.000Z',
  });
  const agent = (number: number, state: 'idle' | 'gone' | 'unknown') => ({
    number,
    node: 'mugen',
    category: null,
    kind: 'codex',
    state,
    task: null,
    since: '2027-01-15T08:00:00.000Z',
    evidence: 'no window',
  });

  test('is well when every node is up and every agent answers', () => {
    expect(judgeSeen({ nodes: [node('mugen', 'up')], agents: [agent(1, 'idle')] })).toEqual([
      { check: 'agents', ok: true, detail: '1 of 1 answer', fix: null },
    ]);
    expect(judgeSeen({ nodes: [], agents: [] })).toEqual([]);
  });

  test('is told with its evidence when it is not', () => {
    const agents = [agent(1, 'idle'), ...Array.from({ length: 12 }, (_, index) => agent(index + 2, 'gone'))];
    const [first, second] = wrong(judgeSeen({ nodes: [node('majin', 'degraded')], agents }));
    expect(first).toMatchObject({
      check: 'node majin: connection',
      detail: 'degraded to the controller: handshake timed out, last seen 2027-01-15T08:00:00.000Z',
    });
    expect(second?.detail).toMatch(/^1 of 13 answer: 2 gone \(no window\), .*, and 2 more$/);
  });
});

const ANSWER = [
  'Welcome! You have mail.',
  'fleet-survey now 1800000000',
  'fleet-survey user 1000 ubuntu',
  'fleet-survey missing jq',
  'fleet-survey missing my tools/codex',
  'fleet-survey bash 5.2.15(1)-release',
  'fleet-survey tmux tmux 3.3a',
  'fleet-survey vcpu 16',
  'fleet-survey MemTotal: 33554432',
  'fleet-survey MemAvailable: 31457280',
  'fleet-survey disk 13107200 4096 1000000 2000000',
  'fleet-survey writable',
  'fleet-survey limits unlimited 1024',
  'fleet-survey group max',
  'fleet-survey group 4096',
  'fleet-survey group 10000',
  'fleet-survey logind KillUserProcesses=no',
  'fleet-survey logind Linger=yes',
  'fleet-survey kept 2 40 12 12 51200',
  'fleet-survey owner abc def',
  'fleet-survey end',
  '',
].join('\n');

describe('the answer of a node', () => {
  test('is read, whatever the login prints around it', () => {
    expect(readSurvey(ANSWER)).toEqual({
      now: NOW,
      user: 'ubuntu',
      isRoot: false,
      missing: ['jq', 'my tools/codex'],
      bash: '5.2.15(1)-release',
      tmux: 'tmux 3.3a',
      vcpu: 16,
      memoryKiB: 33_554_432,
      availableKiB: 31_457_280,
      disk: { freeBytes: 13_107_200 * 4096, freeInodes: 1_000_000, inodes: 2_000_000 },
      isWritable: true,
      processesMax: null,
      filesMax: 1024,
      groupProcessesMax: 4096,
      killsAtLogout: false,
      lingers: true,
      fleet: { owner: 'abc def', open: 2, attempts: 40, agents: 12, windows: 12, kib: 51_200 },
    });
  });

  test('is none when it was cut anywhere, or is something else', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: ANSWER.length - 5 }), (length) => {
        expect(readSurvey(ANSWER.slice(0, length))).toBeUndefined();
      }),
    );
    expect(readSurvey('This account is not available.\n')).toBeUndefined();
  });

  test('holds nothing that a terminal would obey, and nothing long', () => {
    const survey = readSurvey(`fleet-survey tmux \u001b[2J\u202e${'x'.repeat(5000)}\nfleet-survey end\n`);
    expect(survey?.tmux).toMatch(/^\uFFFD\[2J\uFFFDx+$/);
    expect(survey?.tmux.length).toBeLessThanOrEqual(200);
  });

  test('may be anything at all without an exception', () => {
    const word = fc.constantFrom(
      'fleet-survey ',
      'now ',
      'disk ',
      'kept ',
      'limits ',
      'group ',
      'end',
      '\n',
      '9'.repeat(19),
      '-1',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 40 }), (parts) => {
        const survey = readSurvey(`${parts.join('')}\nfleet-survey end\n`);
        expect(survey).toBeDefined();
        if (survey) judgeNode('x', survey, WANTED);
      }),
    );
  });
});
