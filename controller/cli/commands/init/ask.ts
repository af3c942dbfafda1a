import type { DraftNode } from '../../../config/draft.ts';
import { printable } from '../../../errors.ts';
import { plainText, readSurvey, type Survey, surveyNode } from '../../../node/survey.ts';
import type { Outcome } from '../../../transport/outcome.ts';
import { openNodes } from '../../../transport/ssh-node.ts';
import type { Door } from '../../door.ts';
import { counted } from '../../words.ts';
import { judgeNode, NODE_PROGRAMS } from '../doctor.ts';
import { eachOf } from '../exec.ts';
import { addressOf } from './hosts.ts';

/** What became of one host. */
export interface Answer {
  node: DraftNode;
  isUsable: boolean;
  /** Coding CLIs that are there. */
  tools: readonly string[];
  /** The same for two ways to one machine and one home folder; null where it did not say. */
  place: string | null;
}

/** Not more than a host that others are reached through takes at once. */
const ASKED_AT_ONCE = 8;
const ANSWER_SECONDS_MAX = 8;
const TOOLS = ['codex', 'claude'] as const;

/** Asks each host once what it is; nothing is changed there. */
export async function askHosts(door: Door, fleet: string, hosts: readonly DraftNode[]): Promise<Answer[]> {
  if (hosts.length === 0) return [];
  door.say(`Asking ${counted(hosts.length, 'host')}, ${ANSWER_SECONDS_MAX} s each at most …`);
  const answers = await eachOf(hosts, ASKED_AT_ONCE, async (host) => {
    const answer = await askHost(door, fleet, host);
    if (!door.signal.aborted) tell(door, answer);
    return answer;
  });
  return withoutTwins(answers);
}

/** Pure: of several names of one machine and user the first stays. Two nodes there would take it from each other. */
export function withoutTwins(answers: readonly Answer[]): Answer[] {
  const first = new Map<string, string>();
  return answers.map((answer) => {
    const { node, place } = answer;
    const twin = place === null ? undefined : first.get(place);
    if (place !== null && twin === undefined) first.set(place, node.host);
    if (twin === undefined) return answer;
    return { ...answer, isUsable: false, node: { ...node, notes: [`${node.host} is the same machine as ${twin}.`] } };
  });
}

async function askHost(door: Door, fleet: string, host: DraftNode): Promise<Answer> {
  const transport = openNodes({ env: door.env })({ kind: 'ssh', ...addressOf(host) });
  const asked = door.clock.now();
  try {
    const question = surveyNode(fleet, [...Object.keys(NODE_PROGRAMS), ...TOOLS]);
    const outcome = await transport.run({ ...question, secondsMax: ANSWER_SECONDS_MAX }, door.signal);
    const survey = outcome.is === 'exited' ? readSurvey(outcome.stdout) : undefined;
    if (!survey) return { node: { ...host, notes: [whyNot(host, outcome)] }, isUsable: false, tools: [], place: null };
    return judge(host, survey, { asked, answered: door.clock.now() });
  } finally {
    await transport.close();
  }
}

/** Pure. */
export function judge(host: DraftNode, survey: Survey, times: { asked: number; answered: number }): Answer {
  const tools = TOOLS.filter((tool) => !survey.missing.includes(tool));
  const { vcpu, memoryKiB, place } = survey;
  if (memoryKiB === null) {
    const notes = [`${host.host} does not look like Linux, which a node has to be.`];
    return { node: { ...host, notes }, isUsable: false, tools, place };
  }
  const findings = judgeNode(host.host, survey, { ...times, tools: [], agents: vcpu ?? 1, owner: null, setup: '' });
  const notes = findings
    .filter(({ ok }) => !ok)
    .map(({ check, detail, fix }) => `${check.replace(`node ${host.host}: `, '')}: ${detail}. ${fix ?? ''}`.trim());
  if (tools.length === 0)
    notes.push('no coding CLI (codex, claude) is in the PATH of a login: fleet doctor tells what to do.');
  // Down to a tenth: what is written must not be more than there is.
  const memoryGiB = Math.floor((memoryKiB / 2 ** 20) * 10) / 10;
  return { node: { ...host, vcpu, memoryGiB: memoryGiB > 0 ? memoryGiB : null, notes }, isUsable: true, tools, place };
}

/** Pure: why a host did not say what it is, and what to do, as one line. */
function whyNot({ host }: DraftNode, outcome: Outcome): string {
  switch (outcome.is) {
    case 'unreachable':
      return `${outcome.failure.message}. ${outcome.failure.hint ?? ''}`.trim();
    case 'timed-out':
      return `${host} has not answered within ${outcome.seconds} s. Is it running, and is sshd? Is a firewall between?`;
    case 'cancelled':
      return `${host} was not asked to the end.`;
    case 'too-long':
    case 'exited': {
      const said = outcome.is === 'exited' ? plainText(outcome.stderr.trim().split('\n').at(-1) ?? '') : '';
      return `${host} answered, but runs no commands for this login${said === '' ? '' : ` (${said})`}.`;
    }
  }
}

function tell(door: Door, { node, isUsable }: Answer): void {
  const { host, vcpu, memoryGiB, notes } = node;
  const size = isUsable ? `${vcpu ?? '?'} vCPU, ${memoryGiB ?? '?'} GiB` : 'cannot be used as it is';
  door.say([`${isUsable ? '✓' : '✗'} ${host}: ${size}`, ...notes.map((note) => `    ${printable(note)}`)].join('\n'));
}

/** The coding CLI that most of them have; Codex where none is known. */
export function usualTool(answers: readonly Answer[]): string {
  const count = (tool: string) => answers.filter(({ isUsable, tools }) => isUsable && tools.includes(tool)).length;
  return count('claude') > count('codex') ? 'claude' : 'codex';
}
