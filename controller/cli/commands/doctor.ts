import type { Fleet } from '../../config/fleet.ts';
import { desire, type Size } from '../../fleet/desired.ts';
import { plainText, readSurvey, type Survey, surveyNode } from '../../node/survey.ts';
import type { Outcome } from '../../transport/outcome.ts';
import type { Transport } from '../../transport/transport.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { openContext, openTransports, readFleet, readOwner } from '../session.ts';
import { bad, type Finding, good } from './doctor/finding.ts';
import { checkFleet, usedKinds } from './doctor/fleet.ts';
import { judgeNode, NODE_PROGRAMS, WISHED_PROGRAMS } from './doctor/node.ts';

export interface DoctorOptions extends GlobalOptions {
  agents?: string;
  kind?: string;
  json?: boolean;
}

/** `fleet doctor`: what is wrong, and what to do about each; exit 1 when something is. */
export async function doctor(door: Door, options: DoctorOptions): Promise<number> {
  const fleet = await readFleet(door, options, { agents: options.agents, kind: options.kind });
  await using context = await openContext(door, fleet);
  const findings = [...(await checkFleet(door, context)), ...(await checkNodes(door, fleet, await readOwner(context)))];
  if (options.json) door.out(`${JSON.stringify({ version: 1, findings })}\n`);
  else
    for (const { check, ok, detail, fix } of findings)
      door.out(`${ok ? '✓' : '✗'} ${check}: ${detail}${fix ? `\n    → ${fix}` : ''}\n`);
  return findings.every(({ ok }) => ok) ? 0 : 1;
}

interface Answer {
  name: string;
  outcome: Outcome;
  survey: Survey | undefined;
  /** Wall time in ms. */
  asked: number;
  answered: number;
  tookMs: number;
}

/** Every node is asked once, all at the same time. */
async function checkNodes(door: Door, fleet: Fleet, owner: string | null): Promise<Finding[]> {
  const tools = [
    ...new Set(usedKinds(fleet).flatMap((kind) => (kind.tool === 'command' ? [] : [kind.program ?? kind.tool]))),
  ];
  const programs = [...Object.keys(NODE_PROGRAMS), ...Object.keys(WISHED_PROGRAMS), ...tools];
  const transports = openTransports(door, fleet);
  try {
    const answers = await Promise.all(
      [...transports].map(([name, transport]) => askNode(door, fleet, name, transport, programs)),
    );
    const sizes = new Map<string, Size>(
      answers.flatMap(({ name, survey }) => (survey ? [[name, sizeOf(survey)]] : [])),
    );
    const { counts } = desire(fleet, sizes).placement;
    return answers.flatMap(({ name, outcome, survey, asked, answered, tookMs }) => {
      if (!survey) return [unansweredFinding(name, outcome)];
      const agents = counts.find((each) => each.name === name)?.count ?? 0;
      const reach = good(`node ${name}: reach`, `answered within ${tookMs} ms`);
      return [reach, ...judgeNode(name, survey, { tools, agents, owner, asked, answered })];
    });
  } finally {
    await Promise.all([...transports.values()].map((transport) => transport.close()));
  }
}

async function askNode(
  door: Door,
  fleet: Fleet,
  name: string,
  transport: Transport,
  programs: readonly string[],
): Promise<Answer> {
  const [asked, began] = [door.clock.now(), door.clock.monotonic()];
  const outcome = await transport.run(surveyNode(fleet.name, programs), door.signal);
  const survey = outcome.is === 'exited' ? readSurvey(outcome.stdout) : undefined;
  const tookMs = Math.round(door.clock.monotonic() - began);
  return { name, outcome, survey, asked, answered: door.clock.now(), tookMs };
}

function sizeOf({ vcpu, memoryKiB }: Survey): Size {
  return { vcpu, memoryGiB: memoryKiB === null ? null : memoryKiB / 2 ** 20 };
}

function unansweredFinding(name: string, outcome: Outcome): Finding {
  const check = `node ${name}: reach`;
  const shell = `Its login shell must run what it is given: try ssh to it with the words sh -c true.`;
  switch (outcome.is) {
    case 'unreachable':
      return bad(
        check,
        outcome.failure.message,
        outcome.failure.hint ?? 'Check that it is up and reachable from here.',
      );
    case 'timed-out':
      return bad(
        check,
        `has not answered within ${outcome.seconds} s`,
        'It is up but hangs: look at its load and disk.',
      );
    case 'cancelled':
      return bad(check, 'not asked to the end', 'Run fleet doctor again.');
    case 'too-long':
      return bad(check, `answered with ${outcome.bytes} bytes of something else`, shell);
    case 'exited': {
      const said = plainText(outcome.stderr.trim().split('\n').at(-1) ?? '');
      return bad(
        check,
        `answered, but not what was asked: exit ${outcome.code}${said === '' ? '' : `, ${said}`}`,
        shell,
      );
    }
  }
}
