// What Pulumi begins. Plain JavaScript, so that a Node which cannot read the rest says so in one line.
import pulumi from '@pulumi/pulumi';

const NODE_MIN = 24;
const { node } = process.versions;
if (Number.parseInt(node, 10) < NODE_MIN)
  throw new pulumi.RunError(
    `this program needs Node ${NODE_MIN}, and \`node\` here is ${node}; nothing was done. \`npm run pulumi -- up\` brings its own.`,
  );

export const { fleet } = await import('./index.ts');
