import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cyclesOf, cycleText, layersOf, type Needs } from '../../controller/task/graph.ts';

const needs = (edges: Record<string, string[]>): Needs => new Map(Object.entries(edges));

/** Up to twelve tasks with any needs among them, and some on tasks that are nowhere. */
const anyNeeds = fc
  .array(fc.array(fc.nat(14), { maxLength: 4 }), { maxLength: 12 })
  .map((rows): Needs => new Map(rows.map((row, index) => [`t${index}`, row.map((need) => `t${need}`)])));

/** The same, but each needs only tasks before it. */
const acyclicNeeds = anyNeeds.map(
  (map): Needs =>
    new Map([...map].map(([task, all], index) => [task, all.filter((need) => Number(need.slice(1)) < index)])),
);

/** All tasks that can be reached over needs, slowly and plainly. */
function reachable(map: Needs, from: string): Set<string> {
  const found = new Set<string>();
  const walk = (task: string): void => {
    for (const need of map.get(task) ?? []) {
      if (!map.has(need) || found.has(need)) continue;
      found.add(need);
      walk(need);
    }
  };
  walk(from);
  return found;
}

describe('layers', () => {
  test('tasks that need nothing of each other stand side by side, in the order of the plan', () => {
    const map = needs({ d: ['b', 'c'], b: ['a'], a: [], c: ['a'], e: [] });
    expect(layersOf(map)).toEqual([['a', 'e'], ['b', 'c'], ['d']]);
  });

  test('needs that are no task of the plan hold nothing up', () => {
    expect(layersOf(needs({ a: ['done-long-ago'] }))).toEqual([['a']]);
  });

  test('a need said twice counts once', () => {
    expect(layersOf(needs({ a: [], b: ['a', 'a'] }))).toEqual([['a'], ['b']]);
  });

  test('every task of a plan without a circle is in one layer, below all it needs', () => {
    fc.assert(
      fc.property(acyclicNeeds, (map) => {
        const layers = layersOf(map);
        const layerOf = new Map(layers.flatMap((layer, index) => layer.map((task) => [task, index] as const)));
        expect(layers.flat().sort()).toEqual([...map.keys()].sort());
        for (const [task, all] of map) {
          const above = all.filter((need) => map.has(need)).map((need) => layerOf.get(need)!);
          expect(layerOf.get(task)).toBe(above.length === 0 ? 0 : Math.max(...above) + 1);
        }
      }),
    );
  });

  test('exactly the tasks in a circle or behind one are in no layer', () => {
    fc.assert(
      fc.property(anyNeeds, (map) => {
        const placed = new Set(layersOf(map).flat());
        const isInCircle = (task: string) => reachable(map, task).has(task);
        for (const task of map.keys()) {
          const isStuck = isInCircle(task) || [...reachable(map, task)].some(isInCircle);
          expect(placed.has(task)).toBe(!isStuck);
        }
      }),
    );
  });
});

describe('circles', () => {
  test('a circle is printed as the way round', () => {
    const cycles = cyclesOf(needs({ x: ['a'], a: ['b'], b: ['c'], c: ['a'] }));
    expect(cycles.map(cycleText)).toEqual(['a → b → c → a']);
  });

  test('a task that needs itself is a circle', () => {
    expect(cyclesOf(needs({ a: ['a'] }))).toEqual([['a', 'a']]);
  });

  test('each group that goes in a circle is shown once, by its shortest way', () => {
    const map = needs({ a: ['b', 'c'], b: ['c'], c: ['a'], d: ['e'], e: ['d', 'a'], f: ['f', 'a'] });
    expect(cyclesOf(map).map(cycleText)).toEqual(['a → c → a', 'd → e → d', 'f → f']);
    expect(cyclesOf(needs({ f: ['a', 'f'], a: ['b'], b: ['a'] })).map(cycleText)).toEqual(['f → f', 'a → b → a']);
  });

  test('what is shown is a real way, and there is one for every group that has one', () => {
    fc.assert(
      fc.property(anyNeeds, (map) => {
        const cycles = cyclesOf(map);
        for (const cycle of cycles) {
          expect(cycle.length).toBeGreaterThan(1);
          expect(cycle.at(-1)).toBe(cycle[0]);
          for (const [index, task] of cycle.slice(0, -1).entries()) expect(map.get(task)).toContain(cycle[index + 1]);
          expect(new Set(cycle).size).toBe(cycle.length - 1);
        }
        const inCircle = [...map.keys()].filter((task) => reachable(map, task).has(task));
        const groups = new Set(
          inCircle.map((task) =>
            inCircle.filter((other) => reachable(map, task).has(other) && reachable(map, other).has(task)).join(),
          ),
        );
        expect(cycles.length).toBe(groups.size);
      }),
    );
  });

  test('a plan has layers for all its tasks or a circle to show, never both, never neither', () => {
    fc.assert(
      fc.property(anyNeeds, (map) => {
        expect(layersOf(map).flat().length === map.size).toBe(cyclesOf(map).length === 0);
      }),
    );
  });

  test('a chain and a ring of 100,000 tasks, and one task that all need, are walked in a moment', () => {
    const size = 100_000;
    const chain = new Map(
      Array.from({ length: size }, (_, index) => [`t${index}`, index === 0 ? [] : [`t${index - 1}`]]),
    );
    expect(layersOf(chain)).toHaveLength(size);
    expect(cyclesOf(chain)).toEqual([]);
    expect(cyclesOf(new Map(chain).set('t0', [`t${size - 1}`]))[0]).toHaveLength(size + 1);
    const hub = new Map(Array.from({ length: size }, (_, index) => [`t${index}`, index === 0 ? [] : ['t0']]));
    expect(layersOf(hub).map((layer) => layer.length)).toEqual([1, size - 1]);
  }, 5_000);
});
