import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { canJail, openSshd, type Sshd } from '../rig/sshd.ts';
import { describeWith, have, program } from '../support/capability.ts';
import { aPerson, type Person } from './person.ts';

interface Doctor {
  findings: { check: string; ok: boolean; detail: string; fix: string | null }[];
}

/** A person whose fleet file has these nodes over SSH. */
async function aPersonWith(context: TestContext, nodes: Readonly<Record<string, Sshd>>, wrong = '') {
  const person = await aPerson(context, { agents: 2 });
  const entries = Object.entries(nodes).map(([name, { host, port, address, identity, knownHosts }]) => {
    const user = address.user ?? undefined;
    const trusted = name === wrong ? person.write('nobody', '') : knownHosts;
    return { name, labels: ['far'], ssh: { host, port, user, identity, knownHosts: trusted, config: '/dev/null' } };
  });
  person.write('fleet.yaml', JSON.stringify({ nodes: entries }));
  return person;
}

async function anSshd(context: TestContext, setting = {}): Promise<Sshd> {
  const sshd = await openSshd(setting);
  context.onTestFinished(() => sshd.close());
  return sshd;
}

async function findingsOf(person: Person): Promise<Doctor['findings']> {
  return (JSON.parse((await person.fleet('doctor', '--json')).out) as Doctor).findings;
}

/** As `logs` of an attempt would leave it: our program, and nothing that was greeted. */
function leaveFleet({ home }: Sshd, name: string): string {
  const folder = join(home, '.miyabi', name);
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'bin/fleet-node-0123456789abcdef'), '#');
  return folder;
}

describeWith(['tmux', 'sshd'], 'machines over SSH', () => {
  it.skipIf(!canJail || !have('fish'))(
    'are examined, used and left as they were, also behind a login shell that is fish and talks (needs root, fish)',
    async (context) => {
      const startFiles = { '.config/fish/config.fish': 'echo Welcome; echo "no mail" >&2\n' };
      const sshd = await anSshd(context, { shell: program('fish'), startFiles });
      const person = await aPersonWith(context, { mugen: sshd });
      const findings = await findingsOf(person);
      expect(findings.filter(({ ok }) => !ok)).toEqual([]);
      expect(findings.map(({ check }) => check)).toContain('node mugen: owner');
      const words = ["it's", 'a\\b', '$HOME', '語'];
      const said = await person.fleet('exec', 'label:far', '--', 'printf', '%s\\n', ...words);
      expect(said).toMatchObject({ exit: 0 });
      expect(said.out.split('\n').filter((line) => line !== 'mugen: Welcome')).toEqual([
        ...words.map((word) => `mugen: ${word}`),
        '',
      ]);
      const folder = leaveFleet(sshd, person.name);
      expect(await person.fleet('remove', 'mugen', '--dry-run')).toMatchObject({ exit: 0 });
      expect(existsSync(folder)).toBe(true);
      expect(await person.fleet('remove', 'mugen')).toMatchObject({ exit: 0, err: expect.stringContaining('removed') });
      expect(existsSync(folder)).toBe(false);
    },
  );

  it('that do not answer are told apart with what to do, and hinder no other', async (context) => {
    const [mugen, majin, kage] = [await anSshd(context), await anSshd(context), await anSshd(context)];
    const person = await aPersonWith(context, { mugen, majin, kage }, 'majin');
    await kage.kill();
    const wrong = (await findingsOf(person)).filter(({ ok }) => !ok);
    expect(wrong.map(({ check }) => check)).toEqual(['node majin: reach', 'node kage: reach']);
    expect(wrong[0]).toMatchObject({ detail: expect.stringMatching(/key/), fix: expect.stringMatching(/\S/) });
    expect(wrong[1]?.detail).not.toMatch(/key/);
    const said = await person.fleet('exec', 'all', '--', 'echo', 'here');
    expect(said).toMatchObject({ exit: 3, out: 'mugen: here\n' });
    expect(said.err).toMatch(/^majin: /m);
    expect(said.err).toMatch(/^kage: /m);
    if (canJail) leaveFleet(mugen, person.name);
    const removed = await person.fleet('remove', 'all', '--json');
    expect(removed.exit).toBe(3);
    expect(JSON.parse(removed.out)).toMatchObject({
      version: 1,
      nodes: [
        { node: 'mugen', is: canJail ? 'removed' : 'absent' },
        { node: 'majin', is: 'failed', error: { code: 'host-untrusted', hint: expect.stringMatching(/\S/) } },
        { node: 'kage', is: 'failed', error: { code: 'unreachable' } },
      ],
    });
  });
});
