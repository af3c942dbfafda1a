import { toFleetError } from '../../errors.ts';
import type { SessionStep } from '../step.ts';
import type { World } from '../world.ts';

/** How long a window asked for may take to show up in a report before it is asked for again. */
const ASKED_MS_MAX = 10_000;

export function openSessions(world: World, step: SessionStep): void {
  const sight = world.sights.get(step.node);
  const now = world.clock.monotonic();
  const names = step.names.filter((name) => now - (sight?.asked.get(name) ?? Number.NEGATIVE_INFINITY) > ASKED_MS_MAX);
  const link = sight?.link;
  if (!sight || !link || names.length === 0) return;
  for (const name of names) sight.asked.set(name, now);
  world.track(
    link
      .openSessions(names)
      .then(() => {
        for (const name of names) sight.sessions?.add(name);
      })
      .catch((error: unknown) => {
        sight.evidence = toFleetError(error).message; // seen in status and doctor; asked again later
      }),
  );
}

export function closeSessions(world: World, step: SessionStep): void {
  const sight = world.sights.get(step.node);
  const link = sight?.link;
  if (!sight || !link) return;
  for (const name of step.names) sight.sessions?.delete(name);
  world.track(
    link.closeSessions(step.names).catch((error: unknown) => {
      sight.evidence = toFleetError(error).message;
    }),
  );
}
