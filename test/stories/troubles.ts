import { frame } from '../../controller/node/shell.ts';
import type { PretendNode } from '../../controller/transport/pretend.ts';
import { copyAside, invade, surrender, takeOver } from './copies.ts';
import type { Trouble } from './draw.ts';
import { newHeard } from './heard.ts';
import { openReign, type Story } from './story.ts';
import { handIn, wish } from './wishes.ts';

/** What goes wrong in a world. */

export interface Trap {
  what: 'kill' | 'cut';
  verb: string;
  /** How many such requests go by before. */
  spared: number;
  /** Whether the request still arrives. */
  isHeard: boolean;
}

export async function kill(story: Story, hops: number): Promise<void> {
  const { chance, ground } = story;
  story.killAfter = null;
  for (let hop = 0; hop < hops; hop += 1) await Promise.resolve();
  if (story.reign.controller) strike(story, chance.whole(0, 8));
  await ground.clock.settle();
}

/** `kill -9`: of what it had under way to nodes, so many requests arrive. It comes back, sometimes at once. */
function strike(story: Story, kept: number): void {
  const { chance, ground, reign } = story;
  story.say('killed');
  surrender(story, reign, kept);
  const comesBack = async () => {
    if (story.reign !== reign) return;
    if (chance.maybe(0.5)) reign.identity = { ...reign.identity, takeOver: false };
    await openReign(story, reign);
    handIn(story);
  };
  const ms = chance.maybe(0.4) ? 0 : chance.whole(1, 8000);
  void ground.clock.sleep(ms).then(comesBack);
}

/** At the very moment of a request: before it is sent, or after it arrived and before its answer does. */
export function spring(story: Story, node: PretendNode, write: () => void): void {
  const { chance, trap } = story;
  story.trap = null;
  if (!trap) return;
  story.say(`sprung: ${trap.what} at ${trap.verb}, ${trap.isHeard ? 'heard' : 'not heard'}`);
  if (trap.isHeard) write();
  if (trap.what === 'kill') strike(story, trap.isHeard ? 99 : 0);
  else node.cut(chance.maybe(0.7) ? 'clean' : 'silent', { toNode: trap.isHeard ? 99 : 0, toController: 0 });
}

export async function make(story: Story, what: Trouble): Promise<void> {
  const { chance, ground } = story;
  const node = chance.pick([...ground.nodes.values()]);
  if (tamper(story, node, what) || disturb(story, node, what)) return;
  switch (what) {
    case 'kill at once':
      if (story.reign.controller) await kill(story, chance.whole(0, 1000));
      return;
    case 'kill':
      if (story.reign.controller) story.killAfter ??= { stops: chance.whole(0, 40), hops: chance.whole(0, 4000) };
      return;
    case 'kill at a request':
    case 'cut at a request': {
      const verb = chance.pick(['start', 'start', 'evidence', 'ack', 'stop', 'hello']);
      const isHeard = chance.maybe(0.5);
      story.trap = { what: what === 'cut at a request' ? 'cut' : 'kill', verb, spared: chance.whole(0, 2), isHeard };
      return;
    }
    case 'copy':
      story.copy ??= await copyAside(story, '');
      return;
    case 'take over':
      return takeOver(story);
    case 'rival':
      return invade(story);
    case 'cancel':
    case 'retry dead':
      if (what === 'cancel' && chance.maybe(0.5)) return wish(story, what);
      void ground.clock.sleep(chance.whole(0, 60_000)).then(() => (story.isCalm ? undefined : wish(story, what))); // once there is something to despair of
      return;
    default:
      return wish(story, what);
  }
}

const FOREIGN = '01900000-0000-7000-8000-000000000000';

/** What happens to a node, from one moment to the next. Says whether `what` was such a thing. */
function tamper(story: Story, node: PretendNode, what: Trouble): boolean {
  const { chance, ground, reign } = story;
  const { machine } = node;
  const kept = { toNode: chance.whole(0, 4), toController: chance.whole(0, 8) };
  const running = [...machine.workers.values()].filter(({ isAlive }) => isAlive).map(({ attempt }) => attempt);
  const attempt = running.length > 0 ? chance.pick(running) : FOREIGN;
  const said = (reign.watch.heard.get(machine.setting.name) ?? newHeard()).journal;
  const line = said.length > 0 ? chance.pick(said) : `end ${FOREIGN} 001 exited 0 1 -`;
  const junk = [line, line.slice(0, chance.whole(0, line.length)), `end ${FOREIGN} 001 exited 0 1 -`, '\u0000x'];
  const owner = `${reign.identity.ledger} ${reign.identity.machine}`;
  const deeds: Partial<Record<Trouble, () => unknown>> = {
    cut: () => node.cut('clean', kept),
    'cut silently': () => node.cut('silent', kept),
    reboot: () => node.reboot(),
    wipe: () => node.wipe(attempt),
    'wipe home': () => {
      for (const id of machine.locks.keys()) ground.wiped.add(id);
      node.wipeHome();
    },
    'kill worker': () => node.killWorker(attempt),
    'kill tool': () => node.killTool(attempt),
    'kill sessions': () => node.killSessions(),
    scribble: () => node.scribble(chance.pick([...junk, `start ${FOREIGN} 001`, `open ${FOREIGN} 001`])),
    tear: () => node.tear(chance.whole(0, 60)),
    double: () => said.slice(-200).forEach(node.scribble),
    mute: () => node.mute(chance.whole(100, 20_000)),
    usurp: () => void greetRaw(node, reign.identity.machine, owner),
    intrude: () => void greetRaw(node, 'raw', 'L3 M3'),
  };
  deeds[what]?.();
  return deeds[what] !== undefined;
}

/** What lasts for a while and undoes itself. */
function disturb(story: Story, node: PretendNode, what: Trouble): boolean {
  const { chance, ground, fleet, reign, gone } = story;
  const { clock } = ground;
  const { name } = node.machine.setting;
  const ms = chance.whole(100, 20_000);
  const long = Math.round(fleet.lostAfterSeconds * 1000 * (0.7 + chance.next() * 2));
  const until = (after: number, undo: () => void) => void clock.sleep(after).then(undo);
  const unplugFor = (after: number, unplug: () => void) => {
    unplug();
    until(after, () => (gone.has(name) ? undefined : node.plug()));
  };
  const deeds: Partial<Record<Trouble, () => void>> = {
    unplug: () => unplugFor(ms, node.unplug),
    'unplug for long': () => unplugFor(long, node.unplug),
    'unplug for good': () => {
      if (ground.nodes.size - gone.size > 1) gone.add(name);
      if (chance.maybe(0.3)) node.powerOff();
      else node.unplug();
    },
    'power off': () => unplugFor(chance.maybe(0.5) ? ms : long, node.powerOff),
    refuse: () => {
      node.isRefusing = true;
      until(chance.maybe(0.8) ? ms : long, () => (node.isRefusing = false));
    },
    slow: () => {
      story.wasSlow = true;
      node.latencyMs = chance.pick([50, 800, 6000, 40_000]);
      until(ms, () => (node.latencyMs = 10));
    },
    'disk full': () => {
      node.machine.isDiskFull = true;
      ground.fullUntil.set(name, Math.max(ground.fullUntil.get(name) ?? 0, clock.monotonic() + ms));
      until(ms, () => (node.machine.isDiskFull = false));
    },
    'sweep late': () => {
      node.machine.sweepLagMs = chance.whole(1000, 60_000);
      until(ms, () => (node.machine.sweepLagMs = 0));
    },
    own: () => {
      node.own('L2 M2');
      until(ms, () => node.own(`${reign.identity.ledger} ${story.reign.identity.machine}`));
    },
    jump: () => clock.jump(chance.pick([-86_400_000, -3_600_000, -9000, -100, 9000, 3_600_000, 86_400_000])),
    sleep: () => clock.jump(ms + 11_000), // the machine slept: wall time went on, the monotonic one did not
  };
  deeds[what]?.();
  return deeds[what] !== undefined;
}

/** Another process greets a node, and goes. */
async function greetRaw(node: PretendNode, from: string, owner: string): Promise<void> {
  try {
    const stream = await node.reach(from).open([], () => {});
    stream.write(frame('1', ['hello', owner, '0', '0'], ''));
    stream.close();
  } catch {
    return; // it cannot be reached
  }
}
