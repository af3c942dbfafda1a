import { z } from 'zod';

/** A node's answer to `hello`: what it is, and under which epoch it now listens to us. */
export const Greeting = z.object({
  ok: z.literal(true),
  protocol: z.int(),
  epoch: z.int(),
  boot: z.string().regex(/^[\w.-]{1,64}$/),
  root: z
    .string()
    .regex(/^\/[^\u0000-\u001f\u007f]*$/)
    .max(4096),
  vcpu: z.int().min(1),
  memoryKiB: z.int().min(0),
  /** Tells folders of one boot apart: two names of one machine give the same. */
  folder: z.string().max(64).default(''),
  tmux: z.string(),
  jq: z.boolean(),
  cgroup: z.boolean(),
  /** Whether each agent is held to a limit of memory and of processes. */
  limits: z.boolean().default(false),
  /**
   * What holds our processes: a scope of systemd that is ours and outlasts logins; the session of the login, which may
   * end them when it ends; or nothing (no systemd), so that they stay until somebody ends them.
   */
  holds: z.enum(['scope', 'session', 'none']).default('none'),
});
export type Greeting = z.infer<typeof Greeting>;

export const Answer = z.union([
  z.looseObject({ ok: z.literal(true), was: z.string().optional() }),
  z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
]);
export type Answer = z.infer<typeof Answer>;

export const PROTOCOL = 1;
