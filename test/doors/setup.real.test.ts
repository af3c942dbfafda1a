import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { setupProgram } from '../../controller/node/program.ts';
import { until } from '../bootstrap/ground.ts';
import { openRig, RIG_MS_MAX, type Rig } from '../rig/rig.ts';
import { describeWith } from '../support/capability.ts';
import { aFleetAfar, type FleetAfar } from './afar.ts';
import { named, pinned, setUp, VERSIONS } from './set-up.ts';

/** As soon as it is at work on MAJIN, and so much later. */
async function killInTheMidst(fleet: FleetAfar, ms: number): Promise<void> {
  const program = ['-f', '--', '--json --user'];
  const going = fleet.begin(['setup', 'majin']);
  await until('it is at work', async () => (await fleet.machine('majin').exec(['pgrep', ...program])).code === 0);
  await delay(ms);
  await fleet.machine('majin').exec(['pkill', '-9', ...program]);
  await going.ended;
}

describeWith(['rig'], 'a machine that has nothing of what agents need', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig({ machines: [{ name: 'majin' }], image: 'bare', hasPackages: true });
  }, RIG_MS_MAX);
  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it('is told what fleet setup would do, and is left as it was', async (context) => {
    const fleet = await aFleetAfar(context, rig);
    const { steps, changed, failed } = await setUp(fleet, 'majin', '--dry-run');
    expect(named(steps, 'would')).toEqual(
      expect.arrayContaining(['packages', 'linger', 'sshd', 'node', 'codex', 'claude']),
    );
    expect([changed, failed]).toEqual([named(steps, 'would').length, 0]);
    expect(
      (await rig.machine('majin').exec(['sh', '-c', 'ls -A /opt; ls /var/lib | grep miyabi; command -v tmux'])).stdout,
    ).toBe('');
  });

  it('is ready in the end, however often the set-up is killed on the way: after each step, and in the midst of them', async (context) => {
    const fleet = await aFleetAfar(context, rig);
    const majin = rig.machine('majin');
    await majin.exec(['sh', '-c', 'cat >/root/node-init.sh'], { input: setupProgram().text });
    let kills = 0;
    const setUpAndKill = async () => {
      // Whoever reads its lines goes after so many: the next one it would say kills it.
      const line = `set -o pipefail; bash /root/node-init.sh --json --user ${majin.user} | head -n ${kills}`;
      return (await majin.exec(['bash', '-c', line], { msMax: 120_000 })).code;
    };
    for (let code = await setUpAndKill(); code !== 0; code = await setUpAndKill()) {
      expect(code).toBe(128 + 13);
      kills += 1;
      if (kills % 3 === 0) await killInTheMidst(fleet, kills * 50);
    }
    expect(kills).toBeGreaterThan(14);
    expect(await setUp(fleet, 'majin')).toMatchObject({ changed: 0, failed: 0 });
    const versions = (await majin.ssh(VERSIONS)).stdout;
    for (const name of ['NODE', 'CODEX', 'CLAUDE']) expect(versions).toContain(pinned[name]);
  }, 600_000);
});
