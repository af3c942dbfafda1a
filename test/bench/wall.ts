/**
 * Wall time in ms with its fractions, good for a minute or so: `Date.now()` gives whole milliseconds only, and what is
 * measured here takes a few.
 */
export function wallClock(): () => number {
  const begun = Date.now();
  let now = begun;
  while (now === begun) now = Date.now(); // the very beginning of a millisecond
  const ahead = now - performance.now();
  return () => performance.now() + ahead;
}
