/**
 * The controller as `fleet start` runs it, put together here so that it can be seen when each end of an attempt was
 * parsed: `ATTEMPT MS` (wall time) for each, on standard output, when it ends.
 */
import { randomBytes } from 'node:crypto';
import { control } from '../../controller/cli/commands/control.ts';
import type { Door } from '../../controller/cli/door.ts';
import { readFleet } from '../../controller/cli/session.ts';
import type { World } from '../../controller/fleet/world.ts';
import { machineClock } from '../../controller/machine.ts';
import type { Node } from '../../controller/node/node.ts';
import { wallClock } from './wall.ts';

const END = /^[A-Z] end ([0-9a-f-]{36}) /;

const ending = new AbortController();
process.once('SIGTERM', () => ending.abort());

const absent = (): never => {
  throw new Error('this door has only a controller behind it');
};

const door: Door = {
  env: { ...process.env } as Door['env'],
  cwd: process.cwd(),
  clock: machineClock,
  random: (bytes) => randomBytes(bytes),
  stdin: process.stdin,
  out: () => {},
  say: (text) => void process.stderr.write(`${text}\n`),
  live: () => {},
  isTerminal: false,
  hasColor: false,
  columns: 80,
  signal: ending.signal,
  signalExit: () => 143,
  terminal: absent,
  detach: absent,
  loadRehearsal: absent,
};

const parsed: string[] = [];
const wall = wallClock();

/** Every line goes to whoever parses it, then its moment is noted. */
function tap(world: World): void {
  const open = world.openTransport;
  const openTransport = (node: Node) => {
    const transport = open(node);
    const tapped: typeof transport.open = (words, onLine) =>
      transport.open(words, (line) => {
        onLine(line);
        const [, attempt] = END.exec(line) ?? [];
        if (attempt !== undefined) parsed.push(`${attempt} ${wall()}\n`);
      });
    return { ...transport, open: tapped };
  };
  Object.assign(world, { openTransport });
}

const readAgain = () => readFleet(door, {});
const fleet = await readAgain();
const onReady = async ({ world }: { world: World }) => {
  tap(world);
  door.say('controller ready');
};
await control(door, { fleet, takeOver: false, readAgain, signal: ending.signal, onReady });
process.stdout.write(parsed.join(''), () => process.exit());
