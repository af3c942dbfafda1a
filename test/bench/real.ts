import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../rig/until.ts';
import type { Bench, Measured, Options, Variant } from './bench.ts';
import { aFleet, type BenchFleet, removeFleet, runJoined, standing } from './fleet.ts';
import { AGENTS, execAll, type Ground } from './ground.ts';
import { availableMb, sharesOf } from './memory.ts';
import { openControl } from './peers/control-master.ts';
import { put } from './peers/peer.ts';
import { begin, well } from './process.ts';
import { interleave, middle } from './rounds.ts';
import { checkRight, clearRight, type Model, openModel, TUNNEL_PORT, turnTasks, writeTurns } from './turns.ts';
import { judge, ratio } from './verdicts.ts';

/** The real coding CLI, a stand-in only for its model: what the fleet costs beside what it runs. */

const AT_ONCE = [4, 8, 16];
const ALL_WAIT_MS_MAX = 300_000;
/** After the last of them fell still. */
const SETTLE_MS = 5000;
const WAITING_MB_MAX = 7000;

export const real: Bench = {
  name: 'real',
  title: `${AGENTS} turns of the real Codex CLI, a shell command each, on seven hosts`,
  run: async (options) => {
    const ground = await options.ground();
    const { codex: program } = ground;
    if (program === undefined) throw new Error('the Codex CLI is not on this machine; npm test fetches it');
    await using model = await openModel(ground);
    const fleet = (endpoint: string) =>
      aFleet(ground, {
        name: 'real',
        file: { agents: { count: AGENTS, kind: 'codex' }, kinds: kindsAt(endpoint, program) },
      });
    const ours = turnsByUs(await fleet(model.url));
    const peers = AT_ONCE.map((atOnce) => turnsByXargs(ground, model, program, atOnce));
    options.say('  which number at once is best');
    const tried = await interleave(peers, { ...options, runs: 1 });
    const best = peers.toSorted((a, b) => (middle(tried, b.name) ?? 0) - (middle(tried, a.name) ?? 0))[0] ?? peers[0];
    const measured = await interleave([ours, ...(best ? [best] : [])], options);
    const waiting = await waitAll(await fleet(model.holding), model, options);
    return {
      parts: [
        { title: 'Turns done in a second', unit: 'turns/s', measured },
        { title: 'The other numbers at once, tried first', unit: 'turns/s', measured: tried },
        { title: `${AGENTS} alive, their answers held`, unit: 'MB', measured: waiting },
      ],
      verdicts: verdictsOf(measured, best?.name ?? '', waiting),
    };
  },
};

function kindsAt(endpoint: string, program: string) {
  const kind = { endpoint: `${endpoint}/t/{task}/{ordinal}`, tunnel: true, program, sandbox: 'danger-full-access' };
  return { codex: kind };
}

function verdictsOf(measured: readonly Measured[], best: string, waiting: readonly Measured[]) {
  const ours = middle(measured, 'fleet');
  const isAll = measured.find(({ name }) => name === 'fleet')?.trouble === undefined;
  return [
    judge('turns that ended right', ours === undefined ? undefined : isAll ? AGENTS : 0, { atLeast: AGENTS }),
    judge(`rate ÷ the best xargs (${best})`, ratio(ours, middle(measured, best)), { atLeast: 0.9 }),
    judge('all waiting, in all', middle(waiting, 'memory less available'), { atMost: WAITING_MB_MAX }, 'MB'),
  ];
}

function turnsByUs(fleet: BenchFleet): Variant {
  return {
    name: 'fleet',
    what: '`fleet run` through a controller that stands; homes, journal, limits and answers included',
    measure: async () => {
      await clearRight(fleet.ground);
      const controller = await standing(fleet);
      try {
        const cpu = await fleet.ground.cpuUsed();
        const { ms } = await runJoined(fleet, await fleet.writeTasks('turns.json', turnTasks));
        const machinesCpuMs = ((await fleet.ground.cpuUsed()) - cpu) / 1000;
        await checkRight(fleet.ground);
        return { value: (AGENTS * 1000) / ms, detail: { ms, machinesCpuMs } };
      } finally {
        await removeFleet(fleet, controller);
      }
    },
  };
}

function turnsByXargs(ground: Ground, model: Model, program: string, atOnce: number): Variant {
  return {
    name: `xargs -P ${atOnce}`,
    what: `\`xargs -P ${atOnce}\` here, one \`ssh\` through a kept connection for each turn; each makes its own home`,
    measure: async () => {
      await clearRight(ground);
      const lines = await put(ground, 'turns.lines', (await writeTurns(ground, program)).join('\n'));
      const tunnel = ['-R', `127.0.0.1:${TUNNEL_PORT}:${model.url.replace('http://', '')}`];
      await using control = await openControl(ground, tunnel);
      const each = `set -- $0; exec ${control.words.join(' ')} "$1" sh .turns/"$2".sh`;
      const words = ['xargs', '-a', lines, '-d', '\n', '-n', '1', '-P', String(atOnce), 'sh', '-c', each];
      const cpu = await ground.cpuUsed();
      const begun = begin(words, { env: ground.env, cwd: ground.folder });
      const ms = (await well(begun, 'xargs')).at - begun.at;
      const machinesCpuMs = ((await ground.cpuUsed()) - cpu) / 1000;
      await checkRight(ground);
      await execAll(ground, 'rm -rf ~/.turns');
      return { value: (AGENTS * 1000) / ms, detail: { ms, machinesCpuMs } };
    },
  };
}

/** All at once, each waiting for the answer that follows its tool's result. */
async function waitAll(fleet: BenchFleet, model: Model, { say }: Options): Promise<readonly Measured[]> {
  await clearRight(fleet.ground);
  const before = await availableMb();
  const controller = await standing(fleet);
  try {
    const begunAt = performance.now();
    await fleet.submit(turnTasks);
    await until('all wait', () => model.held() >= AGENTS, ALL_WAIT_MS_MAX);
    const allAfter = (performance.now() - begunAt) / 1000;
    await delay(SETTLE_MS);
    const less = before - (await availableMb());
    const { all, named, count } = await sharesOf(`${fleet.ground.rig.id}/`, 'codex');
    say(`  ${model.held()} held after ${allAfter.toFixed(1)} s; ${less.toFixed(0)} MB; ${count} processes of Codex`);
    model.free();
    await well(fleet.call(['wait', '--quiet', '--json']), 'wait');
    await checkRight(fleet.ground);
    const one = (name: string, what: string, value: number): Measured => ({ name, what, samples: [{ value }] });
    return [
      one('memory less available', 'than before the fleet was begun, everything included', less),
      one('on the machines', 'proportional shares (PSS) of all their processes', all),
      one(
        'of Codex',
        `proportional shares of its ${count} processes; all waited after ${allAfter.toFixed(1)} s`,
        named,
      ),
    ];
  } finally {
    await removeFleet(fleet, controller);
  }
}
