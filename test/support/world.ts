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

/** A controller that can be killed at any await: from then on nothing of it reaches the ledger, a node or the clock. */
export interface Controller {
  readonly world: World;
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
  identity: World['identity'];
  /** Sees each request to a node and lets it go out by calling `write`; here a kill or a cut falls on its very moment. */
  onRequest?: (node: string, verb: string, write: () => void) => void;
}

/** Stands still for ever: what a killed process awaits. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}

/** Opens the ledger and begins to run. */
export async function openController(setting: ControllerSetting): Promise<Controller> {
  const { fleet, clock, program, identity } = setting;
  let isAlive = true;
  let broken: unknown;
  let plan: Plan | null = null;
  let ticks = 0;
  const ledger = openSqlite({ path: setting.path, readOnly: false });
  await readFleetState(ledger); // the connection is made now, so that a kill always finds it to close
  const bell = createBell();
  const fail = (error: unknown) => {
    if (isAlive) broken ??= error;
  };
  const world: World = {
    fleet,
    ledger,
    clock: {
      now: clock.now,
      monotonic: clock.monotonic,
      sleep: (ms, signal) => (isAlive ? clock.sleep(ms, signal).then(() => (isAlive ? undefined : never())) : never()),
    },
    random: setting.random,
    openTransport: ({ name }) => {
      const node = setting.nodes.get(name);
      if (!node) throw new Error(`no node ${name} in this world`);
      return mortal(name, node.transport, setting, () => isAlive);
    },
    memory: {
      since: clock.monotonic(),
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
      isAlive = false;
      void ledger.destroy(); // what was not committed is rolled back
    },
  };
}

function mortal(
  name: string,
  transport: Transport,
  { onRequest }: ControllerSetting,
  isAlive: () => boolean,
): Transport {
  const request = (text: string, write: () => void) =>
    onRequest ? onRequest(name, text.split(' ', 2)[1]?.trim() ?? '', write) : write();
  return {
    run: async (command, signal) => {
      const outcome = isAlive() ? await transport.run(command, signal) : await never<never>();
      return isAlive() ? outcome : never();
    },
    open: async (words, onLine) => {
      if (!isAlive()) return never();
      const stream = await transport.open(words, (line) => (isAlive() ? onLine(line) : undefined));
      return isAlive() ? mortalStream(stream, request, isAlive) : never();
    },
    terminal: transport.terminal,
    close: async () => {},
  };
}

function mortalStream(
  stream: Stream,
  request: (text: string, write: () => void) => void,
  isAlive: () => boolean,
): Stream {
  return {
    write: (text) => (isAlive() ? request(text, () => stream.write(text)) : undefined),
    forward: (port, target) => (isAlive() ? stream.forward(port, target) : never<number>()),
    close: () => (isAlive() ? stream.close() : undefined),
    ended: stream.ended.then((why) => (isAlive() ? why : never<string>())),
  };
}
