import { z } from 'zod';

/** The contract between a stack and whoever uses its nodes. No value in it is a secret. */

const OutputNode = z.strictObject({
  name: z.string(),
  instanceId: z.string(),
  region: z.string(),
  /** Inside its VPC; the public one changes with each start and is asked from EC2. */
  privateIp: z.string(),
  user: z.string().nullable(),
  /** Null: asked from the node. */
  vcpu: z.int().min(1).nullable(),
  memoryGiB: z.number().positive().nullable(),
  maxAgents: z.int().min(1).max(100).nullable(),
  instanceType: z.string(),
  market: z.enum(['on-demand', 'spot']),
  /** Was there before, and is never changed by its stack. */
  isAdopted: z.boolean(),
  labels: z.array(z.string()),
});
export type OutputNode = z.infer<typeof OutputNode>;

/** What `pulumi stack output --json` prints. */
export const Outputs = z.object({
  fleet: z.strictObject({
    version: z.literal(1),
    name: z.string(),
    phase: z.string(),
    nodes: z.array(OutputNode),
  }),
});
export type Outputs = z.infer<typeof Outputs>;
