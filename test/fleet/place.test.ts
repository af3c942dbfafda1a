import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { capOf, type Holder, largestRemainder, place } from '../../controller/fleet/place.ts';

const RATIO = { perVcpu: 1, memoryGiBEach: 1 };
const holder = (vcpu: number, different: Partial<Holder> = {}): Holder => ({
  name: `v${vcpu}`,
  vcpu,
  memoryGiB: 1000,
  maxAgents: null,
  ...different,
});
const countsOf = (nodes: readonly Holder[], count: number | 'auto', ratio = RATIO) =>
  place(nodes, ratio, count).counts.map((each) => each.count);

describe('where agents stand', () => {
  test('18 agents on machines of 16 and 8 vCPU are 12 and 6', () => {
    expect(countsOf([holder(16), holder(8)], 18)).toEqual([12, 6]);
  });

  test('100 agents over three unequal machines keep the proportion of their vCPUs', () => {
    expect(countsOf([holder(64), holder(32), holder(16)], 100)).toEqual([57, 29, 14]);
  });

  test('200 agents over seven equal machines differ by one at most, and the earlier get the one', () => {
    const nodes = Array.from({ length: 7 }, (_, index) => holder(32, { name: `n${index}` }));
    expect(countsOf(nodes, 200)).toEqual([29, 29, 29, 29, 28, 28, 28]);
  });

  test('what a full machine cannot take is shared among the others by their vCPUs', () => {
    expect(countsOf([holder(16, { maxAgents: 4 }), holder(16), holder(8)], 28)).toEqual([4, 16, 8]);
  });

  test('what fits nowhere is said, not squeezed in', () => {
    expect(place([holder(4), holder(2)], RATIO, 10)).toMatchObject({
      unplaced: 4,
      counts: [{ count: 4 }, { count: 2 }],
    });
  });

  test('`auto` is what the machines can hold', () => {
    expect(place([holder(4), holder(2)], RATIO, 'auto')).toMatchObject({
      unplaced: 0,
      counts: [{ count: 4 }, { count: 2 }],
    });
  });

  test('no machine at all leaves everybody unplaced', () => {
    expect(place([], RATIO, 3)).toEqual({ counts: [], unplaced: 3 });
    expect(place([], RATIO, 'auto')).toEqual({ counts: [], unplaced: 0 });
  });
});

describe('what a machine can hold', () => {
  test.each<[string, Holder, object]>([
    ['its vCPUs', holder(8, { memoryGiB: 64 }), { cap: 8, limit: 'vcpu' }],
    ['its memory, one GiB kept for itself', holder(8, { memoryGiB: 5 }), { cap: 4, limit: 'memory' }],
    ['what its operator says', holder(8, { maxAgents: 3 }), { cap: 3, limit: 'maxAgents' }],
    ['100 where nobody says', holder(256), { cap: 100, limit: 'maxAgents' }],
    ['nothing with less memory than it needs for itself', holder(8, { memoryGiB: 0.5 }), { cap: 0, limit: 'memory' }],
  ])('is bound by %s, and the limit that binds is named', (_, node, cap) => {
    expect(capOf(node, RATIO)).toMatchObject(cap);
  });

  test('is not one agent less because of how fractions are stored', () => {
    expect(capOf(holder(100), { perVcpu: 0.29, memoryGiBEach: 1 }).cap).toBe(29);
    expect(capOf(holder(100, { memoryGiB: 30 }), { perVcpu: 1, memoryGiBEach: 0.29 }).cap).toBe(100);
    expect(capOf(holder(100, { memoryGiB: 3.1 }), { perVcpu: 1, memoryGiBEach: 0.3 }).cap).toBe(7);
  });
});

const nodes = fc.array(
  fc.record({
    name: fc.string(),
    vcpu: fc.integer({ min: 0, max: 192 }),
    memoryGiB: fc.integer({ min: 0, max: 768 }),
    maxAgents: fc.option(fc.integer({ min: 0, max: 200 })),
  }),
  { maxLength: 12 },
);
const ratios = fc.record({
  perVcpu: fc.integer({ min: 1, max: 40 }).map((tenths) => tenths / 10),
  memoryGiBEach: fc.constantFrom(0.5, 1, 2),
});
const wanted = fc.integer({ min: 0, max: 2000 });
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('placement, whatever the machines', () => {
  test('never gives a machine more than it can hold, and loses or invents nobody', () => {
    fc.assert(
      fc.property(nodes, ratios, wanted, (holders, ratio, count) => {
        const { counts, unplaced } = place(holders, ratio, count);
        for (const node of counts) expect(node.count).toBeLessThanOrEqual(node.cap);
        expect(Math.min(...counts.map((node) => node.count), 0)).toBe(0);
        expect(sum(counts.map((node) => node.count)) + unplaced).toBe(count);
        expect(unplaced).toBe(Math.max(0, count - sum(counts.map((node) => node.cap))));
      }),
    );
  });

  test('answers the same question the same way', () => {
    fc.assert(
      fc.property(nodes, ratios, wanted, (holders, ratio, count) => {
        expect(place(holders, ratio, count)).toEqual(place(structuredClone(holders), { ...ratio }, count));
      }),
    );
  });

  test('places more when more are wanted, and never fewer because a machine was added', () => {
    fc.assert(
      fc.property(nodes, ratios, wanted, fc.integer({ min: 1, max: 50 }), (holders, ratio, count, more) => {
        const placed = (on: readonly Holder[], of: number) =>
          sum(place(on, ratio, of).counts.map((node) => node.count));
        expect(placed(holders, count + more)).toBeGreaterThanOrEqual(placed(holders, count));
        expect(placed([...holders, holder(more)], count)).toBeGreaterThanOrEqual(placed(holders, count));
      }),
    );
  });

  test('gives a machine with room its exact share, less than one off, while nobody is full', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 96 }), { minLength: 1, maxLength: 10 }), (vcpus) => {
        const holders = vcpus.map((vcpu) => holder(vcpu));
        const count = Math.floor(sum(vcpus) / 3);
        place(holders, RATIO, count).counts.forEach((node, index) => {
          expect(Math.abs(node.count - ((vcpus[index] ?? 0) / sum(vcpus)) * count)).toBeLessThan(1);
        });
      }),
    );
  });
});

describe('splitting a whole number by weights', () => {
  test('sums up exactly and stays within one of the exact share', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 }), fc.nat(5000), (weights, count) => {
        const parts = largestRemainder(weights, count);
        expect(sum(parts)).toBe(count);
        const total = sum(weights);
        if (total > 0) {
          parts.forEach((part, index) => {
            expect(Math.abs(part - ((weights[index] ?? 0) / total) * count)).toBeLessThan(1 + 1e-6);
          });
        }
      }),
    );
  });
});
