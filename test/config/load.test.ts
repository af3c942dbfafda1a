import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Kind } from '../../controller/agent/agent.ts';
import { annotatedExample } from '../../controller/config/example.ts';
import { loadFleet, readEnvironment, resolveSecrets } from '../../controller/config/load.ts';
import { place } from '../../controller/fleet/place.ts';
import { refusal, scratch } from './scratch.ts';

const HOME = { HOME: '/home/me' };

describe('a fleet is put together', () => {
  test('of this machine alone when there is no file', async () => {
    const cwd = await scratch();
    const fleet = await loadFleet({ env: HOME, cwd });
    expect(fleet).toMatchObject({
      name: 'fleet',
      file: null,
      stateFolder: '/home/me/.local/state/miyabi-fleet/fleet',
      nodes: [
        { name: 'here', via: { kind: 'local' }, vcpu: null, memoryGiB: null, maxAgents: null, cwd: null, labels: [] },
      ],
      tasks: { timeoutSeconds: 1800, retries: 2, cwd: null, silenceSeconds: 600, platformRetries: 5, env: {} },
      lostAfterSeconds: 600,
      restartsPerMinute: 30,
    });
    expect(fleet.agents).toEqual({
      count: 'auto',
      perVcpu: 1,
      memoryGiBEach: 1,
      memoryGiBMax: null,
      kind: 'codex',
      categories: [
        { name: 'coding', share: 35, kind: null, strict: false },
        { name: 'business', share: 25, kind: null, strict: false },
        { name: 'research', share: 20, kind: null, strict: false },
        { name: 'support', share: 20, kind: null, strict: false },
      ],
    });
    expect(fleet.kinds.map(({ name, tool, sandbox }) => [name, tool, sandbox])).toEqual([
      ['codex', 'codex', 'workspace-write'],
      ['claude', 'claude', null],
      ['command', 'command', null],
    ]);
    expect(new Set(Object.values(fleet.origins))).toEqual(new Set(['default']));
  });

  test('of the file in the current folder, with folders that begin at the file', async () => {
    const cwd = await scratch({
      'fleet.yaml': `name: miyabi
nodes: [{ name: here, local: true, vcpu: 4, memoryGiB: 7.5, maxAgents: 9, cwd: ~/repo, labels: [a] }]
agents: { count: 18, categories: { coding: 3, support: { share: 1, kind: lint, strict: true } } }
kinds:
  codex: { model: gpt-x, env: { OPENAI_API_KEY: { from: env, name: MY_KEY }, LANG: C } }
  lint: { tool: command, run: npm run lint, args: [-v], env: { T: { from: file, path: keys/t } } }
tasks: { timeout: 1h30m, cwd: work }
`,
    });
    const fleet = await loadFleet({ env: HOME, cwd });
    expect(fleet).toMatchObject({
      name: 'miyabi',
      file: join(cwd, 'fleet.yaml'),
      stateFolder: join(cwd, '.fleet'),
      nodes: [{ vcpu: 4, memoryGiB: 7.5, maxAgents: 9, cwd: '/home/me/repo', labels: ['a'] }],
      agents: {
        count: 18,
        categories: [
          { name: 'coding', share: 3, kind: null, strict: false },
          { name: 'support', share: 1, kind: 'lint', strict: true },
        ],
      },
      tasks: { timeoutSeconds: 5400, cwd: join(cwd, 'work') },
    });
    expect(fleet.kinds.find(({ name }) => name === 'codex')).toMatchObject({
      model: 'gpt-x',
      env: { LANG: 'C' },
      secrets: { OPENAI_API_KEY: { from: 'env', name: 'MY_KEY' } },
    });
    expect(fleet.kinds.find(({ name }) => name === 'lint')).toMatchObject({
      tool: 'command',
      run: 'npm run lint',
      args: ['-v'],
      secrets: { T: { from: 'file', path: join(cwd, 'keys/t') } },
    });
  });

  test('of machines over SSH, as they are written, with keys and lists of hosts that begin at the file', async () => {
    const cwd = await scratch({
      'fleet.yaml': `nodes:
  - { name: a, ssh: mugen, cwd: /srv/repo }
  - { name: b, ssh: "ubuntu@mugen.example:2222" }
  - { name: c, ssh: "me@[fe80::1%eth0]:22" }
  - { name: d, ssh: 10.0.0.7 }
  - { name: e, ssh: a@corp@無限 }
  - name: f
    ssh: { host: "2001:db8::1", port: 22, user: me, identity: ~/.ssh/k, knownHosts: keys/hosts, jump: "x@gate:2,[::1]:3", config: /etc/c, client: openssh }
  - { name: here, local: true, cwd: work }
kinds: { codex: { endpoint: "http://127.0.0.1:8080", tunnel: true } }
lostAfter: 2m
`,
    });
    const { nodes, kinds, lostAfterSeconds, origins } = await loadFleet({ env: HOME, cwd });
    const via = {
      kind: 'ssh',
      port: null,
      user: null,
      identity: null,
      knownHosts: null,
      jump: null,
      config: null,
      client: 'auto',
    };
    expect(nodes.map((node) => node.via)).toEqual([
      { ...via, host: 'mugen' },
      { ...via, host: 'mugen.example', user: 'ubuntu', port: 2222 },
      { ...via, host: 'fe80::1%eth0', user: 'me', port: 22 },
      { ...via, host: '10.0.0.7' },
      { ...via, host: '無限', user: 'a@corp' },
      {
        kind: 'ssh',
        host: '2001:db8::1',
        port: 22,
        user: 'me',
        identity: '/home/me/.ssh/k',
        knownHosts: join(cwd, 'keys/hosts'),
        jump: 'x@gate:2,[::1]:3',
        config: '/etc/c',
        client: 'openssh',
      },
      { kind: 'local' },
    ]);
    expect(nodes.map((node) => node.cwd)).toEqual(['/srv/repo', null, null, null, null, null, join(cwd, 'work')]);
    expect(kinds.map(({ tunnel }) => tunnel)).toEqual([true, false, false]);
    expect([lostAfterSeconds, origins.lostAfter]).toEqual([120, 'file']);
  });

  test('of the two machines of the example: 18 agents are 12 and 6', async () => {
    const file = join(import.meta.dirname, '../../examples/two-machines/fleet.yaml');
    const { nodes, agents } = await loadFleet({ file, env: HOME, cwd: '/' });
    expect(nodes.map(({ via }) => via)).toMatchObject([
      { kind: 'ssh', host: 'mugen.example', user: 'ubuntu' },
      { kind: 'ssh', host: 'majin', user: null },
    ]);
    const holders = nodes.map(({ name, vcpu, memoryGiB, maxAgents }) => ({
      name,
      vcpu: vcpu ?? 0,
      memoryGiB: memoryGiB ?? 0,
      maxAgents,
    }));
    expect(place(holders, agents, agents.count).counts).toMatchObject([
      { name: 'mugen', count: 12 },
      { name: 'majin', count: 6 },
    ]);
  });

  test('of what the annotated example has as comments, when they are no comments any more', async () => {
    const text = annotatedExample().replaceAll(/^ {2}# (?=- | {2}\S)/gm, '  ');
    const cwd = await scratch({ 'fleet.yaml': text });
    const { nodes } = await loadFleet({ env: HOME, cwd });
    expect(nodes.map(({ name, via }) => [name, via.kind])).toEqual([
      ['here', 'local'],
      ['mugen', 'ssh'],
      ['majin', 'ssh'],
    ]);
  });

  test('flags win over variables, these over the file, this over defaults, and each tells its origin', async () => {
    const cwd = await scratch({
      'fleet.yaml': 'name: file\nagents: { count: 1, kind: claude, perVcpu: 2 }\nrestartsPerMinute: 5\n',
    });
    const env = {
      ...HOME,
      FLEET_NAME: 'env',
      FLEET_AGENTS: '7',
      FLEET_KIND: 'command',
      FLEET_TIMEOUT: '',
      FLEET_CWD: 'sub',
    };
    const fleet = await loadFleet({ env, cwd, flags: { name: 'flag', agents: 'auto' } });
    expect(fleet.name).toBe('flag');
    expect(fleet.agents).toMatchObject({ count: 'auto', kind: 'command', perVcpu: 2, memoryGiBEach: 1 });
    expect(fleet.tasks).toMatchObject({ timeoutSeconds: 1800, cwd: join(cwd, 'sub') });
    expect(fleet.origins).toMatchObject({
      name: 'flag',
      'agents.count': 'flag',
      'agents.kind': 'environment',
      'agents.perVcpu': 'file',
      'agents.memoryGiBEach': 'default',
      'tasks.timeout': 'default',
      'tasks.cwd': 'environment',
    });
  });

  test('a folder said in the environment begins where it was said, not at the file', async () => {
    const cwd = await scratch();
    await mkdir(join(cwd, 'etc'));
    await writeFile(join(cwd, 'etc/f.yaml'), 'name: x\n');
    const fleet = await loadFleet({ file: 'etc/f.yaml', env: { FLEET_CWD: 'sub' }, cwd });
    expect(fleet).toMatchObject({ file: join(cwd, 'etc/f.yaml'), tasks: { cwd: join(cwd, 'sub') } });
  });

  test('a file named by a flag wins over one named by FLEET_FILE', async () => {
    const cwd = await scratch({ 'a.yaml': 'name: a\n', 'b.yaml': 'name: b\n', 'fleet.yaml': 'name: c\n' });
    const names = await Promise.all([
      loadFleet({ file: 'a.yaml', env: { FLEET_FILE: 'b.yaml' }, cwd }),
      loadFleet({ env: { FLEET_FILE: join(cwd, 'b.yaml') }, cwd }),
      loadFleet({ env: { FLEET_FILE: '' }, cwd }),
    ]);
    expect(names.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('the state folder follows --home, FLEET_HOME, the file, XDG_STATE_HOME when absolute, then the home folder', async () => {
    const cwd = await scratch({ 'fleet.yaml': 'name: x\n' });
    const bare = await scratch();
    const all = { HOME: '/h', XDG_STATE_HOME: '/x', FLEET_HOME: 'state' };
    const folders = await Promise.all([
      loadFleet({ env: all, cwd, flags: { home: 'mine' } }),
      loadFleet({ env: all, cwd }),
      loadFleet({ env: { HOME: '/h', XDG_STATE_HOME: '/x' }, cwd }),
      loadFleet({ env: { HOME: '/h', XDG_STATE_HOME: '/x', FLEET_NAME: 'n' }, cwd: bare }),
      loadFleet({ env: { HOME: '/h', XDG_STATE_HOME: 'x' }, cwd: bare }),
    ]);
    expect(folders.map(({ stateFolder }) => stateFolder)).toEqual([
      join(cwd, 'mine'),
      join(cwd, 'state'),
      join(cwd, '.fleet'),
      '/x/miyabi-fleet/n',
      '/h/.local/state/miyabi-fleet/fleet',
    ]);
  });

  test('anchors may be used, a little', async () => {
    const cwd = await scratch({
      'fleet.yaml': 'agents: { categories: { a: &one { share: 1, kind: claude }, b: *one } }\n',
    });
    const { agents } = await loadFleet({ env: {}, cwd });
    expect(agents.categories.map(({ name, kind }) => [name, kind])).toEqual([
      ['a', 'claude'],
      ['b', 'claude'],
    ]);
  });
});

describe('a fleet is refused', () => {
  test('by the name of the flag or variable that is wrong', async () => {
    const cwd = await scratch({ 'fleet.yaml': 'name: ok\nfoo: 1\n' });
    const env = { FLEET_AGENTS: 'lots', FLEET_TIMEOUT: 'soon', FLEET_KIND: 'codx' };
    const { code, lines } = await refusal(loadFleet({ env, cwd, flags: { name: 'a b', retries: '-1' } }));
    expect(code).toBe('config-invalid');
    expect(lines.sort()).toEqual([
      expect.stringMatching(/^--name name: expected 1 to 32 .* \(given: "a b"\)$/),
      '--retries tasks.retries: expected a whole number from 0 to 20 (given: -1)',
      'FLEET_AGENTS agents.count: expected a whole number from 1 to 10000, or auto (given: "lots")',
      expect.stringMatching(/^FLEET_KIND agents\.kind: expected a kind: .* did you mean codex\? \(given: "codx"\)$/),
      expect.stringMatching(/^FLEET_TIMEOUT tasks\.timeout: expected a duration .* \(given: "soon"\)$/),
      'fleet.yaml:2:1 foo: unknown key',
    ]);
  });

  test('when a named file is not there, is a folder, or may not be read', async () => {
    const cwd = await scratch();
    await mkdir(join(cwd, 'dir'));
    const said = async (file: string) => (await refusal(loadFleet({ file, env: {}, cwd }))).lines;
    expect(await said('no.yaml')).toEqual(['no.yaml: expected a fleet file (there is none)']);
    expect(await said('dir')).toEqual(['dir: expected a fleet file (it is a folder)']);
    expect(await said('/dev/zero')).toEqual(['/dev/zero:1:1: expected at most 262144 bytes']);
  });

  test('and a flag does not hide that the file has a list where its section belongs', async () => {
    const cwd = await scratch({ 'fleet.yaml': 'agents: [1]\n' });
    const { lines } = await refusal(loadFleet({ env: {}, cwd, flags: { agents: 3 } }));
    expect(lines).toEqual(['fleet.yaml:1:9 agents: expected a map (name: value) (given: a list)']);
  });
});

describe('secrets', () => {
  const kind = (secrets: Kind['secrets']): Kind => ({
    name: 'codex',
    tool: 'codex',
    model: null,
    sandbox: null,
    run: null,
    args: [],
    env: {},
    secrets,
    endpoint: null,
    tunnel: false,
    program: null,
  });

  test('a tool’s usual key is taken from the environment when it is there and nothing else is said', async () => {
    const cwd = await scratch({
      'fleet.yaml':
        'kinds: { quick: { tool: codex }, own: { tool: claude, env: { ANTHROPIC_API_KEY: { from: env, name: K } } } }\n',
    });
    const secretsOf = async (env: Record<string, string>) =>
      Object.fromEntries(
        (await loadFleet({ env, cwd })).kinds.map(({ name, secrets }) => [name, Object.values(secrets)]),
      );
    expect(await secretsOf({ OPENAI_API_KEY: 'k', ANTHROPIC_API_KEY: 'k', X: '' })).toEqual({
      codex: [{ from: 'env', name: 'OPENAI_API_KEY' }],
      quick: [{ from: 'env', name: 'OPENAI_API_KEY' }],
      claude: [{ from: 'env', name: 'ANTHROPIC_API_KEY' }],
      command: [],
      own: [{ from: 'env', name: 'K' }],
    });
  });

  test('an empty variable is no key', async () => {
    const { kinds } = await loadFleet({ env: { OPENAI_API_KEY: '' }, cwd: await scratch() });
    expect(kinds.map(({ secrets }) => secrets)).toEqual([{}, {}, {}]);
  });

  test('are read from the environment and from files, and do not print', async () => {
    const folder = await scratch({ key: 'sk-file\n' });
    await chmod(join(folder, 'key'), 0o600);
    const wanted = kind({ A: { from: 'env', name: 'B' }, C: { from: 'file', path: join(folder, 'key') } });
    const secrets = await resolveSecrets(wanted, { B: 'sk-env' });
    expect(Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [name, secret.reveal()]))).toEqual({
      A: 'sk-env',
      C: 'sk-file',
    });
    expect(JSON.stringify(secrets)).not.toContain('sk-');
  });

  test('are refused together when missing, empty, or readable by others', async () => {
    const folder = await scratch({ open: 'x', empty: '\n' });
    await chmod(join(folder, 'open'), 0o640);
    await chmod(join(folder, 'empty'), 0o400);
    const file = (name: string) => ({ from: 'file' as const, path: join(folder, name) });
    const wanted = kind({ A: { from: 'env', name: 'NO' }, B: file('open'), C: file('none'), D: file('empty') });
    expect(await refusal(resolveSecrets(wanted, { NO: '' }))).toEqual({
      code: 'config-invalid',
      lines: [
        'kinds codex.env.A: expected NO in the environment (it is not set)',
        `kinds codex.env.B: expected ${folder}/open to be its owner’s alone: chmod 600 (it is 0640)`,
        `kinds codex.env.C: expected the file ${folder}/none (there is none)`,
        `kinds codex.env.D: expected a secret in ${folder}/empty (it is empty)`,
      ],
    });
  });
});

test('the environment is read as it is set, and what is not set is not there', () => {
  expect(readEnvironment({ A: '1', B: undefined, C: '' })).toEqual({ A: '1', C: '' });
});
