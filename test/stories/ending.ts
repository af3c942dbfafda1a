import { isEmpty } from '../../controller/fleet/step.ts';
import { inTransaction } from '../../controller/ledger/ledger.ts';
import { pauseAgents } from '../../controller/ledger/sights.ts';
import { wake } from './copies.ts';
import { type AgentRow, mayTake, type WaitingRow } from './patience.ts';
import { rowsOf } from './sentences.ts';
import type { Reign, Story } from './story.ts';
import { goOn } from './time.ts';

/** How a world comes to its end: all that can be put right is, and then everything has to settle. */

/** A clock set back may hold a task for the longest wait there is, an hour, and its retry, too. */
const SETTLE_SECONDS_MAX = 9000;
const QUIET_SECONDS = 30;
/** What a slow network still carries when it is slow no more. */
const LATE_SECONDS = 150;

export async function calm(story: Story): Promise<void> {
  const { ground, gone } = story;
  story.isCalm = true;
  await goOn(story, 21_000); // what was under way undoes itself
  for (const former of story.formers) await wake(story, former);
  for (const [name, node] of ground.nodes) {
    if (!gone.has(name)) node.plug();
    node.isRefusing = false;
  }
  while (!story.reign.controller && story.wrong.length === 0) await goOn(story, 1000);
  await goOn(story, story.rivals.length > 0 ? 61_000 : 0);
  const { reign } = story;
  await goOn(story, 30_000); // a late one takes what nobody told it that it lost
  for (const node of ground.nodes.values()) {
    node.own(`${reign.identity.ledger} ${reign.identity.machine}`);
    node.cut('clean', { toNode: 0, toController: 0 }); // a node whose files went is met anew: by itself it would not say so
  }
  const numbers = Array.from({ length: 60 }, (_, index) => index + 1);
  const at = ground.clock.now();
  const intent = { id: `intent-${story.seed}-calm`, operation: 'resume', input: {}, by: 'person', at };
  const resumed = reign.controller?.obey(intent, async (world) => {
    await inTransaction(world.ledger, (tx) => pauseAgents(tx, numbers, false, ground.clock.now()));
    world.wake();
  });
  await ground.clock.settle();
  await resumed;
}

interface OpenRow extends WaitingRow {
  state: string;
  reason: string | null;
}

/** What waits for something that will not come, and says so: an agent that there is not, or lives where nobody gets to. */
function openTasks(story: Story): OpenRow[] {
  const { ground, gone } = story;
  const { watch } = story.reign;
  const open = rowsOf<OpenRow>(
    watch,
    "SELECT id, state, reason, agents, category, resumes_on, resumes_node FROM task WHERE state IN ('queued', 'blocked', 'running')",
  );
  const agents = rowsOf<AgentRow>(watch, 'SELECT number, node, category, state, paused FROM agent');
  const elsewhere = 'SELECT agent FROM attempt WHERE is_parked = 1';
  const bound = new Set(rowsOf<{ agent: number }>(watch, elsewhere).map(({ agent }) => agent));
  const living = agents.filter(
    ({ node, number }) => !gone.has(node) && !bound.has(number) && watch.fleet.nodes.some(({ name }) => name === node),
  );
  const stuck = new Set<string>();
  for (const task of open)
    if (task.state === 'queued' && !living.some((agent) => mayTake(watch, { ...task, resumes_on: null }, agent)))
      stuck.add(task.id);
  for (let more = true; more; ) {
    const found = open.filter(
      ({ id, state }) => state === 'blocked' && !stuck.has(id) && ground.needs.get(id)?.some((need) => stuck.has(need)),
    );
    for (const { id } of found) stuck.add(id);
    more = found.length > 0;
  }
  const left = open.filter(({ id }) => !stuck.has(id));
  const unsettled = rowsOf<OpenRow & { node: string }>(
    watch,
    "SELECT task.id AS id, task.state AS state, task.reason AS reason, task.agents, task.category, resumes_on, resumes_node, attempt.node AS node FROM attempt JOIN task ON task.id = attempt.task WHERE attempt.ended_at IS NULL AND task.state <> 'running'",
  );
  const here = unsettled.filter(({ node }) => !gone.has(node) && watch.fleet.nodes.some(({ name }) => name === node));
  return [...left, ...here];
}

export async function settleAll(story: Story): Promise<void> {
  const { clock } = story.ground;
  const until = clock.monotonic() + SETTLE_SECONDS_MAX * 1000;
  while (openTasks(story).length > 0 && story.wrong.length === 0) {
    if (clock.monotonic() > until) {
      story.wrong.push(`(g) not settled after ${SETTLE_SECONDS_MAX} s: ${JSON.stringify(openTasks(story))}`);
      return;
    }
    await goOn(story, 5000);
  }
  await goOn(story, (story.wasSlow ? LATE_SECONDS : QUIET_SECONDS) * 1000);
  for (let look = 0; look < 3 && story.wrong.length === 0; look += 1) {
    const ticks = story.reign.controller?.ticks ?? 0;
    await goOn(story, 6000);
    const plan = story.reign.controller?.plan;
    if (!plan || (story.reign.controller?.ticks ?? 0) === ticks) story.wrong.push('(g) no tick in 6 s');
    else if (!isEmpty(plan)) story.wrong.push(`(g) all is quiet, and a tick plans ${JSON.stringify(plan)}`);
  }
  if (story.wrong.length > 0) return;
  story.wrong.push(
    ...judgeAnswers(story),
    ...judgeQuiet(story),
    ...story.formers.flatMap((each) => judgeFormer(story, each)),
  );
}

/** Every wish has its answer, and the true one. */
function judgeAnswers({ wishes, asked }: Story): string[] {
  const wrong = [...wishes.keys()].map((id) => `(a) ${id} was never answered`);
  for (const { id, task, seen, watch } of asked) {
    const answers = rowsOf<{ result: string }>(watch, 'SELECT result FROM intent WHERE id = ?', id);
    const isRefused = answers.some(({ result }) => result.includes('unlawful'));
    const done = `SELECT seq FROM event WHERE kind = 'task_retried' AND data LIKE '%"by":"person"%' AND task = ? AND seq > ?`;
    const isAlone = asked.filter((other) => other.task === task).length === 1;
    if (isRefused && isAlone && rowsOf(watch, done, task, seen).length > 0)
      wrong.push(`(h) ${id} was done and is told as refused`);
  }
  return wrong;
}

/** When nothing goes on, everything is seen as it is, and nothing is left lying about. */
function judgeQuiet(story: Story): string[] {
  const { ground, reign, gone } = story;
  const { watch } = reign;
  const wrong: string[] = [];
  const living = watch.fleet.nodes.map(({ name }) => name).filter((name) => !gone.has(name));
  for (const name of living) {
    const node = ground.nodes.get(name)!;
    if (node.countStreams(watch.from) !== 1)
      wrong.push(`(h) ${name} has ${node.countStreams(watch.from)} conversations open`);
    if (node.machine.open.size > 0) wrong.push(`(a) ${name} still holds ${[...node.machine.open.keys()].join(' ')}`);
  }
  const parked = rowsOf<{ agent: number; node: string }>(watch, 'SELECT agent, node FROM attempt WHERE is_parked = 1');
  const agents = rowsOf<AgentRow>(watch, "SELECT number, node, state, evidence FROM agent WHERE state <> 'idle'");
  const odd = agents.filter(
    ({ number, node }) => living.includes(node) && !parked.some(({ agent }) => agent === number),
  );
  if (odd.length > 0) wrong.push(`(h) nothing goes on, and agents are ${JSON.stringify(odd)}`);
  const nodes = rowsOf<{ name: string; state: string }>(watch, 'SELECT name, state, evidence FROM node');
  for (const node of nodes)
    if (living.includes(node.name) !== (node.state === 'up'))
      wrong.push(`(h) nothing is wrong, and a node is ${JSON.stringify(node)}`);
  for (const { node } of parked)
    if (living.includes(node)) wrong.push(`(h) something is parked on ${node}, which is there`);
  return wrong;
}

/** One that lost its nodes says so of every one that is there. */
function judgeFormer({ gone, reign: { watch: now } }: Story, { watch, controller }: Reign): string[] {
  if (!controller) return [];
  const nodes = rowsOf<{ name: string; state: string; evidence: string }>(
    watch,
    'SELECT name, state, evidence FROM node',
  );
  const taken = nodes.filter(({ name }) => !gone.has(name) && now.fleet.nodes.some((node) => node.name === name));
  return taken
    .filter(({ state, evidence }) => state === 'up' || !evidence.includes('another ledger'))
    .map((node) => `(i) ${watch.from} lost ${node.name} and says ${JSON.stringify(node)}`);
}
