/**
 * A stand-in for EC2's metadata service, version 2 alone: metadata-server.ts FILE. Runs in the namespace of a rig's
 * bridge. A machine is known by its address; what it is told stands in FILE, read anew for each request.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';

/** What each machine is told, by its address. */
export type Metadata = Readonly<Record<string, { instanceId: string; name: string; userData: string }>>;

const ADDRESS = '169.254.169.254';
const TTL_SECONDS_MAX = 21_600;
const key = randomBytes(32);
const file = process.argv[2] ?? '';

type Tree = { readonly [name: string]: string | Tree };

const sign = (address: string, until: number) =>
  createHmac('sha256', key).update(`${address} ${until}`).digest('base64url');

function tokenFor(address: string, seconds: number): string {
  const until = Date.now() + seconds * 1000;
  return `${until}.${sign(address, until)}`;
}

function isGood(token: string, address: string): boolean {
  const [until = '', signature = ''] = token.split('.');
  const right = Buffer.from(sign(address, Number(until)));
  const given = Buffer.from(signature);
  return Number(until) > Date.now() && right.length === given.length && timingSafeEqual(right, given);
}

function treeOf(address: string): Tree | undefined {
  const machine = (JSON.parse(readFileSync(file, 'utf8')) as Metadata)[address];
  if (machine === undefined) return undefined;
  const { instanceId, name, userData } = machine;
  const place = { region: 'us-east-1', 'availability-zone': 'us-east-1a' };
  const document = {
    instanceId,
    region: place.region,
    availabilityZone: place['availability-zone'],
    privateIp: address,
  };
  return {
    'meta-data': {
      ...{ 'instance-id': instanceId, 'ami-id': 'ami-12345678', 'instance-type': 'c6i.4xlarge' },
      ...{ hostname: name, 'local-hostname': name, 'local-ipv4': address, placement: place },
    },
    'user-data': userData,
    dynamic: { 'instance-identity': { document: JSON.stringify(document) } },
  };
}

/** The text of a leaf, or the names below a folder, a line each. */
function textAt(tree: Tree, path: readonly string[]): string | undefined {
  let at: string | Tree | undefined = tree;
  for (const name of path) at = typeof at === 'object' ? at[name] : undefined;
  if (typeof at !== 'object') return at;
  return Object.entries(at)
    .map(([name, below]) => (typeof below === 'object' ? `${name}/` : name))
    .join('\n');
}

function answerTo({ method, url = '', headers, socket }: IncomingMessage): { status: number; text: string } {
  const address = (socket.remoteAddress ?? '').replace('::ffff:', '');
  const [version = '', ...path] = url.split('/').filter((part) => part !== '');
  if (method === 'PUT' && url === '/latest/api/token') {
    const seconds = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
    const isWhole = Number.isInteger(seconds) && seconds > 0 && seconds <= TTL_SECONDS_MAX;
    return isWhole ? { status: 200, text: tokenFor(address, seconds) } : { status: 400, text: '' };
  }
  if (!isGood(String(headers['x-aws-ec2-metadata-token'] ?? ''), address)) return { status: 401, text: '' };
  const tree = /^(latest|\d{4}-\d\d-\d\d)$/.test(version) ? treeOf(address) : undefined;
  const text = tree && textAt(tree, path);
  return text === undefined ? { status: 404, text: '' } : { status: 200, text };
}

createServer((request, response) => {
  const { status, text } = answerTo(request);
  response.writeHead(status, { 'content-type': 'text/plain' }).end(text);
}).listen(80, ADDRESS, () => process.stdout.write('ready\n'));
