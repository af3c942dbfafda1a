/** A stretch of time, wall time in ms. */
export interface Stretch {
  from: number;
  to: number;
}

/** How many of the stretches were under way in each of `parts` equal parts of the window, on average. */
export function busyParts(stretches: readonly Stretch[], window: Stretch, parts: number): number[] {
  const width = (window.to - window.from) / parts;
  const sums = Array.from({ length: parts }, () => 0);
  for (const { from, to } of stretches) {
    const begin = Math.max(0, (from - window.from) / width);
    const end = Math.min(parts, (to - window.from) / width);
    for (let part = Math.floor(begin); part < end; part += 1)
      sums[part] = (sums[part] ?? 0) + Math.min(end, part + 1) - Math.max(begin, part);
  }
  return sums;
}
