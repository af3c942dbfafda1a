/**
 * A stand-in for Pulumi's own host of Node programs, which cannot be had from a package registry: begins the SDK's
 * runner, as that one does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import grpc from '@pulumi/pulumi/proto/language_grpc_pb.js';
import messages from '@pulumi/pulumi/proto/language_pb.js';
import pluginMessages from '@pulumi/pulumi/proto/plugin_pb.js';
import empties from 'google-protobuf/google/protobuf/empty_pb.js';
import { servePlugin } from './plugin.ts';

/** The runner has told the person already. */
const TOLD_EXIT = 32;
const runner = createRequire(import.meta.url).resolve('@pulumi/pulumi/cmd/run');
const engine = process.argv.findLast((word) => !word.startsWith('-')) ?? '';

type Call<Request, Response> = (call: ServerUnaryCall<Request, Response>, answer: sendUnaryData<Response>) => void;
const answerWith =
  <Response>(make: () => Response): Call<unknown, Response> =>
  (_call, answer) =>
    answer(null, make());

type RunRequest = InstanceType<typeof messages.RunRequest>;
type RunResponse = InstanceType<typeof messages.RunResponse>;

const run: Call<RunRequest, RunResponse> = (call, answer) => {
  runProgram(call.request).then(
    (response) => answer(null, response),
    (error: unknown) => answer(error instanceof Error ? error : new Error(String(error)), null),
  );
};

async function runProgram(request: RunRequest): Promise<RunResponse> {
  const info = request.getInfo();
  const words = [
    ['monitor', request.getMonitorAddress()],
    ['engine', engine],
    ['project', request.getProject()],
    ['root-directory', info?.getRootDirectory() ?? request.getPwd()],
    ['stack', request.getStack()],
    ['organization', request.getOrganization()],
    ['pwd', request.getPwd()],
    ['parallel', String(request.getParallel())],
    ...(request.getDryrun() ? [['dry-run', 'true']] : []),
  ].map(([name, value]) => `--${name}=${value}`);
  const env = {
    ...process.env,
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().entries())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    PULUMI_NODEJS_TYPESCRIPT: 'false',
  };
  const program = info?.getEntryPoint() || request.getProgram();
  // FLEET_ENGINE_NODE: the `node` of a machine whose own is older than this host's.
  const child = spawn(process.env.FLEET_ENGINE_NODE ?? 'node', [runner, ...words, program], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [exit] = (await once(child, 'exit')) as [number | null];
  const response = new messages.RunResponse();
  if (exit === TOLD_EXIT) response.setBail(true);
  else if (exit !== 0) response.setError(`the program ended with ${exit ?? 'a signal'}`);
  return response;
}

servePlugin(grpc.LanguageRuntimeService, {
  handshake: answerWith(() => new messages.LanguageHandshakeResponse()),
  getPluginInfo: answerWith(() => new pluginMessages.PluginInfo()),
  getRequiredPackages: answerWith(() => new messages.GetRequiredPackagesResponse()),
  getProgramDependencies: answerWith(() => new messages.GetProgramDependenciesResponse()),
  about: answerWith(() => new messages.AboutResponse()),
  run,
  cancel: answerWith(() => new empties.Empty()),
});
