import { createHash } from 'node:crypto';
import { quote, shellLine } from '../../transport/command.ts';
import type { Kind } from '../agent.ts';
import { answerOf, at, conversationAt, type EventLine, eventsOf, isConversation, textAt, usageOf } from './events.ts';
import { type Fault, faultOfProcess, faultOfStop, retryAfterSeconds, sentence, verdictOfText } from './fault.ts';
import { AWK_FIELDS, collectLine, withFolders } from './launch.ts';
import type { Evidence, HomeTemplate, Launch, LaunchOrder, Reading, Tool } from './tool.ts';

const PROGRAM = 'codex';
const HOME = 'codex';
const DEFAULT_SANDBOX = 'workspace-write';
const KEY_NAMES = ['OPENAI_API_KEY', 'CODEX_API_KEY'];

/** No calls of its own to the outside, no sub-agents (their tokens are in no event), no keys in commands it runs. */
const SETTINGS = [
  'features.plugins=false',
  'features.shell_snapshot=false',
  'analytics.enabled=false',
  'check_for_update_on_startup=false',
  'agents.enabled=false',
  'shell_environment_policy.ignore_default_excludes=false',
];

/** The Codex CLI: one conversation in a home of the agent's own, so that it can be gone on with after any end. */
export const codex: Tool = { name: 'codex', resumable: true, talks: true, launch, read };

function launch(order: LaunchOrder): Launch {
  const { kind, agentFolder } = order;
  const home = `${agentFolder}/${HOME}`;
  const program = kind.program ?? PROGRAM;
  return {
    words: withFolders(['CODEX_HOME', 'TMPDIR'], [program, ...wordsOf(order)]),
    env: { ...kind.env, CODEX_HOME: home, TMPDIR: `${agentFolder}/tmp` },
    stdin: 'prompt',
    gated: true,
    home: templateOf(program),
    collect: collectLine(quote(`${home}/sessions`), ROLLOUT_LINES, ROLLOUT_USAGE, tidyLine(quote(home))),
  };
}

/** All flags stand before `resume`, which knows none of them and forgets the old sandbox. */
function wordsOf(order: LaunchOrder): string[] {
  const { kind, resume } = order;
  if (resume !== null && !isConversation(resume)) throw new RangeError('a conversation is named by a UUID');
  return [
    ...['exec', '--json', '--skip-git-repo-check', '-C', order.cwd, '-s', kind.sandbox ?? DEFAULT_SANDBOX],
    ...(kind.model === null ? [] : ['-m', kind.model]),
    ...[...SETTINGS, ...(kind.endpoint === null ? [] : providerOf(kind, kind.endpoint))].flatMap(setting),
    ...kind.args,
    ...(resume === null ? [] : ['resume', resume]),
    '-',
  ];
}

function setting(text: string): string[] {
  return ['-c', text];
}

/** An own provider: the built-in one tries a WebSocket first. The key is named only where there is one. */
function providerOf(kind: Kind, endpoint: string): string[] {
  const key = KEY_NAMES.find((name) => name in kind.secrets || name in kind.env);
  const fields = [
    'name="fleet"',
    `base_url=${JSON.stringify(`${endpoint.replace(/(\/v1)?\/*$/, '')}/v1`)}`,
    'wire_api="responses"',
    'supports_websockets=false',
    ...(key === undefined ? [] : [`env_key="${key}"`]),
  ];
  return ['model_provider="fleet"', `model_providers.fleet={${fields.join(',')}}`];
}

/**
 * A home whose databases are made already, which halves the time of a start: made by a run that fails at once
 * because nobody listens at its model. Named by its recipe; another version of the program brings it up to date.
 */
function templateOf(program: string): HomeTemplate {
  const provider = 'name="none",base_url="http://127.0.0.1:1/v1",wire_api="responses",supports_websockets=false';
  const run = shellLine([
    ...['timeout', '30', program, 'exec', '--ephemeral', '--json', '--skip-git-repo-check', '-s', 'read-only'],
    ...[...SETTINGS, 'features.unbounded_connection_retries=false', 'model_provider="none"'].flatMap(setting),
    ...setting(`model_providers.none={${provider},request_max_retries=0,stream_max_retries=0}`),
    'nothing',
  ]);
  const make = [
    'cd "$FLEET_TEMPLATE" && mkdir tmp || exit 1',
    `CODEX_HOME="$FLEET_TEMPLATE" TMPDIR="$FLEET_TEMPLATE/tmp" ${run} </dev/null >/dev/null 2>&1`,
    'rm -rf tmp thread-writer-locks installation_id ./*.sqlite-shm',
    'ls ./state_*.sqlite >/dev/null',
  ].join('; ');
  return { folder: HOME, name: `codex-${createHash('sha256').update(make).digest('hex').slice(0, 12)}`, make };
}

const DATABASES = ['state_*', 'thread_history_*'];
/** Of either, checkpointed; some 280 are there from the first conversation on. */
const DATABASE_KB_MAX = 512;

/**
 * Its databases keep a row or more of every conversation there ever was. They are made from the conversations' own
 * files where they are missing, so they go once they are large; what was not yet written through goes first, for it
 * must not meet another database of that name.
 */
function tidyLine(home: string): string {
  const large = `find ${home} -maxdepth 1 -type f '(' ${DATABASES.map((name) => `-name '${name}.sqlite'`).join(' -o ')} ')' -size +${DATABASE_KB_MAX}k`;
  const files = ['-wal', '-shm', ''].flatMap((end) => DATABASES.map((name) => `${home}/${name}.sqlite${end}`));
  return `[ -z "$(${large} 2>/dev/null)" ] || rm -f -- ${files.join(' ')}`;
}

/** Every model call leaves a usage record in the rollout when it ends, whatever happens to the process after it. */
const ROLLOUT_LINES = '^[{]"timestamp":"[^"]*",("ordinal":[0-9]+,)?"type":"(turn_context|token_usage_record)"';
const ROLLOUT_USAGE = `${AWK_FIELDS}
!/[}]$/ { next }
/"type":"turn_context"/ { model = word($0, "model"); next }
{
  usage = $0; sub(/.*"usage":[{]/, "", usage);
  response = word($0, "response_id");
  if (response != "") tell(response, model, count(usage, "input_tokens"), count(usage, "cached_input_tokens"), count(usage, "output_tokens"))
}`;

function read(evidence: Evidence): Reading {
  const events = eventsOf(evidence.out);
  const fault = faultOf(evidence, events);
  return {
    verdict: fault?.verdict ?? 'done',
    message: fault?.message ?? null,
    answer: answerOf(lastWord(events)),
    conversation: conversationAt(
      events.find((event) => event.type === 'thread.started'),
      'thread_id',
    ),
    usage: usageOf(evidence.usage),
    retryAfterSeconds: fault === null ? null : retryAfterSeconds(fault.message),
  };
}

function lastWord(events: readonly EventLine[]): string | null {
  const message = events.findLast(
    (event) => event.type === 'item.completed' && textAt(event, 'item', 'type') === 'agent_message',
  );
  return textAt(message, 'item', 'text');
}

const TURN_EVENTS: ReadonlySet<unknown> = new Set(['turn.started', 'turn.completed', 'turn.failed']);

/** Its own last word on its turn decides, seen by us or not; only a person's cancel stands above a completed turn. */
function faultOf(evidence: Evidence, events: readonly EventLine[]): Fault | null {
  const turn = events.findLast((event) => TURN_EVENTS.has(event.type));
  if (evidence.stop === 'cancelled') return faultOfStop('cancelled');
  if (turn?.type === 'turn.completed') return null;
  if (evidence.stop === null && turn?.type === 'turn.failed')
    return faultOfTurn(textAt(turn, 'error', 'message') ?? '');
  const fault = faultOfProcess(evidence, turn !== undefined);
  const trouble = textAt(
    events.findLast((event) => event.type === 'error'),
    'message',
  );
  return trouble === null ? fault : { ...fault, message: sentence(`${fault.message}; it last said: ${trouble}`) };
}

/** The text may be the provider's whole JSON answer. */
function faultOfTurn(text: string): Fault {
  const inner = textAt(at(eventsOf(text)[0], 'error'), 'message');
  return { verdict: verdictOfText(text) ?? 'failed', message: sentence(inner ?? text) || 'its turn failed' };
}
