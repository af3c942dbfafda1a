import { describe, expect, test } from 'vitest';
import { restartNotes } from '../../controller/cli/commands/preview.ts';
import { summaryText } from '../../controller/cli/follow.ts';
import { agentNumber, agentWords, spans } from '../../controller/cli/naming.ts';
import { flatten, originText, spellPath } from '../../controller/cli/origin.ts';
import { reportText, statusText } from '../../controller/cli/report.ts';
import { counted } from '../../controller/cli/words.ts';
import { loadFleet } from '../../controller/config/load.ts';
import { readYaml } from '../../controller/config/position.ts';
import type { Results } from '../../controller/operations/results.ts';
import type { Status } from '../../controller/operations/status.ts';
import { scratch } from '../config/scratch.ts';

const TASKS: Status['tasks'] = { queued: 0, blocked: 0, running: 0, parked: 0, completed: 0, failed: 0, cancelled: 0 };
const WIDE = { columns: 200 } as Parameters<typeof statusText>[0];

describe('a count', () => {
  test('says one of one thing, and several of others', () => {
    expect([0, 1, 2].map((count) => counted(count, 'task'))).toEqual(['0 tasks', '1 task', '2 tasks']);
    expect(counted(1, 'agent fits', 'agents fit')).toBe('1 agent fits');
  });

  test('of progress is of what is followed, and nothing is no count', () => {
    expect(summaryText(TASKS, 0, 3)).toBe('no task yet · 3.0 s');
    expect(summaryText(TASKS, 4, 3)).toBe('0/4 done · 3.0 s'); // handed in, not taken in yet
    expect(summaryText({ ...TASKS, completed: 3, running: 1 }, 4, 61)).toBe('3/4 done · 1 running · 1 m 01 s');
  });

  test('of a report is right for one of everything, and no open task is told as that', () => {
    const usage = { responses: 1, inputTokens: 1, cachedTokens: 0, outputTokens: 0 };
    const tasks = { total: 1, completed: 1, failed: 0, cancelled: 0, parked: 0 };
    const results = {
      version: 1,
      tasks,
      seconds: 1,
      agents: 1,
      efficiency: 1,
      usage,
      results: [],
    } as unknown as Results;
    expect(reportText(WIDE, results)).toContain(
      'by 1 agent, efficiency 100 %\n1 token: 1 in (0 of them cached), 0 out, 1 response',
    );
    expect(reportText(WIDE, { ...results, tasks: { ...tasks, total: 0 } })).toMatch(/^No task was open/);
  });
});

describe('the status', () => {
  const status = (nodeState: string, agentState: string): Status =>
    ({
      version: 1,
      fleet: 'miyabi',
      state: 'RUNNING',
      now: '',
      nodes: [{ name: 'mugen', state: nodeState, agents: { busy: 0, assigned: 1, cap: 1 }, evidence: 'e' }],
      agents: [
        { number: 1, node: 'mugen', kind: 'codex', state: agentState, evidence: 'e', category: null, task: null },
      ],
      unplaced: 1,
      tasks: TASKS,
      intentsWaiting: 1,
      controller: null,
    }) as unknown as Status;

  test('explains degraded and unknown where it shows them, and nothing else', () => {
    expect(statusText(WIDE, status('degraded', 'idle'))).toMatch(/\n\ndegraded: several connections in a row failed/);
    expect(statusText(WIDE, status('up', 'unknown'))).toMatch(/\n\nunknown: nobody hears of it now/);
    expect(statusText(WIDE, status('up', 'idle'))).not.toMatch(/^(unknown|degraded): /m);
  });

  test('counts one as one', () => {
    const text = statusText(WIDE, status('up', 'idle'));
    expect(text).toContain('1 intent waits');
    expect(text).toContain('1 agent fits nowhere');
  });
});

describe('an agent', () => {
  test.each([
    ['7', 7],
    ['007', 7],
    ['miyabi-007', 7],
    ['miyabi-7', 7],
    ['miyabi', undefined],
    ['other-007', undefined],
    ['miyabi-', undefined],
    ['3-9', undefined],
    ['', undefined],
    ['1234567', undefined],
  ])('called %j is %s', (word, number) => {
    expect(agentNumber(word, 'miyabi')).toBe(number);
  });

  test('may be chosen by the name of its window, among other ways', () => {
    expect(agentWords(['miyabi-007,3-9', 'node:mugen', '01'], 'miyabi')).toEqual(['7,3-9', 'node:mugen', '1']);
  });

  test('and others beside it are told in few words', () => {
    expect(spans([7, 1, 2, 3, 9, 10])).toBe('1-3, 7, 9-10');
    expect(spans([])).toBe('');
  });
});

describe('a restart', () => {
  const agent = (number: number, node: string, task: string | null) => ({ number, node, task });
  const node = (name: string, state: 'up' | 'unknown') => ({ name, state, evidence: 'silent for 20 s' });

  test('says that it waits where a node is not heard, and has nothing to do where nothing runs', () => {
    const agents = [agent(1, 'up', 'a'), agent(2, 'off', 'b'), agent(3, 'off', 'c'), agent(4, 'up', null)];
    expect(restartNotes(agents, [node('up', 'up'), node('off', 'unknown')])).toEqual([
      '  agent 4 has no task: nothing there is to be begun again',
      '  agent 2-3 waits: off is unknown (silent for 20 s); what runs there is ended when it is heard again',
    ]);
    expect(restartNotes([agent(1, 'up', 'a')], [node('up', 'up')])).toEqual([]);
  });
});

describe('the origin of a value', () => {
  const FILE = `name: miyabi
nodes:
  - name: a
    ssh: u@b:22
    vcpu: 3
  - { name: c, ssh: { host: d, port: 3 } }
  - name: e
    local: true
agents:
  count: 3
  categories:
    coding: 3
    support: { share: 1,
      strict: true }
kinds:
  codex:
    env: { A: b }
tasks:
  timeout: 5m
lostAfter: 3m
`;

  async function origins(env: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> {
    const cwd = await scratch({ 'fleet.yaml': FILE });
    const fleet = await loadFleet({ env: { HOME: '/home/me', ...env }, cwd });
    const yaml = readYaml('fleet.yaml', FILE);
    if (yaml.is !== 'read') throw new Error('not read');
    const setting = { fleet, source: yaml.value, naming: 'default, in this folder' };
    const all = flatten(fleet).map(([path, value]) => [spellPath(path), originText(setting, path, value)] as const);
    return Object.fromEntries(all);
  }

  test('is its line of the fleet file, where that says it', async () => {
    expect(await origins()).toMatchObject({
      name: 'fleet.yaml:1',
      'nodes[0].via.kind': 'fleet.yaml:4',
      'nodes[0].via.user': 'fleet.yaml:4',
      'nodes[0].vcpu': 'fleet.yaml:5',
      'nodes[1].via.port': 'fleet.yaml:6',
      'nodes[2].via.kind': 'fleet.yaml:8',
      'agents.count': 'fleet.yaml:10',
      'agents.categories[0].share': 'fleet.yaml:12',
      'agents.categories[1].strict': 'fleet.yaml:14',
      'kinds[0].env.A': 'fleet.yaml:17',
      'tasks.timeoutSeconds': 'fleet.yaml:19',
      lostAfterSeconds: 'fleet.yaml:20',
    });
  });

  test('is the default where it does not, also beside what it says', async () => {
    const found = await origins();
    for (const path of [
      'nodes[0].via.client',
      'nodes[0].via.identity',
      'nodes[0].maxAgents',
      'nodes[1].via.user',
      'agents.perVcpu',
      'agents.categories[0].strict',
      'kinds[0].tool',
      'kinds[2].name',
      'tasks.retries',
      'restartsPerMinute',
    ])
      expect([path, found[path]]).toEqual([path, 'default']);
    expect(found.stateFolder).toBe('default, beside the fleet file');
    expect(found.file).toBe('default, in this folder');
  });

  test('is the variable that wins over both, by its name', async () => {
    const found = await origins({ FLEET_AGENTS: '5', OPENAI_API_KEY: 'x', FLEET_HOME: '/s' });
    expect(found['agents.count']).toBe('FLEET_AGENTS');
    expect(found.stateFolder).toBe('FLEET_HOME');
    expect(found['kinds[0].secrets.OPENAI_API_KEY.from']).toBe('default, as OPENAI_API_KEY is set');
  });
});
