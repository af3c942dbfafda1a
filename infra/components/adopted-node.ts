import * as aws from '@pulumi/aws';
import type * as pulumi from '@pulumi/pulumi';
import type { Settings } from '../settings/schema.ts';

/**
 * A machine that was there before, as safe as if this program did not exist. Each guard covers another's hole:
 * `import` that stays refuses a replacement, `protect` a removal, `retainOnDelete` outlasts `--ignore-protect` and an
 * edited id, `ignoreChanges` keeps every edit here from the machine. Its provider has no default tags: those are
 * merged after all four.
 */
export function adoptNode(
  { name, instanceId, mode }: Settings['adopted'][number],
  provider: aws.Provider,
): aws.ec2.Instance {
  if (mode === 'read') return aws.ec2.Instance.get(name, instanceId, undefined, { provider });
  return new aws.ec2.Instance(name, {}, { ...GUARDS, import: instanceId, provider });
}

const GUARDS: pulumi.CustomResourceOptions = { protect: true, retainOnDelete: true, ignoreChanges: ['*'] };
