import { describe, expect, it } from 'vitest';
import { FleetError } from '../../controller/errors.ts';
import { createTurns } from '../../controller/library/turn.ts';

/** Turns whose beginnings and ends are in the test's hand. */
function someTurns() {
  const begun: { signal: AbortSignal; ready: () => void; fail: (error: Error) => void; end: () => void }[] = [];
  const turns = createTurns((signal, ready) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    begun.push({ signal, ready, fail: reject, end: resolve });
    return promise;
  });
  const last = () => begun.at(-1) ?? expect.fail('no turn began');
  return { turns, begun, last };
}

const settled = async (promise: Promise<unknown>) => {
  let is = false;
  void promise.finally(() => {
    is = true;
  });
  await new Promise(setImmediate);
  return is;
};

describe('a turn as the controller', () => {
  it('is begun once for all who join, and ends with the last who leaves', async () => {
    const { turns, begun, last } = someTurns();
    const joining = [turns.join(), turns.join()];
    last().ready();
    const [one, other] = await Promise.all(joining);
    expect(begun).toHaveLength(1);
    await one?.leave();
    await one?.leave(); // twice counts once
    expect(last().signal.aborted).toBe(false);
    const leaving = other?.leave() ?? Promise.resolve();
    expect(last().signal.aborted).toBe(true);
    expect(await settled(leaving)).toBe(false);
    last().end();
    await leaving;
    expect([turns.isOn, one?.isOver]).toEqual([false, true]);
  });

  it('is a new one for those who join while it ends', async () => {
    const { turns, begun, last } = someTurns();
    const first = turns.join();
    last().ready();
    const leaving = (await first).leave();
    const second = turns.join();
    expect(begun).toHaveLength(1);
    last().end();
    await leaving;
    await new Promise(setImmediate);
    expect(begun).toHaveLength(2);
    last().ready();
    expect((await second).isOver).toBe(false);
    expect(turns.isOn).toBe(true);
  });

  it('that cannot begin tells all who joined, leaves nothing behind, and the next one may', async () => {
    const { turns, last } = someTurns();
    const joining = [turns.join(), turns.join()];
    last().fail(new FleetError('locked', 'another has it'));
    for (const each of joining) await expect(each).rejects.toMatchObject({ code: 'locked' });
    expect(() => turns.check()).not.toThrow();
    expect(turns.isOn).toBe(false);
    const again = turns.join();
    last().ready();
    await again;
  });

  it('that breaks says so to those who look, until another begins', async () => {
    const { turns, last } = someTurns();
    const joining = turns.join();
    last().ready();
    const seat = await joining;
    last().fail(new FleetError('disk-full', 'no room'));
    await seat.leave();
    expect(() => turns.check()).toThrow('no room');
    const next = turns.join();
    last().ready();
    await next;
    expect(() => turns.check()).not.toThrow();
  });

  it('is ended for everybody by end', async () => {
    const { turns, last } = someTurns();
    const joining = turns.join();
    last().ready();
    const seat = await joining;
    const ending = turns.end();
    expect(last().signal.aborted).toBe(true);
    last().end();
    await ending;
    expect(seat.isOver).toBe(true);
    await turns.end(); // where none is on, nothing happens
  });
});
