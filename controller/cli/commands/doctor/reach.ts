import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Kind } from '../../../agent/agent.ts';
import { FleetError } from '../../../errors.ts';
import type { Node } from '../../../node/node.ts';
import { plainText } from '../../../node/survey.ts';
import { quote } from '../../../transport/command.ts';
import type { Outcome } from '../../../transport/outcome.ts';
import { readHostFacts } from '../../../transport/ssh-files.ts';
import { sshEnvironment } from '../../../transport/ssh-node.ts';
import type { Target, Transport } from '../../../transport/transport.ts';
import type { Door } from '../../door.ts';
import { bad, type Finding, good, HERE, sentence, typed } from './finding.ts';

/** The way to a node, and through it. */

const CONNECT_MS_MAX = 5000;

/** Pure: why there is nothing to judge of a node. */
export function judgeSilence(name: string, outcome: Outcome): Finding {
  const check = `node ${name}: reach`;
  const works = typed(HERE, `fleet exec ${name} -- true`);
  const shell = sentence(`${works} must end with 0: its login shell must run what it is given`);
  switch (outcome.is) {
    case 'unreachable': {
      const { message, hint = 'Check that it is up and reachable from here.' } = outcome.failure;
      return bad(check, message, hint);
    }
    case 'timed-out':
      return bad(
        check,
        `did not answer within ${outcome.seconds} s`,
        `It is up but hangs: look at its load (\`uptime\`) and its disk (\`df -h\`), or reboot it.`,
      );
    case 'cancelled':
      return bad(check, 'was not asked to the end', 'Again: `fleet doctor`.');
    case 'too-long':
      return bad(check, `answered with ${outcome.bytes} bytes of something else`, shell);
    case 'exited': {
      const said = plainText(outcome.stderr.trim().split('\n').at(-1) ?? '');
      const detail = `answered, but not what was asked: exit ${outcome.code}${said === '' ? '' : `, ${said}`}`;
      return bad(check, detail, shell);
    }
  }
}

/** ssh passes over a key that others may read: the fleet may still reach the node, and `fleet attach` does not. */
export async function checkIdentities(door: Door, { name, via }: Node): Promise<Finding[]> {
  if (via.kind === 'local') return [];
  const facts = await readHostFacts(via, { env: sshEnvironment(door.env) }).catch((error: unknown) => {
    if (error instanceof FleetError) return undefined; // reaching it says the same
    throw error;
  });
  const keys = (facts?.identities ?? []).filter(({ is }) => is === 'plain' || is === 'encrypted');
  const found = await Promise.all(keys.map(async ({ path }) => ({ path, ...(await stat(path)) })));
  return found.flatMap(({ path, uid, mode }) => {
    if (uid !== process.getuid?.() || (mode & 0o077) === 0) return [];
    const detail = `${path} may be read by others (mode ${(mode & 0o777).toString(8)}): ssh passes over it`;
    return [bad(`node ${name}: key`, detail, sentence(typed(HERE, `chmod 600 ${quote(path)}`)))];
  });
}

/** What tunnels lead to, each place once, with the names of the kinds that want it; tunnels are for http:// alone. */
export function tunnelsOf(kinds: readonly Kind[]): Tunnel[] {
  const tunnels = new Map<string, Tunnel>();
  for (const { name, tunnel, endpoint } of kinds) {
    if (!tunnel || endpoint === null) continue;
    const { hostname, port, host } = new URL(endpoint);
    const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) };
    tunnels.set(host, { target, kinds: [...(tunnels.get(host)?.kinds ?? []), name] });
  }
  return [...tunnels.values()];
}

interface Tunnel {
  target: Target;
  kinds: readonly string[];
}

/** Whether somebody listens at the endpoint that tunnels lead to. */
export async function checkEndpoint({ kinds, target }: Tunnel): Promise<Finding> {
  const { host, port } = target;
  const check = `endpoint of ${kinds.join(', ')}`;
  const failure = await new Promise<string | undefined>((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS_MAX });
    const over = (why?: string) => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => over());
    socket.once('timeout', () => over('no answer'));
    socket.once('error', (error: NodeJS.ErrnoException) => over(error.code ?? error.message));
  });
  if (failure === undefined) return good(check, `somebody listens at ${host}:${port}`);
  const fix = `Start what serves the model there, or correct \`kinds.${kinds[0]}.endpoint\`.`;
  return bad(check, `nobody listens at ${host}:${port} (${failure})`, fix);
}

/** Whether a port of the node can lead here: tried with a conversation, as the controller does it. */
export async function checkTunnel(name: string, transport: Transport, target: Target): Promise<Finding> {
  const check = `node ${name}: tunnel`;
  try {
    const stream = await transport.open(['cat'], () => {});
    try {
      await stream.forward(0, target);
      return good(check, 'a port there leads here');
    } finally {
      stream.close();
      await stream.ended;
    }
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return bad(check, error.message, error.hint ?? 'Its sshd must allow TCP forwarding.');
  }
}
