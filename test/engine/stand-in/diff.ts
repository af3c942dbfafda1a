import { isDeepStrictEqual } from 'node:util';
import type { Values } from './aws/kind.ts';

/** Top-level inputs that differ. */
export function changesOf(olds: Values, news: Values): readonly string[] {
  const names = new Set([...Object.keys(olds), ...Object.keys(news)]);
  names.delete('__defaults');
  names.delete('version');
  return [...names].filter((name) => !isDeepStrictEqual(olds[name], news[name]));
}

/** As the real provider: `tagsAll` is the program's own tags over those of the provider. */
export function withDefaultTags(inputs: Values, defaultTags: Values, known?: unknown): Values {
  const own = (inputs.tags ?? {}) as Values;
  return { ...inputs, tagsAll: known ?? { ...defaultTags, ...own } };
}
