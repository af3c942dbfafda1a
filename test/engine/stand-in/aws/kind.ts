/** What a resource is to the engine: plain values in, an id and plain values out. */

export type Values = Readonly<Record<string, unknown>>;

export interface Live {
  id: string;
  /** As the program would have to say it. */
  inputs: Values;
  /** All that is known, inputs included. */
  outputs: Values;
}

/** How one type of resource is made, looked at, changed and taken away. */
export interface Kind {
  /** Inputs that cannot change in place. */
  replacesOn: readonly string[];
  create: (name: string, inputs: Values) => Promise<Live>;
  /** Undefined: it is not there. */
  read: (id: string, known: Values) => Promise<Live | undefined>;
  update: (id: string, news: Values, olds: Values) => Promise<Live>;
  remove: (id: string) => Promise<void>;
}

export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export function tagsOf(value: unknown): { Key: string; Value: string }[] {
  return Object.entries((value ?? {}) as Record<string, string>).map(([Key, Value]) => ({ Key, Value }));
}

export function tagMapOf(
  tags: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined,
): Values {
  const own = (tags ?? []).filter(({ Key = '' }) => !Key.startsWith('aws:'));
  return Object.fromEntries(own.map(({ Key = '', Value = '' }) => [Key, Value]));
}
