import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Category } from '../../controller/config/fleet.ts';
import { type Desired, desire, type Size } from '../../controller/fleet/desired.ts';
import { aFleet, aNode } from '../support/builders.ts';

const category = (name: string, share: number, different: Partial<Category> = {}): Category => ({
  name,
  share,
  kind: null,
  strict: false,
  ...different,
});
const BOOK = [category('coding', 35), category('business', 25), category('research', 20), category('support', 20)];
const unseen: ReadonlyMap<string, Size> = new Map();
const machine = (name: string, vcpu: number) => aNode({ name, vcpu, memoryGiB: 4 * vcpu });

function tally(
  desired: Desired,
  of: (agent: { node: string; category: string | null }) => string,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const agent of desired.agents.values()) counts[of(agent)] = (counts[of(agent)] ?? 0) + 1;
  return counts;
}

describe('the agents that should be', () => {
  test('18 of them on 16 and 8 vCPU are 6, 4, 4 and 4 by the usual shares, numbered 1 to 18 node after node', () => {
    const fleet = aFleet({ nodes: [machine('a', 16), machine('b', 8)], agents: { count: 18, categories: BOOK } });
    const desired = desire(fleet, unseen);
    expect([...desired.agents.keys()]).toEqual(Array.from({ length: 18 }, (_, index) => index + 1));
    expect(desired.agents.get(12)?.node).toBe('a');
    expect(desired.agents.get(13)?.node).toBe('b');
    expect(tally(desired, (agent) => agent.category ?? '')).toEqual({
      coding: 6,
      business: 4,
      research: 4,
      support: 4,
    });
  });

  test('100 of them by 35, 25, 20 and 20 are exactly that', () => {
    const fleet = aFleet({ nodes: [machine('a', 100)], agents: { count: 100, categories: BOOK } });
    expect(tally(desire(fleet, unseen), (agent) => agent.category ?? '')).toEqual({
      coding: 35,
      business: 25,
      research: 20,
      support: 20,
    });
  });

  test('are mixed on every node: none holds a category alone', () => {
    const fleet = aFleet({ nodes: [machine('a', 20), machine('b', 20)], agents: { count: 40, categories: BOOK } });
    const mix = tally(desire(fleet, unseen), (agent) => `${agent.node} ${agent.category}`);
    expect(mix).toEqual({
      'a coding': 7,
      'a business': 5,
      'a research': 4,
      'a support': 4,
      'b coding': 7,
      'b business': 5,
      'b research': 4,
      'b support': 4,
    });
  });

  test('go to the larger categories when there are fewer agents than categories', () => {
    const categories = [category('rare', 1), category('coding', 6), category('support', 2)];
    const fleet = aFleet({ nodes: [machine('a', 8)], agents: { count: 3, categories } });
    expect(tally(desire(fleet, unseen), (agent) => agent.category ?? '')).toEqual({ coding: 2, support: 1 });
  });

  test('take the kind of their category, and the fleet’s where it names none', () => {
    const categories = [category('coding', 1, { kind: 'codex' }), category('lint', 1)];
    const fleet = aFleet({ agents: { count: 2, kind: 'command', categories } });
    expect([...desire(fleet, unseen).agents.values()].map(({ kind }) => kind)).toEqual(['codex', 'command']);
  });

  test('have no category where the fleet declares none', () => {
    expect([...desire(aFleet(), unseen).agents.values()].map((agent) => agent.category)).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  test('wait for a machine whose size is neither declared nor known, and it is named', () => {
    const fleet = aFleet({ nodes: [aNode({ name: 'silent', vcpu: null }), machine('a', 2)], agents: { count: 4 } });
    const before = desire(fleet, unseen);
    expect(before.unsized).toEqual(['silent']);
    expect(before.placement).toMatchObject({ unplaced: 2 });
    const seen = new Map([['silent', { vcpu: 2, memoryGiB: null }]]);
    expect(desire(fleet, seen)).toMatchObject({ unsized: [], placement: { unplaced: 0 } });
  });

  test('stay where they are while their machine has room, whatever becomes known of others', () => {
    const placesOf = (desired: Desired) =>
      new Map([...desired.agents.values()].map(({ number, node }) => [number, node]));
    const late = aFleet({ nodes: [aNode({ name: 'late', vcpu: null }), machine('b', 8)], agents: { count: 6 } });
    const first = desire(late, unseen);
    expect(tally(first, ({ node }) => node)).toEqual({ b: 6 });
    const then = desire(late, new Map([['late', { vcpu: 4, memoryGiB: 16 }]]), placesOf(first));
    expect(
      [...then.agents.values()].map(({ number, node }) => [number, node]).sort(([a], [b]) => Number(a) - Number(b)),
    ).toEqual([
      [1, 'b'],
      [2, 'b'],
      [3, 'b'],
      [4, 'b'],
      [5, 'late'],
      [6, 'late'],
    ]);
  });

  test('keep their places through any change of machines, as far as these have room, and are numbered without a gap', () => {
    const fleets = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fleets, fleets, fc.integer({ min: 1, max: 30 }), (before, after, count) => {
        const fleetOf = (vcpus: number[]) =>
          aFleet({ nodes: vcpus.map((vcpu, index) => machine(`n${index}`, vcpu)), agents: { count } });
        const first = desire(fleetOf(before), unseen);
        const places = new Map([...first.agents.values()].map(({ number, node }) => [number, node]));
        const then = desire(fleetOf(after), unseen, places);
        expect([...then.agents.keys()].sort((a, b) => a - b)).toEqual(
          [...Array(then.agents.size).keys()].map((at) => at + 1),
        );
        expect(tally(then, ({ node }) => node)).toEqual(tally(desire(fleetOf(after), unseen), ({ node }) => node));
        for (const { name, count: room } of then.placement.counts) {
          const had = [...places].filter(([number, node]) => node === name && number <= then.agents.size);
          const kept = had.filter(([number]) => then.agents.get(number)?.node === name);
          expect(kept).toHaveLength(Math.min(room, had.length));
        }
      }),
    );
  });

  test('are dealt to the exact share, whatever the shares, machines and number', () => {
    const shares = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 });
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(shares, sizes, fc.integer({ min: 0, max: 200 }), (weights, vcpus, count) => {
        const fleet = aFleet({
          nodes: vcpus.map((vcpu, index) => machine(`n${index}`, vcpu)),
          agents: { count, categories: weights.map((share, index) => category(`c${index}`, share)) },
        });
        const desired = desire(fleet, unseen);
        const total = desired.agents.size;
        const dealt = tally(desired, (agent) => agent.category ?? '');
        expect(total + desired.placement.unplaced).toBe(count);
        const sum = weights.reduce((all, weight) => all + weight, 0);
        weights.forEach((weight, index) => {
          expect(Math.abs((dealt[`c${index}`] ?? 0) - (weight / sum) * total)).toBeLessThan(1);
        });
        expect(desire(fleet, unseen)).toEqual(desired);
      }),
    );
  });
});
