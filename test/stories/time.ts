import { judgeGround } from './ground.ts';
import { judge } from './sentences.ts';
import type { Story } from './story.ts';
import { kill } from './troubles.ts';

/** Time passes; at every stop the sentences are looked at, and a due kill falls on some await. */
export async function goOn(story: Story, ms: number): Promise<void> {
  const { clock } = story.ground;
  await clock.advance(ms, async () => {
    const { killAfter } = story;
    if (killAfter && story.reign.controller && killAfter.stops-- <= 0) await kill(story, killAfter.hops);
    await clock.settle();
    if (story.wrong.length > 0) return;
    const at = (clock.monotonic() / 1000).toFixed(3);
    story.wrong.push(...look(story).map((text) => `at ${at} s: ${text}`));
  });
}

function look({ ground, reign, formers, rivals }: Story): string[] {
  const reigns = [reign, ...formers, ...rivals];
  const broken = reigns.flatMap(({ controller, watch }) => {
    const why = controller?.broken as Error | null | undefined;
    return why === undefined ? [] : [`the controller ${watch.from} broke: ${String(why?.stack ?? why)}`];
  });
  if (broken.length > 0) return broken;
  return [
    ...judgeGround(ground),
    ...reigns.flatMap(({ watch }) =>
      judge(watch).map((text) => (watch === reign.watch ? text : `${watch.from}: ${text}`)),
    ),
  ];
}
