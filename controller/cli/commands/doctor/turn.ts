import { randomUUID } from 'node:crypto';
import type { Kind } from '../../../agent/agent.ts';
import { toolOf } from '../../../agent/tools/index.ts';
import { FleetError } from '../../../errors.ts';
import { plainText } from '../../../node/survey.ts';
import type { Outcome } from '../../../transport/outcome.ts';
import type { Transport } from '../../../transport/transport.ts';
import type { Door } from '../../door.ts';
import { bad, type Finding, good, wish } from './finding.ts';

/** Whether a coding tool really works on a node: a turn with a stand-in for its model here, through a port there. */

const SECONDS_MAX = 90;
const BYTES_MAX = 1_048_576;
const PROMPT = 'Say hello.\n';

// In a folder of its own, which goes again however the turn ends.
const TURN = `
umask 077
mkdir "$1" "$1/work" "$1/tmp" || exit 1
trap 'rm -rf "$1"' EXIT
folder=$1
shift
cd "$folder/work" && timeout -k 2 ${SECONDS_MAX - 10} env "$@"
`;

/** A model that answers everything, on this machine; `close` ends it. */
export async function openModel(door: Door): Promise<{ port: number; close(): Promise<void> }> {
  const { startRehearsalModel } = await door.loadRehearsal();
  const model = await startRehearsalModel({
    scenario: 'calm',
    clock: door.clock,
    seed: 1,
    thinkMs: { min: 0, max: 0 },
  });
  return { port: Number(new URL(model.url).port), close: () => model.close() };
}

export async function checkTurn(
  door: Door,
  name: string,
  transport: Transport,
  kind: Kind,
  port: number,
): Promise<Finding> {
  const check = `node ${name}: ${kind.tool} at work`;
  const began = door.clock.monotonic();
  try {
    const stream = await transport.open(['cat'], () => {});
    try {
      const there = await stream.forward(0, { host: '127.0.0.1', port });
      const outcome = await transport.run(turnOf(kind, there), door.signal);
      const seconds = ((door.clock.monotonic() - began) / 1000).toFixed(1);
      return judge(check, kind, outcome, seconds);
    } finally {
      stream.close();
      await stream.ended;
    }
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    // No fault of the tool: only that it could not be asked.
    return wish(check, `not tried: ${error.message}`, error.hint ?? 'Its sshd must allow TCP forwarding.');
  }
}

function turnOf(kind: Kind, port: number) {
  const folder = `/tmp/fleet-doctor-${randomUUID()}`;
  const lone = { ...kind, secrets: {}, endpoint: `http://127.0.0.1:${port}` };
  const paths = { agentFolder: folder, cwd: `${folder}/work`, promptFile: `${folder}/prompt` };
  const launch = toolOf(kind).launch({ kind: lone, ...paths, run: null, resume: null, attempt: randomUUID() });
  const env = Object.entries(launch.env).map(([variable, value]) => `${variable}=${value}`);
  const words = ['sh', '-c', TURN, 'turn', folder, ...env, ...launch.words];
  return { words, input: PROMPT, secondsMax: SECONDS_MAX, bytesMax: BYTES_MAX };
}

function judge(check: string, kind: Kind, outcome: Outcome, seconds: string): Finding {
  const fix = `\`fleet setup NODE\` installs the version that is known to work; \`kinds.${kind.name}\` says how it is run.`;
  if (outcome.is !== 'exited') return bad(check, `a turn did not come to its end (${outcome.is})`, fix);
  const { code, stdout: out, stderr: err } = outcome;
  const evidence = { exit: code, signal: null, stop: null, lost: false, out, err, usage: '' };
  const { verdict, message } = toolOf(kind).read(evidence);
  if (verdict === 'done') return good(check, `a turn with a stand-in for its model took ${seconds} s`);
  return bad(check, `a turn with a stand-in for its model failed: ${plainText(message ?? verdict)}`, fix);
}
