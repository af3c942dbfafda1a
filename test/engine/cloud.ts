import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import {
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
} from '@aws-sdk/client-ec2';
import { until } from '../rig/until.ts';
import { program } from '../support/capability.ts';

const READY_MS_MAX = 60_000;

/** A machine as the cloud knows it. */
export interface Instance {
  id: string;
  /** Its `Name` tag. */
  name: string;
  state: string;
  /** As the machine gets it. */
  userData: string;
}

/** moto on a port of its own: the AWS APIs, with what is made there. */
export class Cloud implements AsyncDisposable {
  readonly url: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ec2: EC2Client;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
    this.env = {
      AWS_ENDPOINT_URL: url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'stand-in',
      AWS_SECRET_ACCESS_KEY: 'stand-in',
    };
    const credentials = { accessKeyId: 'stand-in', secretAccessKey: 'stand-in' };
    this.ec2 = new EC2Client({ endpoint: url, region: 'us-east-1', credentials });
  }

  static async open(): Promise<Cloud> {
    const port = await freePort();
    const env = { ...process.env, MOTO_IAM_LOAD_MANAGED_POLICIES: 'true' };
    const child = spawn(program('moto'), ['-H', '127.0.0.1', '-p', String(port)], { env, stdio: 'ignore' });
    const cloud = new Cloud(`http://127.0.0.1:${port}`, child);
    await until(
      'moto answers',
      async () => (await fetch(cloud.url).catch(() => undefined)) !== undefined,
      READY_MS_MAX,
    );
    return cloud;
  }

  /** A machine that nobody's program made. */
  async aMachine(name: string, instanceType: 'c6i.4xlarge' | 'c6i.2xlarge' = 'c6i.4xlarge'): Promise<string> {
    const Tags = [
      { Key: 'Name', Value: name },
      { Key: 'team', Value: 'orchestra' },
    ];
    const made = await this.ec2.send(
      new RunInstancesCommand({
        ...{ MinCount: 1, MaxCount: 1, ImageId: 'ami-12c6146b', InstanceType: instanceType },
        TagSpecifications: [{ ResourceType: 'instance', Tags }],
      }),
    );
    return made.Instances?.[0]?.InstanceId ?? '';
  }

  /** What each machine is, by the cloud itself. */
  async describe(ids: readonly string[]): Promise<readonly { state: string; type: string; tags: object }[]> {
    const found = await this.ec2.send(new DescribeInstancesCommand({ InstanceIds: [...ids] }));
    const machines = (found.Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
    return ids.map((id) => {
      const { State, InstanceType = '', Tags = [] } = machines.find(({ InstanceId }) => InstanceId === id) ?? {};
      return { state: State?.Name ?? 'absent', type: InstanceType, tags: Tags };
    });
  }

  async instances(): Promise<readonly Instance[]> {
    const found = await this.ec2.send(new DescribeInstancesCommand({}));
    const machines = (found.Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
    return Promise.all(
      machines.map(async ({ InstanceId: id = '', State, Tags = [] }) => {
        const name = Tags.find(({ Key }) => Key === 'Name')?.Value ?? '';
        return { id, name, state: State?.Name ?? 'absent', userData: await this.#userDataOf(id) };
      }),
    );
  }

  async stop(id: string): Promise<void> {
    await this.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  }

  async start(id: string): Promise<void> {
    await this.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
  }

  async #userDataOf(InstanceId: string): Promise<string> {
    const told = await this.ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute: 'userData' }));
    return Buffer.from(told.UserData?.Value ?? '', 'base64').toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ec2.destroy();
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}
