import { z } from 'zod';

/** What machines cost: a list of prices with its date and source, and arithmetic over it. Unknown is null, never 0. */

const Dollars = z.number().positive().max(10_000);

export const PriceList = z.strictObject({
  /** Day on which the prices were read. */
  at: z.iso.date(),
  source: z.string().min(1),
  /** Dollars an hour for a public IPv4 address that is held. */
  publicIpHour: Dollars,
  regions: z.record(
    z.string(),
    z.strictObject({
      /** Dollars a month for a GiB of gp3. */
      gp3GiBMonth: Dollars,
      /** Dollars an hour for Linux on demand, by instance type. */
      hour: z.record(z.string(), Dollars),
    }),
  ),
});
export type PriceList = z.infer<typeof PriceList>;

export interface Priced {
  region: string;
  /** Null: not known. */
  instanceType: string | null;
  market: 'on-demand' | 'spot';
  /** Null: not known. */
  volumeGiB: number | null;
  /** An elastic address is held while the machine is off, too. */
  address: 'none' | 'while-running' | 'elastic';
}

/** Dollars for a month, to the cent. Null: not known, and a sum with an unknown part is unknown. */
export interface MonthPrice {
  compute: number | null;
  volume: number | null;
  address: number | null;
  total: number | null;
}

export interface Month {
  /** Hours in it. */
  hours: number;
  /** Of which the machine is on. */
  hoursOn: number;
}

/** Spot prices change by the hour and are nobody's list: unknown. */
export function priceMonth(
  { region, instanceType, market, volumeGiB, address }: Priced,
  month: Month,
  prices: PriceList,
): MonthPrice {
  const here = prices.regions[region];
  const hourly = instanceType === null || market === 'spot' ? undefined : here?.hour[instanceType];
  const hoursHeld = { none: 0, 'while-running': month.hoursOn, elastic: month.hours }[address];
  const parts = {
    compute: hourly === undefined ? null : cents(hourly * month.hoursOn),
    volume: volumeGiB === null || here === undefined ? null : cents(volumeGiB * here.gp3GiBMonth),
    address: cents(prices.publicIpHour * hoursHeld),
  };
  return { ...parts, total: sum(Object.values(parts)) };
}

/** Null where one of them is. */
export function sum(amounts: readonly (number | null)[]): number | null {
  return amounts.reduce((all, each) => (all === null || each === null ? null : cents(all + each)), 0 as number | null);
}

/** Dollars to the cent; the product of a price and hours is off by less than a millionth. */
function cents(dollars: number): number {
  return Math.round(dollars * 100 + 1e-6) / 100;
}
