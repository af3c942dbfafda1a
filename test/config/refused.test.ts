import { describe, expect, test } from 'vitest';
import { loadFleet } from '../../controller/config/load.ts';
import { refusal, scratch } from './scratch.ts';

/** A bad fleet file and everything that is said about it, without the name of the file. */
interface Bad {
  why: string;
  text: string | Uint8Array;
  said: string[];
}

const KINDS = 'codex, claude, command';

const MEANING: Bad[] = [
  {
    why: 'a name that tmux cannot have',
    text: 'name: 9lives\n',
    said: [
      '1:7 name: expected 1 to 32 of A-Z a-z 0-9 - beginning with a letter, as it names tmux sessions and folders (given: "9lives")',
    ],
  },
  {
    why: 'an unknown key near a known one',
    text: 'name: a\nagnets:\n  count: 3\n',
    said: ['2:1 agnets: unknown key; did you mean agents?'],
  },
  { why: 'an unknown key like no other', text: 'colour: red\n', said: ['1:1 colour: unknown key'] },
  {
    why: 'a long key with two slips',
    text: 'restartPerMinutes: 3\n',
    said: ['1:1 restartPerMinutes: unknown key; did you mean restartsPerMinute?'],
  },
  {
    why: 'a bad value that two places share',
    text: 'agents:\n  categories:\n    a: &one { share: 0 }\n    b: *one\n',
    said: [
      '3:22 agents.categories.a.share: expected a number above 0, at most 1000000 (given: 0)',
      '3:22 agents.categories.b.share: expected a number above 0, at most 1000000 (given: 0)',
    ],
  },
  {
    why: 'an unknown key deep down',
    text: 'agents:\n  categories:\n    coding: { share: 1, knd: codex }\n',
    said: ['3:25 agents.categories.coding.knd: unknown key; did you mean kind?'],
  },
  {
    why: 'a way to nodes that is not built',
    text: 'nodes:\n  - name: mugen\n    ssm: { instanceId: i-0 }\n',
    said: ['3:5 nodes[0].ssm: not in this version'],
  },
  {
    why: 'each field that is not built',
    text: 'gateway: {}\nnodes: [{ name: a, local: true, ssm: {}, ec2: {} }]\ntasks: { workspace: tree }\n',
    said: [
      '1:1 gateway: not in this version',
      '2:33 nodes[0].ssm: not in this version',
      '2:42 nodes[0].ec2: not in this version',
      '3:10 tasks.workspace: not in this version',
    ],
  },
  {
    why: 'a node that nobody can reach',
    text: 'nodes:\n  - { name: mugen }\n',
    said: ['2:5 nodes[0]: expected ssh: user@host, or local: true, to say how it is reached'],
  },
  {
    why: 'a node that says it is not local',
    text: 'nodes:\n  - { name: mugen, local: no }\n',
    said: ['2:27 nodes[0].local: expected true, or ssh: user@host instead (given: "no")'],
  },
  {
    why: 'a node that is here and elsewhere',
    text: 'nodes:\n  - name: mugen\n    local: true\n    ssh: me@mugen\n',
    said: ['4:5 nodes[0].ssh: expected either local: true or ssh: this node has both'],
  },
  {
    why: 'two nodes of one name',
    text: 'nodes:\n  - name: here\n    local: true\n  - name: here\n    local: true\n',
    said: [
      '4:11 nodes[1].name: expected another name: nodes[0] is here already',
      '5:12 nodes[1].local: expected one local node: nodes[0] is this machine already',
    ],
  },
  { why: 'no nodes', text: 'nodes: []\n', said: ['1:8 nodes: expected at least one node (given: a list)'] },
  {
    why: 'nodes as a map',
    text: 'nodes:\n  here: { local: true }\n',
    said: ['2:3 nodes: expected a list (given: a map)'],
  },
  {
    why: 'a list in place of everything',
    text: '- name: here\n',
    said: ['1:1: expected a map (name: value) (given: a list)'],
  },
  {
    why: 'a text in place of everything',
    text: 'hello\n',
    said: ['1:1: expected a map (name: value) (given: "hello")'],
  },
  {
    why: 'a node with more agents than allowed',
    text: 'nodes:\n  - { name: here, local: true, maxAgents: 101 }\n',
    said: ['2:43 nodes[0].maxAgents: expected a whole number from 1 to 100 (given: 101)'],
  },
  {
    why: 'half a vCPU',
    text: 'nodes:\n  - { name: here, local: true, vcpu: 0.5, memoryGiB: 0 }\n',
    said: [
      '2:38 nodes[0].vcpu: expected a whole number from 1 to 4096 (given: 0.5)',
      '2:54 nodes[0].memoryGiB: expected a number above 0, at most 65536 (given: 0)',
    ],
  },
  {
    why: 'a count in words',
    text: 'agents: { count: many }\n',
    said: ['1:18 agents.count: expected a whole number from 1 to 10000, or auto (given: "many")'],
  },
  {
    why: 'a count of nought',
    text: 'agents: { count: 0 }\n',
    said: ['1:18 agents.count: expected a whole number from 1 to 10000 (given: 0)'],
  },
  {
    why: 'a ratio that is not a number',
    text: 'agents: { perVcpu: .nan, memoryGiBEach: .inf }\n',
    said: [
      '1:20 agents.perVcpu: expected a number above 0, at most 1000 (given: NaN)',
      '1:41 agents.memoryGiBEach: expected a number above 0, at most 1024 (given: Infinity)',
    ],
  },
  {
    why: 'a kind that is nowhere',
    text: 'agents: { kind: codx }\n',
    said: [`1:17 agents.kind: expected a kind: one of ${KINDS}; did you mean codex? (given: "codx")`],
  },
  {
    why: 'a category of a kind that is nowhere',
    text: 'agents:\n  categories: { coding: { share: 1, kind: lint } }\n',
    said: [`2:43 agents.categories.coding.kind: expected a kind: one of ${KINDS} (given: "lint")`],
  },
  {
    why: 'shares that are none',
    text: 'agents:\n  categories: { coding: 0, business: some, research: { kind: codex } }\n',
    said: [
      '2:25 agents.categories.coding: expected a number above 0, at most 1000000 (given: 0)',
      '2:38 agents.categories.business: expected a share such as 35, or {share, kind, strict} (given: "some")',
      '2:54 agents.categories.research.share: expected a number above 0, at most 1000000 (given: nothing)',
    ],
  },
  {
    why: 'no categories',
    text: 'agents: { categories: {} }\n',
    said: ['1:23 agents.categories: expected at least one category'],
  },
  {
    why: 'a category that cannot be named',
    text: 'agents: { categories: { "a b": 1 } }\n',
    said: ['1:25 agents.categories.a b: expected 1 to 64 letters, digits, . _ - beginning with a letter or digit'],
  },
  {
    why: 'a kind without a tool',
    text: 'kinds:\n  lint:\n    run: npm run lint\n',
    said: ['3:5 kinds.lint.tool: expected one of codex, claude, command (given: nothing)'],
  },
  {
    why: 'a tool that is none',
    text: 'kinds:\n  lint: { tool: aider }\n',
    said: ['2:17 kinds.lint.tool: expected one of codex, claude, command (given: "aider")'],
  },
  {
    why: 'fields of another tool',
    text: 'kinds:\n  codex: { run: ls }\n  claude: { sandbox: read-only }\n  command: { model: m, endpoint: http://x, tunnel: true }\n',
    said: [
      '2:12 kinds.codex.run: expected only with tool: command',
      '3:13 kinds.claude.sandbox: expected only with tool: codex',
      '4:14 kinds.command.model: expected only with tool: codex or claude',
      '4:24 kinds.command.endpoint: expected only with tool: codex or claude',
      '4:44 kinds.command.tunnel: expected only with tool: codex or claude',
    ],
  },
  {
    why: 'an endpoint that is no URL',
    text: 'kinds: { codex: { endpoint: localhost } }\n',
    said: ['1:29 kinds.codex.endpoint: expected a URL beginning with http:// or https:// (given: "localhost")'],
  },
  {
    why: 'a tunnel to nowhere, and one that no certificate is for',
    text: 'kinds:\n  codex: { tunnel: true }\n  claude: { endpoint: "https://m", tunnel: true }\n  other: { tool: codex, tunnel: yes, endpoint: "http://m" }\n',
    said: [
      '2:20 kinds.codex.tunnel: expected an endpoint beside it, for the tunnel to lead to',
      '3:23 kinds.claude.endpoint: expected http:// where there is a tunnel: no certificate is for the end of a tunnel',
      '4:33 kinds.other.tunnel: expected true or false (given: "yes")',
    ],
  },
  {
    why: 'a secret in the file, by its name',
    text: 'kinds:\n  codex:\n    env: { OPENAI_API_KEY: hunter2 }\n',
    said: [
      '3:28 kinds.codex.env.OPENAI_API_KEY: expected {from: env} or {from: file, path}: a secret never stands in the fleet file',
    ],
  },
  {
    why: 'a secret in the file, by its looks',
    text: 'tasks: { env: { NOTE: sk-proj-abcdefghijklmnop } }\n',
    said: ['1:23 tasks.env.NOTE: expected no secret here: give it to a kind, as {from: env}'],
  },
  {
    why: 'a secret from nowhere',
    text: 'kinds:\n  codex:\n    env: { A: { from: vault }, B: { from: file }, C: { from: env, nam: D } }\n',
    said: [
      '3:23 kinds.codex.env.A.from: expected `from: env` or `from: file`',
      '3:35 kinds.codex.env.B.path: expected text',
      '3:67 kinds.codex.env.C.nam: unknown key; did you mean name?',
    ],
  },
  {
    why: 'a number as a variable, and names that are none',
    text: 'kinds:\n  codex: { env: { PORT: 80, 1A: x, FLEET_TASK: x } }\n',
    said: [
      '2:25 kinds.codex.env.PORT: expected text in quotes, or {from: env}, or {from: file, path}',
      '2:29 kinds.codex.env.1A: expected a name of an environment variable: A-Z a-z 0-9 _',
      '2:36 kinds.codex.env.FLEET_TASK: expected another name: those beginning with FLEET_ are set by the fleet',
    ],
  },
  {
    why: 'durations that are none',
    text: 'tasks: { timeout: 30 minutes, silence: 0 }\nlostAfter: 31d\n',
    said: [
      '1:19 tasks.timeout: expected a duration such as 90s, 30m or 2h, above zero and at most 30d (given: "30 minutes")',
      '1:40 tasks.silence: expected a duration such as 90s, 30m or 2h, above zero and at most 30d (given: 0)',
      '2:12 lostAfter: expected a duration such as 90s, 30m or 2h, above zero and at most 30d (given: "31d")',
    ],
  },
  {
    why: 'a value that was forgotten',
    text: 'tasks:\n  cwd:\n  retries: 2\n',
    said: ['2:3 tasks.cwd: expected text (given: nothing)'],
  },
  {
    why: 'a brake that never lets go',
    text: 'restartsPerMinute: 0\n',
    said: ['1:20 restartsPerMinute: expected a whole number from 1 to 10000 (given: 0)'],
  },
];

const UNSAFE_HOST = 'expected a host of letters, digits, . _ - or an IPv6 address: nothing a shell would read';
const UNSAFE_USER = 'expected a user of letters, digits, . _ - + @: nothing a shell would read';
const IN_JUMP = '(of each host to go through, with commas between)';

/** A bad `ssh` of a node, and what is said of it. */
const ADDRESSES: { why: string; ssh: string; said: string }[] = [
  {
    why: 'a number',
    ssh: '22',
    said: 'expected user@host:port, or {host, port, user, identity, knownHosts, jump, config, client} (given: 22)',
  },
  { why: 'only a port', ssh: '":22"', said: 'expected a host (given: ":22")' },
  {
    why: 'an option',
    ssh: '-oProxyCommand=id',
    said: 'expected a host, not an option of ssh: it begins with - (given: "-oProxyCommand=id")',
  },
  {
    why: 'a user that is an option',
    ssh: '-lroot@mugen',
    said: 'expected a user, not an option of ssh: it begins with - (given: "-lroot@mugen")',
  },
  {
    why: 'a host that is an option behind a user',
    ssh: 'me@-Fx',
    said: 'expected a host, not an option of ssh: it begins with - (given: "me@-Fx")',
  },
  { why: 'a host with white space', ssh: 'mu gen', said: `${UNSAFE_HOST} (given: "mu gen")` },
  { why: 'a host with a newline', ssh: '"mugen\\n-x"', said: `${UNSAFE_HOST} (given: "mugen\\n-x")` },
  { why: 'a host that a shell would run', ssh: '"$(id)"', said: `${UNSAFE_HOST} (given: "$(id)")` },
  { why: 'a host that ends a command', ssh: '"a;id"', said: `${UNSAFE_HOST} (given: "a;id")` },
  { why: 'a host in quotes', ssh: `"'a'"`, said: `${UNSAFE_HOST} (given: "'a'")` },
  { why: 'a host with what ssh fills in', ssh: '"%h"', said: `${UNSAFE_HOST} (given: "%h")` },
  { why: 'no user before the @', ssh: '"@mugen"', said: 'expected a user before the @ (given: "@mugen")' },
  { why: 'a user with a backslash', ssh: 'DOM\\me@mugen', said: `${UNSAFE_USER} (given: "DOM\\\\me@mugen")` },
  {
    why: 'a port that is none',
    ssh: 'mugen:0',
    said: 'expected a port from 1 to 65535 after the colon (given: "mugen:0")',
  },
  {
    why: 'a port that was forgotten',
    ssh: '"mugen:"',
    said: 'expected a port from 1 to 65535 after the colon (given: "mugen:")',
  },
  {
    why: 'an IPv6 address without brackets',
    ssh: 'fe80::1:22',
    said: 'expected user@host:port, host, user@host or [IPv6 address]:port; an IPv6 address stands in [brackets] (given: "fe80::1:22")',
  },
  {
    why: 'a name in brackets',
    ssh: '"[mugen]:22"',
    said: 'expected an IPv6 address in the brackets (given: "[mugen]:22")',
  },
  {
    why: 'a URL',
    ssh: 'ssh://me@mugen:22',
    said: 'expected user@host:port, host, user@host or [IPv6 address]:port, without ssh:// (given: "ssh://me@mugen:22")',
  },
];

/** A bad map of an `ssh`, and what is said of its fields. */
const ADDRESS_MAPS: { ssh: string; said: string[] }[] = [
  { ssh: '{ user: me }', said: ['nodes[0].ssh.host: expected text (given: nothing)'] },
  {
    ssh: '{ host: -x, user: -y, port: 70000 }',
    said: [
      'nodes[0].ssh.host: expected a host, not an option of ssh: it begins with - (given: "-x")',
      'nodes[0].ssh.user: expected a user, not an option of ssh: it begins with - (given: "-y")',
      'nodes[0].ssh.port: expected a port from 1 to 65535 (given: 70000)',
    ],
  },
  {
    ssh: '{ host: a, jump: "b,-oX=1@c" }',
    said: [
      `nodes[0].ssh.jump: expected a user, not an option of ssh: it begins with - ${IN_JUMP} (given: "b,-oX=1@c")`,
    ],
  },
  { ssh: '{ host: a, jump: "b, c" }', said: [`nodes[0].ssh.jump: ${UNSAFE_HOST} ${IN_JUMP} (given: "b, c")`] },
  {
    ssh: '{ host: a, client: putty }',
    said: ['nodes[0].ssh.client: expected one of auto, ssh2, openssh (given: "putty")'],
  },
  { ssh: '{ host: a, password: x }', said: ['nodes[0].ssh.password: unknown key'] },
  {
    ssh: '{ host: a, identityFile: x, knownHost: y }',
    said: [
      'nodes[0].ssh.identityFile: unknown key; did you mean identity?',
      'nodes[0].ssh.knownHost: unknown key; did you mean knownHosts?',
    ],
  },
  { ssh: '{ host: a, identity: "" }', said: ['nodes[0].ssh.identity: expected a path (given: "")'] },
];

const WRITING: Bad[] = [
  { why: 'an empty file', text: '', said: ['1:1: expected settings such as `name: miyabi` (the file is empty)'] },
  {
    why: 'only comments',
    text: '# name: miyabi\n',
    said: ['1:1: expected settings such as `name: miyabi` (the file is empty)'],
  },
  {
    why: 'a key twice',
    text: 'name: a\nagents: {}\nname: b\n',
    said: ['3:1: expected each key once (this one stands above already)'],
  },
  {
    why: 'a tab as indentation',
    text: 'agents:\n\tcount: 3\n',
    said: ['2:1: expected spaces as indentation (a tab was given)'],
  },
  {
    why: 'a list that never ends',
    text: 'name: a\nnodes: [\n',
    said: [
      '3:1: expected valid YAML (Flow sequence in block collection must be sufficiently indented and end with a ])',
    ],
  },
  {
    why: 'two documents',
    text: 'name: a\n---\nname: b\n',
    said: ['2:1: expected one YAML document (another begins here)'],
  },
  {
    why: 'a tag',
    text: 'name: !!js/function "x"\n',
    said: ['1:7: expected a plain value, without a tag (Unresolved tag: tag:yaml.org,2002:js/function)'],
  },
  {
    why: 'binary data',
    text: 'name: !!binary aGVsbG8=\n',
    said: ['1:16: expected a plain value, without a tag (given: tag:yaml.org,2002:binary)'],
  },
  {
    why: 'a merge key',
    text: 'agents: &a { count: 3 }\ntasks:\n  <<: *a\n',
    said: ['3:3 tasks.<<: unknown key (merge keys are not read; write the fields out)'],
  },
  { why: 'an older YAML', text: '%YAML 1.1\n---\nname: yes\n', said: ['1:1: expected YAML 1.2 (given: 1.1)'] },
  {
    why: 'a key that would change every object',
    text: 'kinds:\n  __proto__: { tool: command }\n',
    said: ['2:3: expected another key (__proto__ is not allowed)'],
  },
  { why: 'a list as a key', text: '? [a]\n: 1\n', said: ['1:3: expected a name as key (a list or a map was given)'] },
  { why: 'an alias of nothing', text: 'name: *nobody\n', said: ['1:7: expected an anchor &nobody above this alias'] },
  { why: 'an alias inside its own anchor', text: 'nodes: &all [*all]\n', said: ['1:13: expected at most 64 levels'] },
  {
    why: 'aliases that grow',
    text: `a: &a [1,1,1,1,1,1,1,1,1,1]\n${'bcdefgh'
      .split('')
      .map((name, index) => {
        const before = 'abcdefg'[index];
        return `${name}: &${name} [${Array(10).fill(`*${before}`).join(',')}]`;
      })
      .join('\n')}\n`,
    said: ['expected few aliases (these grow too large)'],
  },
  { why: 'a very deep list', text: '['.repeat(100_000), said: ['expected at most 64 levels'] },
  { why: 'a NUL byte', text: 'name: a\ncw\0d: x\n', said: ['2:3: expected text without NUL bytes'] },
  {
    why: 'bytes that are no UTF-8',
    text: Buffer.from('name: a\ncwd: \xff\n', 'latin1'),
    said: ['2:6: expected UTF-8 text (other bytes were given)'],
  },
  {
    why: 'ten megabytes',
    text: `name: a\n${'# x\n'.repeat(2_600_000)}`,
    said: ['1:1: expected at most 262144 bytes'],
  },
];

async function saidOf(text: string | Uint8Array): Promise<string[]> {
  const cwd = await scratch({ 'fleet.yaml': text });
  const { code, lines } = await refusal(loadFleet({ env: {}, cwd }));
  expect(code).toBe('config-invalid');
  return lines;
}

describe('a fleet file is refused, with every problem in its place:', () => {
  test.for(MEANING)('$why', async ({ text, said }) => {
    expect(await saidOf(text)).toEqual(said.map((line) => `fleet.yaml:${line}`));
  });

  test.for(WRITING)('$why', async ({ text, said }) => {
    const lines = await saidOf(text);
    expect(lines.length).toBeLessThanOrEqual(20);
    for (const [index, words] of said.entries()) {
      if (/^\d/.test(words)) expect(lines[index]).toBe(`fleet.yaml:${words}`);
      else expect(lines[index]).toMatch(new RegExp(`^fleet\\.yaml:\\d+:\\d+: ${words.replaceAll(/[()]/g, '\\$&')}$`));
    }
  });

  test.for(ADDRESSES)('an address that is $why', async ({ ssh, said }) => {
    expect(await saidOf(`nodes:\n  - name: a\n    ssh: ${ssh}\n`)).toEqual([`fleet.yaml:3:10 nodes[0].ssh: ${said}`]);
  });

  test.for(ADDRESS_MAPS)('an address as $ssh', async ({ ssh, said }) => {
    const lines = await saidOf(`nodes:\n  - name: a\n    ssh: ${ssh}\n`);
    expect(lines.map((line) => line.replace(/^fleet\.yaml:3:\d+ /, ''))).toEqual(said);
  });

  test('two nodes at one address, however it is written', async () => {
    const nodes = [
      'me@mugen:22',
      '{ host: MUGEN, user: me, port: 22 }',
      'mugen',
      'you@mugen:22',
      '{ host: mugen, jump: b }',
    ];
    expect(await saidOf(`nodes:\n${nodes.map((ssh, at) => `  - name: n${at}\n    ssh: ${ssh}\n`).join('')}`)).toEqual([
      'fleet.yaml:5:10 nodes[1].ssh: expected another machine or user: nodes[0].ssh is the same, and the folder there would be shared',
    ]);
  });

  test('a folder on another machine that would begin here', async () => {
    const cwd = await scratch({
      'fleet.yaml':
        'nodes:\n  - { name: a, ssh: a, cwd: work }\n  - { name: b, ssh: b, cwd: ~/work }\n  - { name: c, local: true, cwd: work }\ntasks: { cwd: repo }\n',
    });
    const said = 'expected an absolute path: it is a folder on the node, not here';
    const { lines } = await refusal(loadFleet({ env: {}, cwd }));
    expect(lines).toEqual([
      `fleet.yaml:2:29 nodes[0].cwd: ${said} (given: "work")`,
      `fleet.yaml:3:29 nodes[1].cwd: ${said} (given: "~/work")`,
      `fleet.yaml:5:15 tasks.cwd: ${said} (given: "repo")`,
    ]);
    const fromEnv = await refusal(loadFleet({ env: { FLEET_CWD: 'sub' }, cwd }));
    expect(fromEnv.lines).toContain(`FLEET_CWD tasks.cwd: ${said} (given: "sub")`);
  });

  test('problems of every sort are told together, in the order of the file', async () => {
    const text = 'nodes: 5\nname: a b\nfoo: 1\nagents: { kind: nobody, count: -1 }\nkinds: { x: {} }\n';
    const places = (await saidOf(text)).map((line) => line.split(' ', 2).join(' '));
    expect(places).toEqual([
      'fleet.yaml:1:8 nodes:',
      'fleet.yaml:2:7 name:',
      'fleet.yaml:3:1 foo:',
      'fleet.yaml:4:17 agents.kind:',
      'fleet.yaml:4:32 agents.count:',
      'fleet.yaml:5:13 kinds.x.tool:',
    ]);
  });

  test('lines are counted right with CRLF and a byte order mark, and columns with Japanese text', async () => {
    expect(await saidOf('\uFEFF# 設定\r\nname: 雅\r\nx: 1\r\n')).toEqual([
      expect.stringMatching(/^fleet\.yaml:2:7 name: /),
      'fleet.yaml:3:1 x: unknown key',
    ]);
    expect(await saidOf('tasks: { env: { 題: x }, retries: x }\n')).toEqual([
      expect.stringMatching(/^fleet\.yaml:1:17 tasks\.env\.題: /),
      expect.stringMatching(/^fleet\.yaml:1:34 tasks\.retries: /),
    ]);
  });

  test('aliases are looked up at once, however many there are', async () => {
    const lines = await saidOf(`a: &a x\nb:\n${'- *a\n'.repeat(20_000)}`);
    expect(lines[0]).toMatch(/^fleet\.yaml:\d+:\d+: expected few aliases \(these grow too large\)$/);
    expect(await saidOf('- *b\n'.repeat(50_000))).toHaveLength(20);
  }, 5_000);

  test('an alias means the anchor that stands last above it', async () => {
    expect(await saidOf('agents:\n  count: &n 3\n  perVcpu: &n -1\n  memoryGiBEach: *n\n')).toEqual([
      'fleet.yaml:3:15 agents.perVcpu: expected a number above 0, at most 1000 (given: -1)',
      'fleet.yaml:4:18 agents.memoryGiBEach: expected a number above 0, at most 1024 (given: -1)',
    ]);
  });

  test('what a terminal would obey is not printed, and a long key is cut', async () => {
    const lines = await saidOf(`"\\e[2Jx\\n\\u202ey": 1\n${'k'.repeat(900)}: 2\n`);
    expect(lines).toEqual([
      'fleet.yaml:1:1 \uFFFD[2Jx\uFFFD\uFFFDy: unknown key',
      `fleet.yaml:2:1 ${'k'.repeat(199)}…: unknown key`,
    ]);
  });

  test('a secret that stands in the wrong place is not printed', async () => {
    const lines = await saidOf(
      'kinds: { codex: { env: { OPENAI_API_KEY: [sk-abcdefghijklmnopqrst], A: sk-abcdefghijklmnopqrst } } }\n',
    );
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toContain('sk-');
  });

  test('a hundred problems are printed and the rest are counted', async () => {
    const lines = await saidOf(Array.from({ length: 150 }, (_, index) => `x${index}: 1\n`).join(''));
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toBe('and 50 more');
  });
});
