import type { Problem } from './check.ts';
import type { Settings } from './schema.ts';

/** What the stack files of this repository leave to be filled in: good enough to reckon prices, and for nothing else. */

const PLACEHOLDER = /^[a-z]+-0{7,}[0-9]$/;

export function checkPlaceholders({ adopted, groups, amis, region }: Settings): readonly Problem[] {
  const machines = adopted.flatMap(({ name, instanceId }, index) =>
    PLACEHOLDER.test(instanceId)
      ? [
          {
            path: `adopted[${index}].instanceId`,
            message: `a placeholder; put the id of ${name} here, as \`aws ec2 describe-instances\` lists it`,
          },
        ]
      : [],
  );
  const isNeeded = groups.length > 0 && PLACEHOLDER.test(amis[region] ?? '');
  return [
    ...machines,
    ...(isNeeded
      ? [{ path: `amis.${region}`, message: 'a placeholder; put the id of an image here, such as the newest Ubuntu' }]
      : []),
  ];
}
