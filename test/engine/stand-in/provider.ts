/**
 * A stand-in for Pulumi's aws provider, which cannot be had from a package registry. Instances, launch templates,
 * security groups and roles are made in moto (AWS_ENDPOINT_URL); other types are only remembered. Each call that
 * reaches it is a line of FLEET_ENGINE_CALLS.
 */
import { appendFileSync } from 'node:fs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { IAMClient } from '@aws-sdk/client-iam';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import pluginMessages from '@pulumi/pulumi/proto/plugin_pb.js';
import grpc from '@pulumi/pulumi/proto/provider_grpc_pb.js';
import messages from '@pulumi/pulumi/proto/provider_pb.js';
import empties from 'google-protobuf/google/protobuf/empty_pb.js';
import structs from 'google-protobuf/google/protobuf/struct_pb.js';
import { identityKinds } from './aws/identity.ts';
import { instanceKind } from './aws/instance.ts';
import type { Kind, Values } from './aws/kind.ts';
import { ingressRuleKind, launchTemplateKind, securityGroupKind } from './aws/network.ts';
import { recorded } from './aws/recorded.ts';
import { changesOf, withDefaultTags } from './diff.ts';
import { servePlugin } from './plugin.ts';

const ACCOUNT = '123456789012';
const ec2 = new EC2Client({});
const KINDS: Readonly<Record<string, Kind>> = {
  'aws:ec2/instance:Instance': instanceKind(ec2),
  'aws:ec2/launchTemplate:LaunchTemplate': launchTemplateKind(ec2),
  'aws:ec2/securityGroup:SecurityGroup': securityGroupKind(ec2),
  'aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule': ingressRuleKind(ec2),
  ...identityKinds(new IAMClient({})),
};

type Struct = InstanceType<typeof structs.Struct>;
const valuesOf = (struct: Struct | undefined): Values => struct?.toJavaScript() ?? {};
const structOf = (values: Values): Struct =>
  structs.Struct.fromJavaScript(JSON.parse(JSON.stringify(values)) as Record<string, structs.JavaScriptValue>);

const typeOf = (urn: string) => urn.split('::')[2]?.split('$').at(-1) ?? '';
const nameOf = (urn: string) => urn.split('::').at(-1) ?? '';
const kindOf = (urn: string) => KINDS[typeOf(urn)] ?? recorded;

function note(call: string, urn: string, id?: string): void {
  const file = process.env.FLEET_ENGINE_CALLS;
  const line = { call, type: typeOf(urn), name: nameOf(urn), ...(id === undefined ? {} : { id }) };
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

let defaultTags: Values = {};

type Answerer<Request, Response> = (request: Request) => Response | Promise<Response>;
const unary =
  <Request, Response>(answer: Answerer<Request, Response>) =>
  (call: ServerUnaryCall<Request, Response>, send: sendUnaryData<Response>): void => {
    Promise.resolve()
      .then(async () => answer(call.request))
      .then(
        (response) => send(null, response),
        (error: unknown) => send(error instanceof Error ? error : new Error(String(error)), null),
      );
  };

const listed = (value: unknown): unknown =>
  typeof value === 'string' && /^[[{]/.test(value) ? JSON.parse(value) : value;

function configure(request: InstanceType<typeof messages.ConfigureRequest>) {
  const args = valuesOf(request.getArgs());
  const accounts = listed(args.allowedAccountIds);
  if (Array.isArray(accounts) && accounts.length > 0 && !accounts.includes(ACCOUNT))
    throw new Error(`AWS account ID not allowed: ${ACCOUNT}`);
  defaultTags = ((listed(args.defaultTags) as { tags?: Values } | undefined)?.tags ?? {}) satisfies Values;
  const response = new messages.ConfigureResponse();
  response.setAcceptsecrets(false);
  response.setSupportspreview(false);
  return response;
}

function diffOf(olds: Values, news: Values, replacesOn: readonly string[]) {
  const changes = changesOf(olds, news);
  const response = new messages.DiffResponse();
  response.setDiffsList([...changes]);
  response.setReplacesList(changes.filter((key) => replacesOn.includes(key)));
  const { DIFF_SOME, DIFF_NONE } = messages.DiffResponse.DiffChanges;
  response.setChanges(changes.length > 0 ? DIFF_SOME : DIFF_NONE);
  return response;
}

type ConfigDiff = InstanceType<typeof messages.DiffRequest>;
const diffConfig = (request: ConfigDiff) =>
  diffOf(valuesOf(request.getOldInputs()), valuesOf(request.getNews()), ['region']);

function check(request: InstanceType<typeof messages.CheckRequest>) {
  const response = new messages.CheckResponse();
  response.setInputs(request.getNews());
  return response;
}

/** Default tags are merged here, after whatever the engine made of the program's own. */
function diff(request: ConfigDiff) {
  const olds = withDefaultTags(valuesOf(request.getOldInputs()), {}, valuesOf(request.getOlds()).tagsAll);
  const news = withDefaultTags(valuesOf(request.getNews()), defaultTags);
  return diffOf(olds, news, kindOf(request.getUrn()).replacesOn);
}

async function create(request: InstanceType<typeof messages.CreateRequest>) {
  const urn = request.getUrn();
  note('create', urn);
  const live = await kindOf(urn).create(nameOf(urn), withDefaultTags(valuesOf(request.getProperties()), defaultTags));
  const response = new messages.CreateResponse();
  response.setId(live.id);
  response.setProperties(structOf(live.outputs));
  return response;
}

async function read(request: InstanceType<typeof messages.ReadRequest>) {
  const urn = request.getUrn();
  note('read', urn, request.getId());
  const live = await kindOf(urn).read(request.getId(), valuesOf(request.getProperties()));
  const response = new messages.ReadResponse();
  response.setId(live?.id ?? '');
  if (live === undefined) return response;
  response.setProperties(structOf(live.outputs));
  response.setInputs(structOf(live.inputs));
  return response;
}

async function update(request: InstanceType<typeof messages.UpdateRequest>) {
  const urn = request.getUrn();
  note('update', urn, request.getId());
  const news = withDefaultTags(valuesOf(request.getNews()), defaultTags);
  const live = await kindOf(urn).update(request.getId(), news, valuesOf(request.getOlds()));
  const response = new messages.UpdateResponse();
  response.setProperties(structOf(live.outputs));
  return response;
}

async function remove(request: InstanceType<typeof messages.DeleteRequest>) {
  note('delete', request.getUrn(), request.getId());
  await kindOf(request.getUrn()).remove(request.getId());
  return new empties.Empty();
}

const RESULTS: Readonly<Record<string, Values>> = {
  'aws:index/getCallerIdentity:getCallerIdentity': {
    id: ACCOUNT,
    accountId: ACCOUNT,
    arn: `arn:aws:iam::${ACCOUNT}:root`,
    userId: 'A',
  },
};

function invoke(request: InstanceType<typeof messages.InvokeRequest>) {
  const response = new messages.InvokeResponse();
  response.setReturn(structOf({ ...valuesOf(request.getArgs()), ...RESULTS[request.getTok()] }));
  return response;
}

servePlugin(grpc.ResourceProviderService, {
  getPluginInfo: unary(() => {
    const info = new pluginMessages.PluginInfo();
    info.setVersion('7.48.0');
    return info;
  }),
  checkConfig: unary(check),
  diffConfig: unary(diffConfig),
  configure: unary(configure),
  check: unary(check),
  diff: unary(diff),
  create: unary(create),
  read: unary(read),
  update: unary(update),
  delete: unary(remove),
  invoke: unary(invoke),
  cancel: unary(() => new empties.Empty()),
});
