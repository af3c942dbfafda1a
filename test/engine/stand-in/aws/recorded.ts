import type { Kind } from './kind.ts';

/** What moto has no use for: it is given an id, and is what was last said of it. */
export const recorded: Kind = {
  replacesOn: [],
  create: async (name, inputs) => {
    const id = `${name}-${crypto.randomUUID().slice(0, 7)}`;
    return {
      id,
      inputs,
      outputs: { ...inputs, name: inputs.name ?? id, arn: `arn:aws:stand-in:us-east-1:123456789012:${id}` },
    };
  },
  read: async (id, known) => ({ id, inputs: known, outputs: known }),
  update: async (id, news, olds) => ({ id, inputs: news, outputs: { ...olds, ...news } }),
  remove: async () => {},
};
