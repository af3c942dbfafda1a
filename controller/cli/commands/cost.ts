import { basename, resolve } from 'node:path';
import { parseSettings } from '../../../infra/settings/parse.ts';
import { nodeNames, type Settings } from '../../../infra/settings/schema.ts';
import { readBounded } from '../../config/file.ts';
import { FLEET_BYTES_MAX } from '../../config/limit.ts';
import { decode, readYaml } from '../../config/position.ts';
import { childOf } from '../../config/value.ts';
import { FleetError } from '../../errors.ts';
import { type Month, type MonthPrice, type Priced, PriceList, priceMonth, sum } from '../../node/price.ts';
import { packaged } from '../../package.ts';
import type { Door } from '../door.ts';
import { listStackFiles } from '../project.ts';
import { table } from '../table.ts';

export interface CostOptions {
  month?: string;
  hoursOn?: string;
  prices?: string;
  project?: string;
  json?: boolean;
}

const PRICES = packaged('infra/prices.json');
const SETTINGS_KEY = 'miyabi-fleet:settings';
/** A month of thirty days, as bills are compared; a calendar month has 672 to 744. */
const HOURS_DEFAULT = 720;

interface NodeCost extends Priced {
  node: string;
  /** On all the time. */
  always: MonthPrice;
  /** On for the hours that were said. */
  scheduled: MonthPrice;
  /** Never on. */
  off: MonthPrice;
}

interface StackCost {
  stack: string;
  nodes: readonly NodeCost[];
  /** Dollars for the month; null: a part of it is not known. */
  always: number | null;
  scheduled: number | null;
  off: number | null;
}

/** `fleet cost plan`: what each stack would cost in a month, before there is anything of it. */
export async function planCost(door: Door, files: readonly string[], options: CostOptions): Promise<number> {
  const hours = hoursOf(options.month);
  const hoursOn = hoursOnOf(options.hoursOn, hours);
  const prices = await readPrices(options.prices === undefined ? PRICES : resolve(door.cwd, options.prices));
  const paths = files.length > 0 ? files : await listStackFiles(door.cwd, options.project);
  const stacks = await Promise.all(
    paths.map(async (path) => costOf(path, await readStack(path), { hours, hoursOn }, prices)),
  );
  const all = totalsOf(stacks);
  const month = { hours, hoursOn, calendar: options.month?.includes('-') ? options.month : null };
  if (options.json) {
    const { at, source } = prices;
    door.out(`${JSON.stringify({ version: 1, currency: 'USD', month, prices: { at, source }, stacks, ...all })}\n`);
  } else print(door, stacks, all, month, prices);
  return 0;
}

/** `720h`, or `2026-11` for a month of the calendar. */
function hoursOf(month: string | undefined): number {
  if (month === undefined) return HOURS_DEFAULT;
  const calendar = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month);
  if (calendar) return new Date(Date.UTC(Number(calendar[1]), Number(calendar[2]), 0)).getUTCDate() * 24;
  const hours = /^(\d{1,3})h$/.exec(month);
  if (hours && Number(hours[1]) > 0 && Number(hours[1]) <= 744) return Number(hours[1]);
  throw new FleetError('usage', `--month ${month} is no month`, { hint: 'Such as 720h, 730h or 2026-11.' });
}

function hoursOnOf(said: string | undefined, hours: number): number {
  if (said === undefined) return hours;
  const value = /^\d{1,3}$/.test(said) ? Number(said) : Number.NaN;
  if (value <= hours) return value;
  throw new FleetError('usage', `--hours-on ${said} is no number of hours in the month, which has ${hours}`, {
    hint: 'Ten hours on 22 days are 220.',
  });
}

async function readPrices(path: string): Promise<PriceList> {
  const bad = (lines: readonly string[]) =>
    new FleetError('config-invalid', lines.map((line) => `${path} ${line}`).join('\n'), {
      hint: 'infra/prices.json is such a list.',
    });
  const reading = await readBounded(path, FLEET_BYTES_MAX);
  if (reading.is !== 'read') throw bad([reading.is === 'absent' ? 'is not there' : reading.reason]);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(reading.bytes).toString('utf8'));
  } catch {
    throw bad(['is not JSON']);
  }
  const parsed = PriceList.safeParse(value);
  if (parsed.success) return parsed.data;
  throw bad(parsed.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`));
}

async function readStack(path: string): Promise<Settings> {
  const bad = (problems: readonly string[]) =>
    new FleetError('config-invalid', problems.map((problem) => `${path} ${problem}`).join('\n'), {
      hint: 'Every setting of a stack is described in docs/infrastructure.md.',
    });
  const reading = await readBounded(path, FLEET_BYTES_MAX);
  if (reading.is !== 'read') throw bad([reading.is === 'absent' ? 'is not there' : reading.reason]);
  const text = decode(reading.bytes, FLEET_BYTES_MAX);
  const yaml = text.is === 'flawed' ? text : readYaml(path, text.value);
  if (yaml.is === 'flawed') throw bad(yaml.flaws.map(({ line, column, message }) => `${line}:${column}: ${message}`));
  const { settings, problems } = parseSettings(childOf(childOf(yaml.value.value, 'config'), SETTINGS_KEY) ?? {});
  if (problems) throw bad(problems.map(({ path: at, message }) => `${at}: ${message}`));
  return settings;
}

function costOf(path: string, settings: Settings, { hours, hoursOn }: Month, prices: PriceList): StackCost {
  const nodes = machinesOf(settings).map(({ node, ...machine }): NodeCost => {
    const on = (hoursUp: number) => priceMonth(machine, { hours, hoursOn: hoursUp }, prices);
    return { node, ...machine, always: on(hours), scheduled: on(hoursOn), off: on(0) };
  });
  const total = (pick: (cost: NodeCost) => MonthPrice) => sum(nodes.map((node) => pick(node).total));
  const stack = basename(path).replace(/^Pulumi\.(.*)\.ya?ml$/, '$1');
  return {
    stack,
    nodes,
    always: total((node) => node.always),
    scheduled: total((node) => node.scheduled),
    off: total((node) => node.off),
  };
}

function machinesOf({ region, adopted, groups }: Settings): readonly ({ node: string } & Priced)[] {
  return [
    ...adopted.map(({ name, instanceType = null, volumeGiB = null, address }) => {
      return { node: name, region, instanceType, market: 'on-demand' as const, volumeGiB, address };
    }),
    ...groups.flatMap(({ instanceType, market, volumeGiB, address, ...group }) =>
      nodeNames(group).map((node) => ({ node, region, instanceType, market, volumeGiB, address })),
    ),
  ];
}

type Totals = Pick<StackCost, 'always' | 'scheduled' | 'off'>;

function totalsOf(stacks: readonly StackCost[]): Totals {
  const total = (name: keyof Totals) => sum(stacks.map((stack) => stack[name]));
  return { always: total('always'), scheduled: total('scheduled'), off: total('off') };
}

const dollars = (amount: number | null) => (amount === null ? 'unknown' : `$${amount.toFixed(2)}`);

function print(
  door: Door,
  stacks: readonly StackCost[],
  all: Totals,
  { hours, hoursOn, calendar }: Month & { calendar: string | null },
  { at, source }: PriceList,
): void {
  const heading = ['STACK', 'NODE', 'TYPE', 'COMPUTE', 'DISK', 'IPV4', 'ALWAYS ON', `ON ${hoursOn} H`, 'OFF'];
  const sums = (stack: string, node: string, { always, scheduled, off }: Totals) => {
    return [stack, node, '', '', '', '', dollars(always), dollars(scheduled), dollars(off)];
  };
  const rows = stacks.flatMap(({ stack, nodes, ...totals }) => [
    ...nodes.map(({ node, instanceType, market, always, scheduled, off }) => [
      ...[stack, node, `${instanceType ?? 'unknown'}${market === 'spot' ? ' (spot)' : ''}`],
      ...[dollars(always.compute), dollars(always.volume), dollars(always.address)],
      ...[dollars(always.total), dollars(scheduled.total), dollars(off.total)],
    ]),
    sums(stack, 'together', totals),
  ]);
  door.out(`${table(heading, [...rows, sums('all', '', all)], door.columns)}\n`);
  const length = calendar === null ? `${hours} hours` : `${calendar}, ${hours} hours`;
  door.say(`US dollars for a month of ${length}; model tokens come on top. Prices of ${at}: ${source}.`);
}
