import { readEnvironment } from '../config/load.ts';
import { control } from '../fleet/controller.ts';
import { thisMachine } from '../machine.ts';
import { OPERATIONS } from '../operations/index.ts';
import { obey } from '../operations/obey.ts';
import { followEvents } from './events.ts';
import type { Agents, FleetInput, Lists, OpenFleet, OpenOptions } from './fleet.ts';
import { readFleet } from './given.ts';
import { change, inOurWords, limitOf, look, readResults, refuseClosed, type Session } from './session.ts';
import { runTasks, stopFleet, submitTasks, waitTasks } from './tasks.ts';
import { createTurns, type Seat } from './turn.ts';

/** The library's own composition of the world, beside the one of cli/main.ts: no printing, no signals, no exit. */
export async function openHere(
  from: FleetInput | { file: string } | undefined,
  { home, env }: OpenOptions,
): Promise<OpenFleet> {
  const machine = thisMachine(readEnvironment(env));
  const cwd = process.cwd();
  const readAgain = () => readFleet(from, { env: machine.env, cwd, home });
  let fleet = await inOurWords(readAgain());
  const turns = createTurns(async (signal, onReady) => {
    await control(machine, {
      fleet,
      takeOver: false,
      obey: async ({ world: live }, intent, world) => {
        const answer = await obey(intent, { live, world, readAgain });
        fleet = live.fleet;
        return answer;
      },
      onReady: async () => onReady(),
      signal,
    });
  });
  const session: Session = {
    machine,
    turns,
    cwd,
    closing: new AbortController(),
    get fleet() {
      return fleet;
    },
  };
  return assemble(session);
}

function assemble(session: Session): OpenFleet {
  const close = async () => {
    session.closing.abort();
    await session.turns.end();
  };
  return {
    get setting() {
      return session.fleet;
    },
    run: (tasks, options = {}) => inOurWords(runTasks(session, tasks, options)),
    submit: (tasks) => inOurWords(submitTasks(session, tasks)),
    wait: (tasks, options = {}) => inOurWords(waitTasks(session, tasks, options)),
    ...reading(session),
    ...changing(session),
    ...holding(session),
    close,
    [Symbol.asyncDispose]: close,
  };
}

type Reading = Pick<OpenFleet, 'status' | 'list' | 'show' | 'explain' | 'results' | 'report' | 'events'>;

function reading(session: Session): Reading {
  return {
    status: () => look(session, OPERATIONS.status, {}),
    list: async <What extends keyof Lists>(what: What, filter: object = {}) =>
      (await look(session, OPERATIONS.list, { ...filter, what }))[what] as Lists[What],
    show: (what) => look(session, OPERATIONS.show, { what: String(what) }),
    explain: async (task) => (await look(session, OPERATIONS.explain, { task })).lines,
    results: (tasks) => inOurWords(readResults(session, tasks)),
    report: (tasks, options = {}) => look(session, OPERATIONS.report, { ...options, tasks }),
    events: ({ since, signal } = {}) => {
      refuseClosed(session);
      const { machine, fleet, turns } = session;
      return followEvents({ machine, fleet, since, check: turns.check, signal: limitOf(session, signal) });
    },
  };
}

type Changing = Pick<OpenFleet, 'cancel' | 'retry' | 'pause' | 'resume' | 'restart' | 'tell' | 'reload'>;

function changing(session: Session): Changing {
  const words = (agents: Agents) => agents.map(String);
  return {
    cancel: (tasks) => change(session, OPERATIONS.cancel, { tasks }),
    retry: (tasks, options = {}) => change(session, OPERATIONS.retry, { ...options, tasks }),
    pause: (agents) => change(session, OPERATIONS.pause, { agents: words(agents) }),
    resume: (agents) => change(session, OPERATIONS.resume, { agents: words(agents) }),
    restart: (agents) => change(session, OPERATIONS.restart, { agents: words(agents) }),
    tell: (agents, text) => change(session, OPERATIONS.tell, { agents: words(agents), text }),
    reload: () => change(session, OPERATIONS.reload, {}),
  };
}

function holding(session: Session): Pick<OpenFleet, 'start' | 'stop'> {
  let seat: Seat | undefined;
  return {
    start: async () => {
      refuseClosed(session);
      if (seat === undefined || seat.isOver) seat = await session.turns.join();
    },
    stop: (mode = 'drain', options = {}) => inOurWords(stopFleet(session, mode, options)),
  };
}
