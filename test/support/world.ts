import type { Fleet } from '../../controller/config/fleet.ts';
import { createBell, obeyOnce, run } from '../../controller/fleet/run.ts';
import type { Plan } from '../../controller/fleet/step.ts';
import type { World } from '../../controller/fleet/world.ts';
import { readAgents, readFleetState, readNodes } from '../../controller/ledger/read.ts';
import { openSqlite } from '../../controller/ledger/sqlite.ts';
import type { Intent, IntentResult } from '../../controller/ledger/view.ts';
import type { NodeProgram } from '../../controller/node/program.ts';
import type { PretendNode } from '../../controller/transport/pretend.ts';
import type { Stream, Transport } from '../../controller/transport/transport.ts';
import type { SimulatedClock } from './clock.ts';
import { createLife, type Life, never } from './life.ts';

/**
 * A controller that can be killed at any await: from then on nothing of it reaches the ledger, a node or the clock. Frozen,
 * nothing of it runs, its connections stay open and nobody reads them.
 */
export interface Controller {
  readonly world: World;
  readonly life: Pick<Life, 'is' | 'freeze'>;
  thaw(): Promise<void>;
  /** What its last tick planned; null before the first. */
  readonly plan: Plan | null;
  readonly ticks: number;
  /** What broke it, while it was alive. */
  readonly broken: unknown;
  obey(intent: Intent, act: (world: World) => Promise<unknown>): Promise<IntentResult | undefined>;
  kill(): void;
}

export interface ControllerSetting {
  fleet: Fleet;
  /** The ledger's file; every controller of a world opens the same. */
  path: string;
  clock: SimulatedClock;
  nodes: ReadonlyMap<string, PretendNode>;
  random(bytes: number): Uint8Array;
  program: NodeProgram;
  /** Its `machine` is also the name of its ways to nodes. */
  identity: World['identity'];
  /** Sees each request to a node and lets it go out by calling `write`; here a kill or a cut falls on its very moment. */
  onRequest?: (node: string, verb: string, write: () => void) => void;
}

/** Opens the ledger and begins to run. */
export async function openController(setting: ControllerSetting): Promise<Controller> {
  const { fleet, clock, program, identity } = setting;
  const life = createLife();
  let broken: unknown;
  let plan: Plan | null = null;
  let ticks = 0;
  const ledger = openSqlite({ path: setting.path, readOnly: false });
  await readFleetState(ledger); // the connection is made now, so that a kill always finds it to close
  const bell = createBell();
  const fail = (error: unknown) => {
    if (life.is !== 'dead') broken ??= error;
  };
  const world: World = {
    fleet,
    ledger,
    clock: {
      now: clock.now,
      monotonic: clock.monotonic,
      sleep: (ms, signal) => (life.is === 'dead' ? never() : clock.sleep(ms, signal).then(() => life.pass(undefined))),
    },
    random: setting.random,
    openTransport: ({ name }) => {
      const node = setting.nodes.get(name);
      if (!node) throw new Error(`no node ${name} in this world`);
      return mortal(name, node.reach(identity.machine), setting, life);
    },
    memory: {
      since: clock.monotonic(),
      isTakenOver: false,
      places: new Map((await readAgents(ledger)).map(({ number, node }) => [number, node])),
      nodes: new Map(
        (await readNodes(ledger)).map(({ name, vcpu, memoryGiB, epoch }) => [name, { vcpu, memoryGiB, epoch }]),
      ),
    },
    program,
    identity,
    secretsOf: async () => ({}),
    sights: new Map(),
    wake: bell.ring,
    track: (work) => void work.catch(fail),
  };
  const isDone = async (next: Plan) => {
    plan = next;
    ticks += 1;
    return false;
  };
  const obey = async () => undefined;
  run({ world, bell, inbox: null, obey, signal: new AbortController().signal, isDone }).catch(fail);
  return {
    world,
    life,
    thaw: () => life.thaw(clock.settle),
    get plan() {
      return plan;
    },
    get ticks() {
      return ticks;
    },
    get broken() {
      return broken;
    },
    obey: (intent, act) =>
      obeyOnce({ world, obey: (_, inside) => act(inside) }, intent).catch((error: unknown) => {
        fail(error);
        return undefined;
      }),
    kill: () => {
      life.kill();
      void ledger.destroy(); // what was not committed is rolled back
    },
  };
}

function mortal(name: string, transport: Transport, { onRequest }: ControllerSetting, life: Life): Transport {
  const request = (text: string, write: () => void) =>
    onRequest ? onRequest(name, text.split(' ', 2)[1]?.trim() ?? '', write) : write();
  return {
    run: async (command, signal) => (life.is === 'dead' ? never() : life.pass(await transport.run(command, signal))),
    open: async (words, onLine) => {
      if (life.is === 'dead') return never();
      const opening = transport.open(words, (line) => life.act(() => onLine(line)));
      void opening.then((stream) => (life.is === 'dead' ? stream.close() : undefined)).catch(() => {});
      return mortalStream(await outliving(opening, life), request, life);
    },
    terminal: transport.terminal,
    close: async () => {},
  };
}

/** What comes of it, also a failure, reaches only a process that runs. */
async function outliving<T>(work: Promise<T>, life: Life): Promise<T> {
  await work.catch(() => {});
  await life.pass(undefined);
  return work;
}

function mortalStream(stream: Stream, request: (text: string, write: () => void) => void, life: Life): Stream {
  return {
    write: (text) => life.act(() => request(text, () => stream.write(text))),
    forward: (port, target) => (life.is === 'dead' ? never() : outliving(stream.forward(port, target), life)),
    close: () => life.act(() => stream.close()),
    ended: stream.ended.then((why) => new Promise((resolve) => life.act(() => resolve(why)))),
  };
}
