/** Tasks of one lane may run on the same agents: the ready index goes lane by lane. */
export function laneOf(
  category: string | null,
  kind: string | null,
  agents: readonly number[] | null,
  resumesOn: number | null,
): string {
  return [category ?? '', kind ?? '', agents ? JSON.stringify(agents) : '', resumesOn ?? ''].join('|');
}
