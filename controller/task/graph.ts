/** Tasks and what each needs. Needs that are no key (done long ago, or elsewhere) do not hold anything up. */
export type Needs = ReadonlyMap<string, readonly string[]>;

/**
 * Tasks in layers: each needs only tasks of layers above. Inside a layer the order of the map is kept. Tasks in a
 * cycle, or behind one, are in no layer.
 */
export function layersOf(needs: Needs): string[][] {
  const left = new Map<string, number>();
  const dependents = new Map<string, string[]>();
  for (const [task, all] of needs) {
    const inside = new Set(all.filter((need) => needs.has(need)));
    left.set(task, inside.size);
    for (const need of inside) {
      const known = dependents.get(need);
      if (known) known.push(task);
      else dependents.set(need, [task]);
    }
  }
  const order = new Map([...needs.keys()].map((task, index) => [task, index]));
  const layers: string[][] = [];
  let layer = [...needs.keys()].filter((task) => left.get(task) === 0);
  while (layer.length > 0) {
    layers.push(layer);
    const next: string[] = [];
    for (const task of layer) {
      for (const dependent of dependents.get(task) ?? []) {
        const rest = (left.get(dependent) ?? 0) - 1;
        left.set(dependent, rest);
        if (rest === 0) next.push(dependent);
      }
    }
    layer = next.sort((one, other) => (order.get(one) ?? 0) - (order.get(other) ?? 0));
  }
  return layers;
}

/**
 * One cycle of each group of tasks that need each other in a circle, as a way round: `[a, b, a]` when a needs b and b
 * needs a. The shortest way from the group's first task. Empty when there is none.
 */
export function cyclesOf(needs: Needs): string[][] {
  const order = new Map([...needs.keys()].map((task, index) => [task, index]));
  const place = (task: string | undefined) => order.get(task ?? '') ?? 0;
  return strongGroupsOf(needs)
    .map((group) => group.sort((one, other) => place(one) - place(other)))
    .sort((one, other) => place(one[0]) - place(other[0]))
    .flatMap((group) => {
      const first = group[0];
      const way = first === undefined ? undefined : wayRound(first, needs, new Set(group));
      return way === undefined ? [] : [way];
    });
}

/** `a → b → a`. */
export function cycleText(cycle: readonly string[]): string {
  return cycle.join(' → ');
}

/** Shortest way from a task over its needs back to itself, inside its group. */
function wayRound(start: string, needs: Needs, group: ReadonlySet<string>): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const task of queue) {
    for (const need of needs.get(task) ?? []) {
      if (need === start) return [...backFrom(task, start, cameFrom), start];
      if (!group.has(need) || cameFrom.has(need)) continue;
      cameFrom.set(need, task);
      queue.push(need);
    }
  }
  return undefined;
}

function backFrom(task: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [task];
  for (let at = task; at !== start; ) {
    at = cameFrom.get(at) ?? start;
    way.push(at);
  }
  return way.reverse();
}

interface Visit {
  index: number;
  lowest: number;
  isOpen: boolean;
}

/** Tarjan's strongly connected components, those of one task without a loop too; with a stack of its own, as chains may be long. */
function strongGroupsOf(needs: Needs): string[][] {
  const visits = new Map<string, Visit>();
  const open: string[] = [];
  const groups: string[][] = [];
  const begin = (task: string): { task: string; visit: Visit; rest: Iterator<string> } => {
    const visit = { index: visits.size, lowest: visits.size, isOpen: true };
    visits.set(task, visit);
    open.push(task);
    return { task, visit, rest: (needs.get(task) ?? []).values() };
  };
  const close = (task: string): void => {
    const group = open.splice(open.lastIndexOf(task));
    for (const member of group) {
      const visit = visits.get(member);
      if (visit) visit.isOpen = false;
    }
    groups.push(group);
  };
  for (const root of needs.keys()) {
    const path = visits.has(root) ? [] : [begin(root)];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const step = top.rest.next();
      if (step.done) {
        path.pop();
        const above = path.at(-1)?.visit;
        if (above) above.lowest = Math.min(above.lowest, top.visit.lowest);
        if (top.visit.lowest === top.visit.index) close(top.task);
      } else if (needs.has(step.value)) {
        const seen = visits.get(step.value);
        if (seen === undefined) path.push(begin(step.value));
        else if (seen.isOpen) top.visit.lowest = Math.min(top.visit.lowest, seen.index);
      }
    }
  }
  return groups;
}
