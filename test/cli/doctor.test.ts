import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgePlacement, judgeTwins } from '../../controller/cli/commands/doctor/agents.ts';
import type { Entry, Finding } from '../../controller/cli/commands/doctor/finding.ts';
import { judgeSeen } from '../../controller/cli/commands/doctor/fleet.ts';
import { type Expectation, judgeNode, NODE_PROGRAMS } from '../../controller/cli/commands/doctor/node.ts';
import { judgeSilence } from '../../controller/cli/commands/doctor/reach.ts';
import type { Origin } from '../../controller/config/fleet.ts';
import { FleetError } from '../../controller/errors.ts';
import type { Placement } from '../../controller/fleet/place.ts';
import { readSurvey, type Survey, type ToolSight } from '../../controller/node/survey.ts';
import type { Outcome } from '../../controller/transport/outcome.ts';
import { readText } from '../support/sources.ts';

const NOW = 1_800_000_000_000;

function sight(seen: Partial<ToolSight>): ToolSight {
  return { program: 'codex', path: null, inert: null, shellPath: null, exit: null, said: '', ...seen };
}

const HEALTHY: Survey = {
  now: NOW,
  user: 'ubuntu',
  isRoot: false,
  uid: 1000,
  hasSudo: true,
  installer: 'apt-get',
  missing: [],
  tools: [sight({ path: '/usr/bin/codex', exit: 0, said: 'codex-cli 0.169.0' })],
  bash: '5.2.15(1)-release',
  tmux: 'tmux 3.3a',
  vcpu: 16,
  memoryKiB: 32 * 2 ** 20,
  availableKiB: 30 * 2 ** 20,
  disk: { freeBytes: 50 * 2 ** 30, freeInodes: 1_000_000, inodes: 2_000_000 },
  isWritable: true,
  home: { path: '/home/ubuntu', owner: 'ubuntu', mode: '755' },
  folder: null,
  processesMax: 100_000,
  filesMax: 1024,
  groupProcessesMax: 10_000,
  group: '/user.slice/user-1000.slice',
  place: 'boot 1-2',
  killsAtLogout: false,
  lingers: false,
  canHold: true,
  setup: { at: '2026-11-21T10:00:00Z', program: 'abc123', isReady: true, failed: [] },
  fleet: null,
};
const WANTED: Expectation = {
  tools: ['codex'],
  agents: 12,
  owner: 'ours m1',
  asked: NOW - 100,
  answered: NOW + 900,
  setup: 'abc123',
};
const KEPT = { owner: null, open: 0, attempts: 0, agents: 0, windows: 0, kib: 0 };

const ENTRY: Entry = { isHere: false, file: '/desk/fleet.yaml', path: 'nodes[1]', kinds: [], folder: null };

function judge(survey: Partial<Survey>, wanted: Partial<Expectation> = {}, entry: Partial<Entry> = {}): Finding[] {
  return judgeNode('mugen', { ...HEALTHY, ...survey }, { ...WANTED, ...wanted }, { ...ENTRY, ...entry });
}

const wrong = (findings: readonly Finding[]) => findings.filter(({ ok }) => !ok);

describe('a node that answered', () => {
  test('has nothing wrong when it is as it should be', () => {
    const findings = judge({});
    expect(wrong(findings)).toEqual([]);
    expect(findings.map(({ check }) => check.replace('node mugen: ', ''))).toEqual([
      'programs',
      'codex',
      'home',
      'disk',
      'memory',
      'clock',
      'owner',
      'limits',
      'logout',
      'memory of agents',
      'set-up',
    ]);
    expect(findings.filter(({ fix }) => fix !== null)).toEqual([]);
  });

  test.each([
    ['nobody set it up', null, true, 'not by fleet setup'],
    ['another version did', { program: 'def456' }, true, 'by another version'],
    ['a step of it failed', { failed: ['codex', 'swap'], isReady: false }, false, 'codex, swap failed at'],
    ['it never came to its end', { isReady: false }, false, 'did not come to its end at'],
  ])('says so where %s, and what to do', (_, over, ok, detail) => {
    const setup =
      over === null ? null : { at: '2026-11-21T10:00:00Z', program: 'abc123', isReady: true, failed: [], ...over };
    const finding = judge({ setup }).find(({ check }) => check === 'node mugen: set-up');
    expect(finding).toMatchObject({
      ok,
      detail: expect.stringContaining(detail),
      fix: expect.stringContaining('fleet setup mugen'),
    });
  });

  test.each<[string, Partial<Survey>, string, RegExp, RegExp]>([
    [
      'lacks a program',
      { missing: ['flock'] },
      'flock',
      /^missing$/,
      /^On mugen: `sudo apt-get update && sudo apt-get install -y util-linux`\.$/,
    ],
    [
      'has another way to install',
      { missing: ['awk'], installer: 'dnf' },
      'awk',
      /missing/,
      /`sudo dnf install -y mawk`/,
    ],
    [
      'has no way to install',
      { missing: ['tmux'], installer: null },
      'tmux',
      /missing/,
      /^On mugen: install the .* tmux\.$/,
    ],
    [
      'has no sudo',
      { missing: ['tmux'], hasSudo: false },
      'tmux',
      /missing/,
      /^On mugen, as root: `apt-get update && apt-get/,
    ],
    [
      'lacks the CLI of its agents',
      { tools: [sight({})] },
      'codex',
      /^missing/,
      /^On mugen: `sudo npm install -g @openai\/codex@latest`\. .* in \/desk\/fleet\.yaml: `kinds\.codex\.program: PATH`\.$/,
    ],
    [
      'lacks even npm',
      { tools: [sight({})], missing: ['npm'] },
      'codex',
      /^missing/,
      /apt-get install -y npm && sudo npm install/,
    ],
    [
      'has the CLI only where people find it',
      { tools: [sight({ shellPath: '/opt/bin/codex', exit: 0, said: 'codex-cli 0.169.0' })] },
      'codex',
      /^is at \/opt\/bin\/codex/,
      /^In \/desk\/fleet\.yaml: `kinds\.codex\.program: \/opt\/bin\/codex`\.$/,
    ],
    [
      'has the CLI as a file that is no program',
      { tools: [sight({ inert: '/usr/bin/codex' })] },
      'codex',
      /may not be run/,
      /^On mugen: `sudo chmod a\+rx \/usr\/bin\/codex`\.$/,
    ],
    [
      'has a CLI that is too old',
      { tools: [sight({ path: '/usr/bin/codex', exit: 0, said: 'codex-cli 0.21.0' })] },
      'codex',
      /0\.21\.0, 0\.44 or newer/,
      /npm install -g @openai/,
    ],
    [
      'has a CLI that breaks',
      { tools: [sight({ path: '/usr/bin/codex', exit: 127, said: 'env: node: No such file' })] },
      'codex',
      /does not run: env: node: No such file \(exit 127\)/,
      /npm install -g @openai/,
    ],
    ['has an old bash', { bash: '3.2.57(1)-release' }, 'bash', /3\.2\.57.*4\.0 or newer/, /install -y bash/],
    ['has an old tmux', { tmux: 'tmux 2.9a' }, 'tmux', /2\.9a.*3\.0 or newer/, /install -y tmux/],
    [
      'has a home that is another’s',
      { isWritable: false, home: { path: '/home/u b', owner: 'root', mode: '755' } },
      'home',
      /belongs to root/,
      /^On mugen: `sudo chown ubuntu '\/home\/u b'`\.$/,
    ],
    [
      'has a home that may not be written',
      { isWritable: false, home: { path: '/home/ubuntu', owner: 'ubuntu', mode: '555' } },
      'home',
      /mode 555/,
      /`chmod u\+rwx \/home\/ubuntu`/,
    ],
    ['has a home that is read-only', { isWritable: false }, 'home', /disk that is read-only/, /remount,rw/],
    [
      'has no home at all',
      { isWritable: false, home: { path: '/home/ubuntu', owner: '-', mode: '-' } },
      'home',
      /is not there/,
      /install -d -o ubuntu \/home\/ubuntu/,
    ],
    [
      'has a full disk',
      { disk: { freeBytes: 2 ** 29, freeInodes: 1e6, inodes: 2e6 } },
      'disk',
      /^0\.5 GiB free/,
      /1 GiB.*`sudo du -xah \/home\/ubuntu/,
    ],
    [
      'has no inodes left',
      { disk: { freeBytes: 2 ** 40, freeInodes: 9, inodes: 2e6 } },
      'inodes',
      /only 9 more files/,
      /^Remove.*--inodes/,
    ],
    ['has no memory left', { availableKiB: 1000 }, 'memory', /0\.0 GiB of 32\.0 GiB/, /`nodes\[1\]\.maxAgents: 1`/],
    ['has a clock that is ahead', { now: NOW + 10_000 }, 'clock', /^9 s ahead of/, /`sudo timedatectl set-ntp true`/],
    ['has a clock that is behind', { now: NOW - 3_600_000 }, 'clock', /^3599 s behind/, /set-ntp/],
    [
      'is another ledger’s',
      { fleet: { ...KEPT, owner: 'theirs m1' } },
      'owner',
      /another ledger \(theirs\)/,
      /`fleet start --take-over`/,
    ],
    [
      'is that of a copy of this ledger',
      { fleet: { ...KEPT, owner: 'ours m2' } },
      'owner',
      /a copy of this ledger/,
      /--take-over/,
    ],
    [
      'allows few processes',
      { processesMax: 599 },
      'limits',
      /599 processes of the user, 600 needed for 12 agents/,
      /^On mugen: `echo 'ubuntu - nproc 2400' \| sudo tee \/etc\/security\/limits\.d\/.*`; .*`nodes\[1\]\.maxAgents: 11`\.$/,
    ],
    [
      'allows few open files',
      { filesMax: 64 },
      'limits',
      /64 open files/,
      /^On mugen: `echo 'ubuntu - nofile 1024' [^;]*$/,
    ],
    [
      'is in a small control group',
      { groupProcessesMax: 512 },
      'limits',
      /512 processes of its control/,
      /`sudo systemctl set-property user-1000\.slice TasksMax=infinity`/,
    ],
    [
      'is in a small container',
      { groupProcessesMax: 512, group: '/docker/x' },
      'limits',
      /512 processes of its control/,
      /\/docker\/x, or the limit of processes of its container/,
    ],
    [
      'kills at log-out',
      { killsAtLogout: true, fleet: KEPT },
      'logout',
      /does not linger/,
      /`sudo loginctl enable-linger ubuntu`/,
    ],
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
    ['its CLI is slow to say its version', { tools: [sight({ path: '/usr/bin/codex', exit: 124 })] }],
    ['it says little', { now: null, disk: null, memoryKiB: null, availableKiB: null, groupProcessesMax: null }],
  ])('is not blamed where %s', (_, survey) => {
    expect(wrong(judge(survey))).toEqual([]);
  });

  test.each<[Survey['folder'], boolean, RegExp, RegExp | null]>([
    ['ready', true, /^\/srv\/a b$/, null],
    ['absent', false, /is not there/, /^On mugen: `sudo install -d -o ubuntu '\/srv\/a b'`\.$/],
    ['no-folder', false, /is no folder/, /`cwd`/],
    ['closed', false, /may not be entered/, /`sudo chown ubuntu '\/srv\/a b'`/],
    ['read-only', true, /not written/, /`sudo chown ubuntu '\/srv\/a b'`/],
  ])('whose work folder is %s is told so', (folder, ok, detail, fix) => {
    const found = judge({ folder }, {}, { folder: '/srv/a b' }).filter(({ check }) => check === 'node mugen: cwd');
    expect(found).toEqual([
      {
        check: 'node mugen: cwd',
        ok,
        detail: expect.stringMatching(detail),
        fix: fix === null ? null : expect.stringMatching(fix),
      },
    ]);
  });

  test('that asks itself is told to do it here', () => {
    expect(wrong(judge({ missing: ['tmux'] }, {}, { isHere: true }))[0]?.fix).toMatch(/^Here: `sudo apt-get/);
    expect(wrong(judge({ missing: ['tmux'], isRoot: true }, {}, { isHere: true }))[0]?.fix).toMatch(/^Here: `apt-get/);
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

describe('a node that did not answer', () => {
  const failure = new FleetError('unreachable', 'mugen refuses connections', { hint: 'Start its sshd.' });
  test.each<[string, Outcome, RegExp, RegExp]>([
    ['cannot be reached', { is: 'unreachable', failure }, /^mugen refuses connections$/, /^Start its sshd\.$/],
    ['hangs', { is: 'timed-out', seconds: 60, stdout: '', stderr: '' }, /within 60 s/, /`uptime`/],
    ['was left alone', { is: 'cancelled' }, /not asked to the end/, /`fleet doctor`/],
    ['floods', { is: 'too-long', bytes: 99 }, /99 bytes of something else/, /`fleet exec mugen -- true`/],
    [
      'is something else',
      { is: 'exited', code: 1, signal: null, stdout: '', stderr: 'what?\u001b[2J\n' },
      /exit 1, what\?\uFFFD\[2J$/,
      /`fleet exec mugen -- true`/,
    ],
  ])('because it %s is told so, with what to do', (_, outcome, detail, fix) => {
    expect(judgeSilence('mugen', outcome)).toEqual({
      check: 'node mugen: reach',
      ok: false,
      detail: expect.stringMatching(detail),
      fix: expect.stringMatching(fix),
    });
  });
});

describe('the programs that are asked for', () => {
  test('are all that the node program refuses to go without', () => {
    const needed = /^NEEDED='(.*)'$/m.exec(readText('bootstrap/node/greeting.sh'))?.[1]?.split(' ') ?? [];
    expect(needed.length).toBeGreaterThan(10);
    expect(needed.filter((program) => program !== 'sh' && !(program in NODE_PROGRAMS))).toEqual([]);
  });
});

describe('what all nodes together show', () => {
  const AGENTS = { count: 30, perVcpu: 1, memoryGiBEach: 1, memoryGiBMax: null, kind: 'codex', categories: [] };
  const FULL: Placement = {
    counts: [
      { name: 'mugen', count: 16, cap: 16, limit: 'vcpu' },
      { name: 'majin', count: 8, cap: 8, limit: 'memory' },
    ],
    unplaced: 6,
  };
  const judgeFull = (origin: Origin, placement = FULL) =>
    judgePlacement({ agents: AGENTS, file: '/desk/fleet.yaml', origins: { 'agents.count': origin } }, placement);

  test('is that agents fit nowhere, with the limit of each node and the number that fits', () => {
    expect(judgeFull('file')).toEqual([
      {
        check: 'placement',
        ok: false,
        detail: '6 agents of 30 fit nowhere: mugen holds 16 (agents.perVcpu), majin holds 8 (agents.memoryGiBEach)',
        fix: expect.stringMatching(/^In \/desk\/fleet\.yaml: `agents\.count: 24`; or add a node, or raise/),
      },
    ]);
    expect(judgeFull('flag')[0]?.fix).toMatch(/`--agents 24`/);
    expect(judgeFull('environment')[0]?.fix).toMatch(/^Here: `export FLEET_AGENTS=24`/);
    expect(judgeFull('file', { ...FULL, unplaced: 0 })).toMatchObject([{ ok: true, detail: '24 agents on 2 nodes' }]);
    expect(judgeFull('file', { counts: [], unplaced: 30 })).toEqual([]);
    const none = { ...FULL, counts: FULL.counts.map((each) => ({ ...each, count: 0, cap: 0 })), unplaced: 30 };
    expect(judgeFull('file', none)[0]?.fix).toMatch(/^Add a node, or raise what limits: agents\.perVcpu is 1/);
  });

  test('is that two of them are one machine', () => {
    const of = (name: string, place: string | null) => ({ name, survey: { ...HEALTHY, place } });
    const nodes = [of('mugen', 'a 1'), of('majin', 'b 1'), of('mugen2', 'a 1'), of('x', null), of('y', null)];
    expect(judgeTwins(nodes, '/desk/fleet.yaml')).toMatchObject([
      { check: 'node mugen2: twin', ok: false, detail: expect.stringMatching(/^mugen and mugen2 are/) },
    ]);
  });
});

const ANSWER = [
  'Welcome! You have mail.',
  'fleet-survey now 1800000000',
  'fleet-survey user 1000 ubuntu',
  'fleet-survey missing jq',
  'fleet-survey missing my tools/codex',
  'fleet-survey sudo',
  'fleet-survey installer apt-get',
  'fleet-survey home ubuntu 755 /home/a home',
  'fleet-survey place boot 1-2',
  'fleet-survey bash 5.2.15(1)-release',
  'fleet-survey tmux tmux 3.3a',
  'fleet-survey vcpu 16',
  'fleet-survey MemTotal: 33554432',
  'fleet-survey MemAvailable: 31457280',
  'fleet-survey disk 13107200 4096 1000000 2000000',
  'fleet-survey writable',
  'fleet-survey limits unlimited 1024',
  'fleet-survey group max /a',
  'fleet-survey group 4096 /b c',
  'fleet-survey group 10000 /d',
  'fleet-survey logind KillUserProcesses=no',
  'fleet-survey logind Linger=yes',
  'fleet-survey held',
  'fleet-survey setup 2026-11-20T10:00:00Z 0123456789ab false',
  'fleet-survey unset codex',
  'fleet-survey kept 2 40 12 12 51200',
  'fleet-survey owner abc def',
  'fleet-survey tool 1 inert /opt/a b/claude',
  'fleet-survey tool 0 path /usr/bin/codex',
  'fleet-survey tool 0 exit 0 codex-cli 0.169.0',
  'fleet-survey folder absent',
  'fleet-survey end',
  '',
].join('\n');

describe('the answer of a node', () => {
  test('is read, whatever the login prints around it', () => {
    expect(readSurvey(ANSWER, { tools: ['codex', '/opt/a b/claude'] })).toEqual({
      now: NOW,
      user: 'ubuntu',
      isRoot: false,
      uid: 1000,
      hasSudo: true,
      installer: 'apt-get',
      missing: ['jq', 'my tools/codex'],
      tools: [
        sight({ path: '/usr/bin/codex', exit: 0, said: 'codex-cli 0.169.0' }),
        sight({ program: '/opt/a b/claude', inert: '/opt/a b/claude' }),
      ],
      bash: '5.2.15(1)-release',
      tmux: 'tmux 3.3a',
      vcpu: 16,
      memoryKiB: 33_554_432,
      availableKiB: 31_457_280,
      disk: { freeBytes: 13_107_200 * 4096, freeInodes: 1_000_000, inodes: 2_000_000 },
      isWritable: true,
      home: { path: '/home/a home', owner: 'ubuntu', mode: '755' },
      folder: 'absent',
      processesMax: null,
      filesMax: 1024,
      groupProcessesMax: 4096,
      group: '/b c',
      place: 'boot 1-2',
      killsAtLogout: false,
      lingers: true,
      canHold: true,
      setup: { at: '2026-11-20T10:00:00Z', program: '0123456789ab', isReady: false, failed: ['codex'] },
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
      'tool ',
      'exit ',
      '0 ',
      'home ',
      'end',
      '\n',
      '9'.repeat(19),
      '-1',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 40 }), (parts) => {
        const survey = readSurvey(`${parts.join('')}\nfleet-survey end\n`, { tools: ['codex'] });
        expect(survey).toBeDefined();
        if (survey) judgeNode('x', survey, WANTED);
      }),
    );
  });
});
