/** IAM policy documents, as text. Pure. */

const document = (statements: readonly object[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });

/** Who may take the role of a node: EC2, for its instances. */
export const TRUST = document([
  { Sid: 'Nodes', Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' },
]);

/** Reading exactly the SSM parameters named, and no other. */
export function readParameters(region: string, account: string, names: readonly string[]): string {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
  return document([
    {
      Sid: 'ReadParameters',
      Effect: 'Allow',
      Action: ['ssm:GetParameter', 'ssm:GetParameters'],
      Resource: names.map((name) => `arn:${partition}:ssm:${region}:${account}:parameter${name}`),
    },
  ]);
}
