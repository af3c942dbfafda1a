/** What one node was heard to say by one controller. */
export interface Heard {
  /** `EPOCH BOOT` of each. */
  greetings: Set<string>;
  held: Set<string>;
  ended: Set<string>;
  lost: Set<string>;
  boots: Set<string>;
  /** Monotonic ms of its last line. */
  at: number;
  journal: string[];
}

export function newHeard(): Heard {
  return {
    greetings: new Set(),
    held: new Set(),
    ended: new Set(),
    lost: new Set(),
    boots: new Set(),
    at: 0,
    journal: [],
  };
}

/** What a copy of the ledger knows of it. */
export function copyHeard(heard: Heard): Heard {
  return {
    greetings: new Set(heard.greetings),
    held: new Set(heard.held),
    ended: new Set(heard.ended),
    lost: new Set(heard.lost),
    boots: new Set(heard.boots),
    at: heard.at,
    journal: [...heard.journal],
  };
}

export function hear(heard: Heard, line: string, now: number): void {
  heard.at = now;
  const [mark, verb = '', attempt = '', , how] = line.split(' ');
  if (mark === 'J') heard.journal.push(line.slice(2));
  if (mark === 'J' || mark === 'F') {
    if (verb === 'start' || verb === 'open') heard.held.add(attempt);
    if (verb === 'end') heard.ended.add(attempt);
    if (verb === 'end' && how !== 'exited') heard.lost.add(attempt);
  }
  const begun = /"was":"(?:new|same)","attempt":"([^"]+)"/.exec(line);
  if (mark === 'A' && begun) heard.held.add(begun[1] ?? '');
  const greeting = /"epoch":(\d+),"boot":"([^"]+)"/.exec(line);
  if (mark === 'A' && greeting) {
    heard.greetings.add(`${greeting[1]} ${greeting[2]}`);
    heard.boots.add(greeting[2] ?? '');
  }
}
