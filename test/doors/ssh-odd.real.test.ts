import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Results } from '../../controller/operations/results.ts';
import { until } from '../bootstrap/ground.ts';
import { openRig, RIG_MS_MAX, type Rig } from '../rig/rig.ts';
import { describeWith } from '../support/capability.ts';
import { aFleetAfar, untilReady } from './afar.ts';
import { screenOf, statusOf, submit, tasksText } from './person.ts';

/** Of the controller, while all this goes through it. */
const RSS_MIB_MAX = 150;

/** Resident memory of a process, in MiB. */
function rssOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024;
}

describeWith(
  ['rig', 'fish'],
  'a machine that is set up oddly: fish that prints noise, a home with a space, no jq',
  () => {
    let rig: Rig;
    beforeAll(async () => {
      const odd = { name: 'odd', user: 'odd', shell: '/usr/bin/fish', home: '/home/a home' };
      rig = await openRig({ machines: [odd, { name: 'plain' }] });
      const noise =
        'mkdir -p "$1/.config/fish"; echo "echo welcome, dear (whoami); echo oh >&2" >"$1/.config/fish/config.fish"';
      const machine = rig.machine('odd');
      await machine.exec(['bash', '-c', `${noise}; chown -R odd: "$1"; rm -f /usr/bin/jq`, 'odd', machine.home]);
    }, RIG_MS_MAX);
    afterAll(async () => {
      await rig?.[Symbol.asyncDispose]();
    });

    it('holds 40 agents over one connection with the usual limits of sshd; each can be attached to, whatever the terminal', async (context) => {
      const nodes = [{ name: 'odd', ssh: { host: 'odd', config: rig.sshConfig }, vcpu: 40, memoryGiB: 80 }];
      const fleet = await aFleetAfar(context, rig, { file: { nodes, agents: { count: 40, kind: 'command' } } });
      await fleet.start();
      expect((await untilReady(fleet)).agents).toHaveLength(40);
      const screen = screenOf(context, { ...fleet, env: { ...fleet.env, TERM: 'nobody-knows-it' } }, 40);
      const forty = Array.from({ length: 40 }, (_, index) => ({
        id: `t${index}`,
        run: 'pwd; echo "$HOME|$FLEET_AGENT"',
      }));
      const results = await fleet.ask(Results, 'run', fleet.write('forty.json', tasksText(forty)));
      expect(results.tasks).toMatchObject({ total: 40, completed: 40 });
      expect(results.results.filter(({ answer }) => !/\/home\/a home\|\d+$/.test(answer ?? ''))).toEqual([]);
      await until('its window', () => screen().includes('shows what the agent does'));
    });

    it('takes prompts of 100 KB for 18 agents and 200 MB of output, and the controller stays below 150 MB', async (context) => {
      const fleet = await aFleetAfar(context, rig, { file: { agents: { count: 8, kind: 'command' } } });
      await fleet.start();
      await untilReady(fleet);
      const pid = (await statusOf(fleet)).controller?.pid ?? 0;
      const prompt = 'A line of a long prompt, with "quotes" and $dollars.\n'.repeat(2000);
      const long = Array.from({ length: 18 }, (_, index) => ({
        id: `p${index}`,
        prompt,
        run: 'sha256sum | cut -c1-64',
      }));
      const flood = { id: 'flood', run: 'head -c 200000000 /dev/zero | tr "\\0" "x" | fold -w 200; echo over' };
      await submit(fleet, [...long, flood]);
      let most = 0;
      const looking = setInterval(() => {
        most = Math.max(most, rssOf(pid));
      }, 200);
      const results = await fleet.ask(Results, 'wait', ...long.map(({ id }) => id), 'flood');
      clearInterval(looking);
      expect(results.tasks).toMatchObject({ total: 19, completed: 19 });
      const wanted = createHash('sha256').update(prompt).digest('hex');
      expect(results.results.filter(({ task, answer }) => task !== 'flood' && answer !== wanted)).toEqual([]);
      expect(results.results.at(-1)?.answer).toMatch(/over$/);
      process.stdout.write(`the controller had at most ${most.toFixed(0)} MiB\n`);
      expect(most).toBeLessThan(RSS_MIB_MAX);
    });
  },
);
