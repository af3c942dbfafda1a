import { DatabaseSync } from 'node:sqlite';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import { copyHeard } from './heard.ts';
import { newPatience } from './patience.ts';
import { rowsOf, type Watch } from './sentences.ts';
import { newPath, openReign, type Reign, type Story } from './story.ts';
import { handIn } from './wishes.ts';

/** Two controllers, each with a ledger of its own: one was copied from the other at some instant. */

/** A copy of the ledger as it is now, and of what was observed of it. */
export async function copyAside({ reign }: Story, from: string): Promise<{ path: string; watch: Watch }> {
  const path = newPath();
  const keeper = openSqlite({ path, readOnly: false });
  const ledger = new DatabaseSync(path);
  await keeper.destroy();
  const { watch } = reign;
  ledger.exec(`PRAGMA foreign_keys = OFF; ATTACH '${reign.path}' AS former`);
  const tables = "SELECT name FROM former.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'";
  for (const { name } of ledger.prepare(tables).all() as { name: string }[])
    ledger.exec(`DELETE FROM main."${name}"; INSERT INTO main."${name}" SELECT * FROM former."${name}"`);
  ledger.exec('DETACH former; PRAGMA foreign_keys = ON');
  const copy: Watch = {
    ...watch,
    ledger,
    from,
    heard: new Map([...watch.heard].map(([name, heard]) => [name, copyHeard(heard)])),
    isHeld: false,
    accepted: new Set(watch.accepted),
    cancelled: new Map(watch.cancelled),
    completed: new Map(watch.completed),
    eventsSeen: rowsOf<{ seq: number }>({ ledger }, 'SELECT coalesce(max(seq), 0) AS seq FROM event')[0]?.seq ?? 0,
    patience: newPatience(),
  };
  return { path, watch: copy };
}

/** The process ends, at once. What it had under way to nodes: so many requests arrive. */
export function surrender(story: Story, reign: Reign, kept: number): void {
  const { chance, ground } = story;
  reign.controller?.kill();
  story.ticks += reign.controller?.ticks ?? 0;
  reign.controller = null;
  reign.watch.isHeld = false;
  for (const node of ground.nodes.values())
    node.cut(chance.maybe(0.7) ? 'clean' : 'silent', { toNode: kept, toController: 0 }, reign.identity.machine);
}

const FREEZES_MAX = 3;

/** Takes nodes over with a copy made at this moment, or with one that is old by then. */
export async function takeOver(story: Story): Promise<void> {
  const { chance, ground, reign } = story;
  if (chance.maybe(0.5)) return freeze(story);
  story.copy ??= await copyAside(story, '');
  void ground.clock.sleep(chance.whole(500, 20_000)).then(() => (story.reign === reign ? freeze(story) : undefined));
}

/** SIGSTOP, on some await; somebody else takes the nodes over with a copy, old or new; SIGCONT. */
async function freeze(story: Story): Promise<void> {
  const { chance, ground, reign } = story;
  const former = reign.controller;
  if (story.isCalm || former?.life.is !== 'alive' || story.formers.length >= FREEZES_MAX) return;
  for (let hops = chance.whole(0, 300); hops > 0; hops -= 1) await Promise.resolve();
  former.life.freeze();
  await ground.clock.settle();
  reign.watch.isHeld = false;
  story.killAfter = null;
  const machine = `M${ground.watches.length + 1}`;
  const copy = story.copy ?? (await copyAside(story, machine));
  story.copy = null;
  copy.watch.from = machine;
  ground.watches.push(copy.watch);
  ground.taker = machine;
  ground.counts.takeOvers += 1;
  story.formers.push(reign);
  story.reign = { ...copy, identity: { ledger: 'L1', machine, takeOver: true }, controller: null };
  story.say(`frozen; ${machine} takes over`);
  await openReign(story, story.reign);
  handIn(story);
  void ground.clock.sleep(chance.whole(5, 120) * 1000).then(() => wake(story, reign));
}

export async function wake(story: Story, reign: Reign): Promise<void> {
  if (reign.controller?.life.is !== 'frozen') return;
  story.say(`${reign.identity.machine} goes on`);
  reign.watch.isHeld = true;
  reign.watch.heldSince = story.ground.clock.monotonic();
  await reign.controller.thaw();
}

/** A controller on a copy that was never told to take anything over: it comes, is refused, and goes. */
export async function invade(story: Story): Promise<void> {
  const { chance, ground } = story;
  if (!story.reign.controller || story.rivals.length > 1) return;
  const machine = `M${ground.watches.length + 1}`;
  const copy = await copyAside(story, machine);
  ground.watches.push(copy.watch);
  const rival: Reign = { ...copy, identity: { ledger: 'L1', machine, takeOver: false }, controller: null };
  story.rivals.push(rival);
  await openReign(story, rival);
  void ground.clock.sleep(chance.whole(5, 60) * 1000).then(() => surrender(story, rival, 0));
}
