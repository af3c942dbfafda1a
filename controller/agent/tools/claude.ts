import { quote } from '../../transport/command.ts';
import type { Kind } from '../agent.ts';
import { answerOf, at, conversationAt, type EventLine, eventsOf, isConversation, textAt, usageOf } from './events.ts';
import { type Fault, faultOfProcess, faultOfStop, retryAfterSeconds, sentence, verdictOfText } from './fault.ts';
import { AWK_FIELDS, collectLine, withFolders } from './launch.ts';
import type { Evidence, Launch, LaunchOrder, Reading, Tool } from './tool.ts';

const PROGRAM = 'claude';
const KEY_NAMES = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'];
const ALLOWED_TOOLS = ['Bash', 'Edit', 'Write', 'Read', 'NotebookEdit', 'WebFetch', 'WebSearch'];

/** Claude Code: one conversation, named by us, in a configuration folder of the agent's own. */
export const claude: Tool = { name: 'claude', resumable: true, talks: true, launch, read };

function launch(order: LaunchOrder): Launch {
  const { kind, agentFolder } = order;
  const home = `${agentFolder}/claude`;
  return {
    words: withFolders(['CLAUDE_CONFIG_DIR', 'TMPDIR'], [kind.program ?? PROGRAM, ...wordsOf(order)]),
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      ...kind.env,
      ...(kind.endpoint === null ? {} : endpointOf(kind, kind.endpoint)),
      CLAUDE_CONFIG_DIR: home,
      TMPDIR: `${agentFolder}/tmp`,
    },
    stdin: 'prompt',
    gated: true,
    home: null,
    collect: collectLine(quote(`${home}/projects`), '"type":"assistant"', TRANSCRIPT_USAGE),
  };
}

function wordsOf(order: LaunchOrder): string[] {
  const { kind, resume } = order;
  if (resume !== null && !isConversation(resume)) throw new RangeError('a conversation is named by a UUID');
  return [
    ...['-p', '--output-format', 'stream-json', '--verbose'],
    ...(resume === null ? ['--session-id', order.attempt] : ['--resume', resume]),
    ...(kind.model === null ? [] : ['--model', kind.model]),
    ...permissionsOf(kind.sandbox),
    ...kind.args,
  ];
}

/** Bypassing permissions is refused to root, so full access is a list of what is allowed (one word: the flag is greedy). */
function permissionsOf(sandbox: string | null): string[] {
  if (sandbox === 'danger-full-access') return [`--allowedTools=${ALLOWED_TOOLS.join(',')}`];
  if (sandbox === 'read-only') return ['--permission-mode', 'manual'];
  return ['--permission-mode', 'acceptEdits'];
}

/** An endpoint of one's own may need no key, but the tool does not begin without one. */
function endpointOf(kind: Kind, endpoint: string): Record<string, string> {
  const keyed = KEY_NAMES.some((name) => name in kind.secrets || name in kind.env);
  const base = { ANTHROPIC_BASE_URL: endpoint.replace(/\/+$/, '') };
  return keyed ? base : { ...base, ANTHROPIC_API_KEY: 'none' };
}

/**
 * The transcript holds each message's usage as it was at the end of the message (the events on standard output only
 * have its beginning), once for each block of content, and survives a kill. Errors of the tool itself appear as
 * messages of a synthetic model. Here cached tokens are not in `input_tokens`.
 */
const TRANSCRIPT_USAGE = `${AWK_FIELDS}
!/[}]$/ { next }
{
  start = index($0, "\\"message\\":{");
  if (start == 0) next;
  message = substr($0, start);
  usage = $0; sub(/.*"usage":[{]/, "", usage);
  response = word(message, "id"); model = word(message, "model");
  if (response == "" || usage == $0 || model == "<synthetic>") next;
  read = count(usage, "cache_read_input_tokens");
  tell(response, model, count(usage, "input_tokens") + count(usage, "cache_creation_input_tokens") + read, read, count(usage, "output_tokens"))
}`;

function read(evidence: Evidence): Reading {
  const events = eventsOf(evidence.out);
  const result = events.findLast((event) => event.type === 'result');
  const fault = faultOf(evidence, events, result);
  return {
    verdict: fault?.verdict ?? 'done',
    message: fault?.message ?? null,
    answer: answerOf(isGood(result) ? textAt(result, 'result') : lastWord(events)),
    conversation: hasNoConversation(result) ? null : conversationAt(events.find(isInit) ?? result, 'session_id'),
    usage: usageOf(evidence.usage),
    retryAfterSeconds: fault === null ? null : retryAfterSeconds(fault.message),
  };
}

function isInit(event: EventLine): boolean {
  return event.type === 'system' && event.subtype === 'init';
}

/** `success` alone says little: errors of the API and interrupted turns carry it too. */
function isGood(result: EventLine | undefined): boolean {
  const reason = textAt(result, 'terminal_reason') ?? 'completed';
  return result?.subtype === 'success' && result.is_error === false && !reason.startsWith('aborted');
}

/** The text of the agent's last message that was no report of an error. */
function lastWord(events: readonly EventLine[]): string | null {
  const texts = events
    .filter((event) => event.type === 'assistant' && event.is_api_error_message !== true)
    .flatMap((event) => {
      const content = at(event, 'message', 'content');
      return Array.isArray(content) ? content.map((block) => textAt(block, 'text')) : [];
    });
  return texts.findLast((text) => text !== null) ?? null;
}

/** The tool's result decides, even where its process stayed or nobody saw it end; only a cancel stands above it. */
function faultOf(evidence: Evidence, events: readonly EventLine[], result: EventLine | undefined): Fault | null {
  if (evidence.stop === 'cancelled') return faultOfStop('cancelled');
  if (isGood(result)) return null;
  if (evidence.stop === null && result !== undefined) return faultOfResult(result, events);
  const fault = faultOfProcess(evidence, events.some(isInit));
  const retry = events.findLast((event) => event.type === 'system' && event.subtype === 'api_retry');
  const trouble = [at(retry, 'error_status'), at(retry, 'error')].filter((part) => part !== null && part !== undefined);
  return retry === undefined
    ? fault
    : { ...fault, message: sentence(`${fault.message}; it was trying the model again: ${trouble.join(' ')}`) };
}

function hasNoConversation(result: EventLine | undefined): boolean {
  return /no conversation found/i.test(errorsOf(result));
}

function errorsOf(result: EventLine | undefined): string {
  const errors = at(result, 'errors');
  return Array.isArray(errors) ? errors.filter((error) => typeof error === 'string').join('; ') : '';
}

function faultOfResult(result: EventLine, events: readonly EventLine[]): Fault {
  const said = [textAt(result, 'result') ?? '', errorsOf(result)].filter((text) => text !== '').join('; ');
  const message = sentence(said || (textAt(result, 'subtype') ?? 'ended badly'));
  if (hasNoConversation(result)) return { verdict: 'launch', message };
  if (textAt(result, 'terminal_reason')?.startsWith('aborted')) {
    return { verdict: 'killed', message: 'interrupted in the middle of its turn' };
  }
  return { verdict: verdictOfResult(result, said, events), message };
}

/** By the API's own status and error names first; a bad request is the task's fault unless it speaks of money. */
function verdictOfResult(result: EventLine, said: string, events: readonly EventLine[]): Fault['verdict'] {
  const status = at(result, 'api_error_status');
  const report = events.findLast((event) => event.is_api_error_message === true);
  const names = [at(report, 'error'), at(result, 'api_error_type'), at(result, 'api_error')];
  const named = [...names, typeof status === 'number' ? `status ${status}` : ''].join(' ');
  const verdict = verdictOfText(`${named} ${said}`) ?? 'failed';
  const isBadRequest = status === 400 || status === 404 || status === 413;
  return isBadRequest && verdict !== 'quota' ? 'failed' : verdict;
}
