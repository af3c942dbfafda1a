import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../bootstrap/ground.ts';
import { killIfThere, type Said } from '../../doors/person.ts';
import { type Part, strike } from '../../doors/strike.ts';
import { ROOT } from '../../support/sources.ts';
import { AGENTS, type Soak, touchFile, WAITS } from './scene.ts';

/** What goes wrong, or is done by people, while the fleet works: drawn by chance, each as often as its weight says. */

interface Trouble {
  what: string;
  weight: number;
  /** False where there was nothing to do it to. */
  happen(soak: Soak): Promise<boolean> | boolean;
}

const PAUSE_SECONDS = { least: 2, most: 6 };
const FREEZE_MS = 20_000;
const AWAY_MS_MAX = 4000;
/** One of these every few minutes. */
const RARE_SECONDS = { least: 90, most: 240 };
const ATTACHED_MS_MAX = 5000;

const killing = (part: Part) => (soak: Soak) => {
  const hit = strike(soak.person, part, { at: soak.chance.next() });
  if (typeof hit !== 'boolean') soak.struck.add(hit.attempt);
  if (part === 'serve' && hit) soak.serveKills.push(Date.now());
  return hit !== false;
};

const OFTEN = (program: string): readonly Trouble[] => [
  { what: 'a tool is killed', weight: 6, happen: killing('tool') },
  { what: 'a worker is killed', weight: 6, happen: killing('worker') },
  { what: 'serve is killed', weight: 3, happen: killing('serve') },
  { what: 'the sweep is killed', weight: 3, happen: killing('sweep') },
  { what: 'the tmux server is killed', weight: 1, happen: killing('tmux') },
  { what: 'agents are paused, then resumed', weight: 2, happen: pauseSome },
  {
    what: 'the fleet file is changed and read again',
    weight: 1,
    happen: (soak) => {
      touchFile(soak, program);
      return ask(soak, 'reload');
    },
  },
  { what: 'a person attaches and detaches', weight: 2, happen: attachOnce },
];

const RARE: readonly Trouble[] = [
  {
    what: 'the controller is killed',
    weight: 2,
    happen: async ({ keeper, chance }) => {
      await keeper.replace(chance.next() * AWAY_MS_MAX);
      return true;
    },
  },
  {
    what: `the controller is frozen for ${FREEZE_MS / 1000} s`,
    weight: 1,
    happen: async ({ keeper }) => {
      await keeper.freeze(FREEZE_MS);
      return true;
    },
  },
];

/** Kinds of trouble with how often each was had. */
export type Tally = Map<string, number>;

/** Makes trouble until told that it is over. `hurry`: how much quicker than usual the rare ones follow each other. */
export async function trouble(soak: Soak, program: string, isOver: () => boolean, hurry: number): Promise<Tally> {
  const tally: Tally = new Map();
  const once = async (kinds: readonly Trouble[], chance: Soak['chance']) => {
    const { what, happen } = drawOne(kinds, chance);
    const did = await happen({ ...soak, chance });
    if (did) tally.set(what, (tally.get(what) ?? 0) + 1);
  };
  const line = async (kinds: readonly Trouble[], seconds: { least: number; most: number }) => {
    const chance = soak.chance.fork();
    for (;;) {
      await wait(1000 * (seconds.least + (seconds.most - seconds.least) * chance.next()), isOver);
      if (isOver()) return;
      await once(kinds, chance);
    }
  };
  const rare = { least: RARE_SECONDS.least / hurry, most: RARE_SECONDS.most / hurry };
  await Promise.all([line(OFTEN(program), PAUSE_SECONDS), line(RARE, rare)]);
  return tally;
}

async function wait(ms: number, isOver: () => boolean): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until && !isOver()) await delay(Math.min(500, Math.max(0, until - performance.now())));
}

function drawOne(kinds: readonly Trouble[], chance: Soak['chance']): Trouble {
  return chance.pick(kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind)));
}

/** Calls the command, which may fall into a time without a controller. */
async function ask({ person, troubles, say }: Soak, ...words: string[]): Promise<boolean> {
  const said: Said = await person.fleet(...words);
  if (said.exit === 0 || said.exit === WAITS) return true;
  troubles.push(`fleet ${words.join(' ')}: exit ${said.exit}: ${said.err.trim().slice(-300)}`);
  say(`trouble: ${troubles.at(-1)}`);
  return false;
}

async function pauseSome(soak: Soak): Promise<boolean> {
  const first = soak.chance.whole(1, AGENTS - 5);
  const agents = `${first}-${first + 4}`;
  const isPaused = await ask(soak, 'pause', agents);
  await delay(soak.chance.next() * ATTACHED_MS_MAX);
  return (await ask(soak, 'resume', agents)) && isPaused;
}

/** In a terminal of its own; it is left by its keys, by closing the terminal, or by killing the client. */
async function attachOnce({ person, chance }: Soak): Promise<boolean> {
  const socket = join(person.home, 'screen.sock');
  const agent = chance.whole(1, AGENTS);
  const how = chance.pick(['keys', 'closed', 'killed'] as const);
  const tmux = (...words: string[]) =>
    spawnSync('tmux', ['-S', socket, ...words], { env: { ...person.env, TERM: 'xterm' }, encoding: 'utf8' });
  const fleet = `cd ${person.desk}; exec ${join(ROOT, 'bin/fleet')} attach ${agent}`;
  tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'screen', '-x', '120', '-y', '30', fleet);
  const clients = () =>
    spawnSync('tmux', ['-S', join(person.root, 'tmux.sock'), 'list-clients', '-F', '#{client_pid}'], {
      encoding: 'utf8',
    }).stdout.trim();
  const isThere = () => tmux('has-session').status === 0;
  // The window server may be killed at this very moment: then `attach` ends by itself, and says why.
  const client = await until('a client', () => (isThere() ? clients() || false : 'gone'), 30_000);
  await delay(chance.next() * ATTACHED_MS_MAX);
  if (how === 'keys') tmux('send-keys', '-t', 'screen', 'C-b', 'd');
  if (how === 'killed' && client !== 'gone') killIfThere(Number(client.split('\n')[0]));
  if (how === 'closed') tmux('kill-server');
  await until('the end of attach', () => !isThere(), 10_000).catch(() => tmux('kill-server'));
  return client !== 'gone';
}
