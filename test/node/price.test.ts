import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Priced, PriceList, priceMonth, sum } from '../../controller/node/price.ts';
import { packaged } from '../../controller/package.ts';

const PRICES = PriceList.parse(JSON.parse(readFileSync(packaged('infra/prices.json'), 'utf8')));

const aMachine = (over: Partial<Priced> = {}): Priced => ({
  ...{
    region: 'us-east-1',
    instanceType: 'c6i.4xlarge',
    market: 'on-demand',
    volumeGiB: 100,
    address: 'while-running',
  },
  ...over,
});
const month = (hoursOn: number, hours = 720) => ({ hours, hoursOn });

describe('the price of a machine', () => {
  it('is its hours, its disk and its address', () => {
    const price = { compute: 489.6, volume: 8, address: 3.6, total: 501.2 };
    expect(priceMonth(aMachine(), month(720), PRICES)).toEqual(price);
    expect(priceMonth(aMachine(), month(744, 744), PRICES).compute).toBe(505.92);
  });

  it('is its disk while it is off, and its address where that is kept', () => {
    expect(priceMonth(aMachine(), month(0), PRICES)).toEqual({ compute: 0, volume: 8, address: 0, total: 8 });
    expect(priceMonth(aMachine({ address: 'elastic' }), month(0), PRICES).total).toBe(11.6);
    expect(priceMonth(aMachine({ address: 'none' }), month(720), PRICES).total).toBe(497.6);
  });

  it.each([
    ['an unknown type', { instanceType: 'c6i.6xlarge' }, { compute: null, volume: 8 }],
    ['a type nobody said', { instanceType: null }, { compute: null, volume: 8 }],
    ['a region without prices', { region: 'eu-west-1' }, { compute: null, volume: null }],
    ['Spot, which changes by the hour', { market: 'spot' as const }, { compute: null, volume: 8 }],
    ['a disk nobody said', { volumeGiB: null }, { compute: 489.6, volume: null }],
  ])('is unknown for %s, and so is every sum with it', (_, over, parts) => {
    const price = priceMonth(aMachine(over), month(720), PRICES);
    expect(price).toMatchObject({ ...parts, total: null });
    expect(sum([price.total, 100])).toBeNull();
  });

  it('is whole cents, and never more for fewer hours', () => {
    const hours = fc.integer({ min: 0, max: 720 });
    const types = fc.constantFrom(...Object.keys(PRICES.regions['us-east-1']?.hour ?? {}));
    fc.assert(
      fc.property(types, hours, hours, (instanceType, one, other) => {
        const [fewer = 0, more = 0] = [one, other].sort((left, right) => left - right);
        const [low, high] = [fewer, more].map((on) => priceMonth(aMachine({ instanceType }), month(on), PRICES).total);
        expect(low).toBeLessThanOrEqual(high ?? 0);
        expect(Math.round((low ?? 0) * 100) / 100).toBe(low);
      }),
    );
  });
});
